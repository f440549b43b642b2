/**
 * A change of the configuration, as what becomes of each object. Pure: nothing is looked at but the definitions, so
 * that a change costs what it changes, whatever else there is.
 */
import { isDeepStrictEqual } from 'node:util';
import type { Definition, Kind } from './definitions.ts';

/** What an object is now, and what it shall be; undefined where it is not there. */
export interface Change {
  readonly before: Definition | undefined;
  readonly after: Definition | undefined;
}

/** `update` swaps what later sessions see; `restart` closes and opens what holds sockets or files. */
export type Action = 'none' | 'create' | 'update' | 'restart' | 'delete';

export interface Step extends Change {
  readonly action: Action;
}

/** The order in which objects come, so that nothing refers to what is not there yet; they go the other way round. */
const ORDER: readonly Kind[] = ['cluster', 'endpoint', 'route', 'rule', 'rulelist', 'listener'];

/** The fields whose change needs a restart, by kind; the others are swapped. */
const RESTARTING: Partial<Record<Kind, readonly string[]>> = {
  listener: ['spec', 'options'],
  cluster: ['spec', 'options', 'loadbalancer'],
};

export function decide({ before, after }: Change): Action {
  if (!before) return after ? 'create' : 'none';
  if (!after) return 'delete';
  if (isDeepStrictEqual(before, after)) return 'none';
  const fields = RESTARTING[after.kind] ?? [];
  const restarts = fields.some((field) => !isDeepStrictEqual(fieldOf(before, field), fieldOf(after, field)));
  return restarts ? 'restart' : 'update';
}

function fieldOf(definition: Definition, field: string): unknown {
  return (definition as unknown as Record<string, unknown>)[field];
}

/** The steps in the order in which they are taken: first what comes and changes, then what goes. */
export function plan(changes: readonly Change[]): Step[] {
  const steps = changes
    .map((change) => ({ ...change, action: decide(change) }))
    .filter(({ action }) => action !== 'none');
  const rank = ({ before, after }: Step): number => ORDER.indexOf((after ?? before)?.kind as Kind);
  const comes = steps.filter(({ action }) => action !== 'delete').sort((a, b) => rank(a) - rank(b));
  const goes = steps.filter(({ action }) => action === 'delete').sort((a, b) => rank(b) - rank(a));
  return [...comes, ...goes];
}
