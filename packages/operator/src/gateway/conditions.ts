/** Conditions as the API server keeps them: with ours among those of others. */
import type { Condition } from '../resources/objects.ts';

/**
 * `wished` in place of the present ones of their types; the others stay as they are. The time of one changes with its status.
 * `now`: RFC 3339, to the second, as the API server keeps it.
 */
export function mergeConditions(
  present: readonly Condition[] = [],
  wished: readonly Condition[],
  generation: number,
  now: string,
): Condition[] {
  const merged = new Map(present.map((condition) => [condition.type, condition]));
  for (const condition of wished) {
    const before = merged.get(condition.type);
    const since = before?.status === condition.status ? (before.lastTransitionTime ?? now) : now;
    merged.set(condition.type, { ...condition, observedGeneration: generation, lastTransitionTime: since });
  }
  return [...merged.values()];
}

/** Whether somebody has written of a later generation than we know: then what we know is old, and must not be written. */
export function isBehind(
  present: readonly Condition[] | undefined,
  types: readonly string[],
  generation: number,
): boolean {
  return !!present?.some(({ type, observedGeneration = 0 }) => types.includes(type) && observedGeneration > generation);
}
