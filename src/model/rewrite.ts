import type { Json } from '../core/metadata.ts';

/** One step of a rule's `rewrite`: `value` is put at the JSON pointer `path`, which is made where it is missing. */
export interface Rewrite {
  path: string;
  value: Json;
}
