import { MAX_DEPTH } from '../../core/depth.ts';
import { L7mpError } from '../../core/errors.ts';
import type { Json } from '../../core/metadata.ts';

/**
 * The one text that all equal JSON values have: the order of an object's members does not count.
 *
 * @throws L7mpError E_NO_ROUTE where it is nested too deeply
 */
export function canonical(value: Json, depth = MAX_DEPTH): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  if (depth === 0) throw new L7mpError('E_NO_ROUTE', `the label is nested more than ${MAX_DEPTH} deep`);
  if (Array.isArray(value)) return `[${value.map((element) => canonical(element, depth - 1)).join()}]`;
  const members = Object.keys(value)
    .sort()
    .map((key) => `${JSON.stringify(key)}:${canonical(value[key] as Json, depth - 1)}`);
  return `{${members.join()}}`;
}
