import { isDeepStrictEqual } from 'node:util';
import { formatPointer } from '../core/pointer.ts';

/**
 * Where two JSON values differ, as JSON pointers: down to the fields of objects; a list that differs is one difference.
 * A field that is undefined is not there.
 */
export function differences(before: unknown, after: unknown, path: readonly string[] = []): string[] {
  if (isDeepStrictEqual(before, after)) return [];
  if (!isObject(before) || !isObject(after)) return [formatPointer(path)];
  const fields = new Set([...Object.keys(before), ...Object.keys(after)]);
  return [...fields].flatMap((field) => differences(before[field], after[field], [...path, field]));
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
