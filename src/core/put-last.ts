/** Puts entries of a map behind its others, in this order. Keys that it does not have are passed over. */
export function putLast<K, V>(map: Map<K, V>, keys: Iterable<K>): void {
  for (const key of keys) {
    const value = map.get(key);
    if (value === undefined) continue;
    map.delete(key);
    map.set(key, value);
  }
}
