/** Values that are equal to those before stay the same objects, so that later comparisons are of one word. */
import { isDeepStrictEqual } from 'node:util';

/** The old value, where the new one is equal. */
export function keep<V>(old: V | undefined, next: V): V {
  return old !== undefined && isDeepStrictEqual(old, next) ? old : next;
}

/** The old map, or the new one with the old values where they are equal. */
export function keepMap<V>(old: ReadonlyMap<string, V>, next: ReadonlyMap<string, V>): ReadonlyMap<string, V> {
  const kept = new Map([...next].map(([name, value]) => [name, keep(old.get(name), value)]));
  return isSameMap(old, kept) ? old : kept;
}

/** The same objects under the same names in the same order. */
export function isSameMap<V>(a: ReadonlyMap<string, V>, b: ReadonlyMap<string, V>): boolean {
  if (a === b) return true;
  if (a.size !== b.size) return false;
  const others = b.entries();
  for (const [name, value] of a) {
    const [otherName, other] = others.next().value as [string, V];
    if (name !== otherName || value !== other) return false;
  }
  return true;
}
