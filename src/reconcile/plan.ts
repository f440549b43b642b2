/**
 * A change of the configuration, as what becomes of each object. Pure: nothing is looked at but the definitions, so
 * that a change costs what it changes, whatever else there is.
 */

import type { Definition, Kind } from '../model/definitions.ts';
import { ALL_KINDS, written } from '../model/kinds.ts';
import type { Change, Step } from '../model/step.ts';
import { differences } from './differences.ts';

/** The field of what listens on many ports. */
const PORTS_FIELD = '/spec/ports';

/** Whether a changed field (a JSON pointer) of an object wants its sockets or files opened anew. */
export type Restarts = (definition: Definition, field: string) => boolean;

/** What becomes of one object; undefined where nothing does. */
export function decide(change: Change, restarts: Restarts): Step | undefined {
  const { before, after, order } = change;
  if (!before) return after && { ...change, action: 'create', fields: [] };
  if (!after) return { ...change, action: 'delete', fields: [] };
  const fields = differences(written(before), written(after));
  if (order) fields.push('/endpoints');
  if (clusterOf(before) !== clusterOf(after)) fields.push('/cluster');
  // The owner is no field: the API does not show it.
  if (fields.length === 0 && ownerOf(before) === ownerOf(after)) return undefined;
  return { ...change, action: fields.some((field) => restarts(after, field)) ? 'restart' : 'update', fields };
}

/** Of an endpoint, which one writes in its cluster. */
function clusterOf(definition: Definition): string | undefined {
  return definition.kind === 'endpoint' ? definition.cluster : undefined;
}

function ownerOf(definition: Definition): string | undefined {
  return 'owner' in definition ? definition.owner : undefined;
}

/** The steps: first what comes and changes, then what goes, each in the order of what refers to what. */
export function plan(changes: readonly Change[], restarts: Restarts): Step[] {
  const steps = apart(changes.map((change) => decide(change, restarts)).filter((step) => step !== undefined));
  const rank = ({ before, after }: Step): number => ALL_KINDS.indexOf((after ?? before)?.kind as Kind);
  // A listener that gives up ports in place does so before another one takes them.
  const isTaking = ({ action, after }: Step): number => Number(after?.kind === 'listener' && action !== 'update');
  const comes = steps
    .filter(({ action }) => action !== 'delete')
    .sort((a, b) => rank(a) - rank(b) || isTaking(a) - isTaking(b));
  const goes = steps.filter(({ action }) => action === 'delete').sort((a, b) => rank(b) - rank(a));
  return [...comes, ...goes];
}

/** Where several listeners change their ports in place, one may want what another gives up: then all of them give up theirs first. */
function apart(steps: readonly Step[]): Step[] {
  const isMoving = ({ action, fields }: Step): boolean => action === 'update' && fields.includes(PORTS_FIELD);
  if (steps.filter(isMoving).length < 2) return [...steps];
  return steps.map((step) => (isMoving(step) ? { ...step, action: 'restart' } : step));
}
