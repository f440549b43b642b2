import type { Json } from '../core/metadata.ts';

/**
 * Whether two JSON values are equal as JSON Patch has it (RFC 6902 section 4.6): the order of an object's members does
 * not count. With `ignoreCase`, strings that differ in case only are equal too, at any depth, but not names of members.
 * The comparison recurses as deep as both values go, so that one of them has to be of limited depth.
 */
export function jsonEqual(a: Json, b: Json, ignoreCase: boolean): boolean {
  if (typeof a === 'string' && typeof b === 'string') return fold(a, ignoreCase) === fold(b, ignoreCase);
  if (a === null || b === null || typeof a !== 'object' || typeof b !== 'object') return a === b;
  if (Array.isArray(a) || Array.isArray(b)) {
    if (!Array.isArray(a) || !Array.isArray(b) || a.length !== b.length) return false;
    return a.every((element, index) => jsonEqual(element, b[index] as Json, ignoreCase));
  }
  const keys = Object.keys(a);
  if (keys.length !== Object.keys(b).length) return false;
  return keys.every((key) => Object.hasOwn(b, key) && jsonEqual(a[key] as Json, b[key] as Json, ignoreCase));
}

/** A string in the form in which `ignore_case` compares it: the same everywhere, whatever the locale. */
export function fold(text: string, ignoreCase: boolean): string {
  return ignoreCase ? text.toLowerCase() : text;
}
