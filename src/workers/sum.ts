/**
 * Adds plain data of the same form: numbers are added, maps and objects member by member, lists follow one another. Of
 * anything else the first counts.
 */
export function sum<T>(a: T, b: T): T {
  return add(a, b) as T;
}

function add(a: unknown, b: unknown): unknown {
  if (a === undefined || b === undefined) return a ?? b;
  if (typeof a === 'number' && typeof b === 'number') return a + b;
  if (Array.isArray(a) && Array.isArray(b)) return [...a, ...b];
  if (a instanceof Map && b instanceof Map) return new Map(members(a, b));
  if (isObject(a) && isObject(b)) return Object.fromEntries(members(entries(a), entries(b)));
  return a;
}

function* members<K>(a: ReadonlyMap<K, unknown>, b: ReadonlyMap<K, unknown>): Iterable<[K, unknown]> {
  for (const key of new Set([...a.keys(), ...b.keys()])) yield [key, add(a.get(key), b.get(key))];
}

function entries(object: object): Map<string, unknown> {
  return new Map(Object.entries(object));
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}
