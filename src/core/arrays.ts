/** Takes everything out of an array that is to be filled again, and keeps its room: setting `length` costs V8 far more. */
export function clear(array: unknown[]): void {
  while (array.length > 0) array.pop();
}
