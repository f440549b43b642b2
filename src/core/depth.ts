import type { Json } from './metadata.ts';

/** The most objects and arrays inside each other, in whatever is taken from outside: what walks them may recurse. */
export const MAX_DEPTH = 64;

/** Whether a value has more than `limit` parts: itself, its members, theirs and so on. */
export function isLargerThan(value: Json, limit: number): boolean {
  const parts = [value];
  // Grows while it is walked.
  for (const part of parts) {
    if (typeof part === 'object' && part !== null) for (const member of Object.values(part)) parts.push(member);
    if (parts.length > limit) return true;
  }
  return false;
}

/** Whether a value has more than `limit` objects and arrays inside each other. */
export function isDeeperThan(value: Json, limit: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return limit === 0 || Object.values(value).some((member) => isDeeperThan(member, limit - 1));
}
