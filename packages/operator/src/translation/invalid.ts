/** Of an object nothing can be made. The message begins with the field's path; the schemas of the CRDs let few such objects pass. */
export class InvalidObject extends Error {
  override readonly name = 'InvalidObject';
}
