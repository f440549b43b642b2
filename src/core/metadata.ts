/** What JSON can say. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** Whether it is an object, and no array. */
export function isObject(value: Json | undefined): value is { [key: string]: Json } {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * What is known of a session: a tree of plain JSON, with one key for each protocol that had a part in it (`IP`, `UDP`,
 * `HTTP`, …) and whatever the rules have written. Its keys may come from the network: read own properties only.
 */
export type Metadata = { [key: string]: Json };
