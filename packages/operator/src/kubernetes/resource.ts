/** Where the API server has what. */

export interface Resource {
  /** Empty for the core group. */
  readonly group: string;
  readonly version: string;
  readonly plural: string;
}

export interface Place {
  readonly namespace?: string | undefined;
  readonly name?: string;
  readonly subresource?: 'status';
}

/** https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-uris */
export function pathOf({ group, version, plural }: Resource, { namespace, name, subresource }: Place = {}): string {
  const parts = group === '' ? ['api', version] : ['apis', group, version];
  if (namespace) parts.push('namespaces', namespace);
  parts.push(plural);
  if (name !== undefined) parts.push(name);
  if (subresource !== undefined) parts.push(subresource);
  return `/${parts.map(encodeURIComponent).join('/')}`;
}
