import type { Json } from '../core/metadata.ts';

/**
 * One step of a rule's `rewrite`: `value`, or what stands at the JSON pointer `from`, is put at the JSON pointer `path`, which
 * is made where it is missing. One of the two is given.
 */
export interface Rewrite {
  path: string;
  value?: Json;
  from?: string;
}
