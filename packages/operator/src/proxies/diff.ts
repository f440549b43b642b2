/** From what a proxy has of ours, and what it should have, to the changes that make one of the other. */
import type { Definition, Wish, WishedCluster } from '../translation/contract.ts';
import type { NormalForms } from './normal-form.ts';
import { KINDS, type Kind, type Wished } from './objects.ts';

export interface Put {
  readonly action: 'put';
  readonly kind: Kind | 'endpoints';
  readonly name: string;
  /** The object whose state this is about: of an endpoint, its cluster; else the object itself. */
  readonly owner: string;
  readonly wished: Wished;
  /** Undefined where it is new. */
  readonly had: Wished | undefined;
}

export interface Delete {
  readonly action: 'delete';
  readonly kind: Kind | 'endpoints';
  readonly name: string;
  readonly owner: string;
  readonly wished?: undefined;
  readonly had: Wished;
}

export type Step = Put | Delete;

interface Change {
  readonly kind: Kind;
  readonly name: string;
  readonly had: Wished | undefined;
  readonly wished: Wished;
}

/** Changes of a cluster's endpoints that are made one by one; more of them are one change of the cluster. */
const MOST_ENDPOINTS = 4;

/**
 * In an order in which nothing ever refers to what is not there: first listeners that go, so that others can have their ports;
 * then all that comes or changes; then what nothing refers to any more.
 */
export function diff(have: Wish, want: Wish, forms: NormalForms): Step[] {
  const kinds = KINDS.filter((kind) => have[kind] !== want[kind]);
  const changes = kinds.flatMap((kind) =>
    [...want[kind]].flatMap(([name, wished]) => changesOf({ kind, name, had: have[kind].get(name), wished }, forms)),
  );
  const go = kinds.flatMap((kind) => [...have[kind]].flatMap(([name, had]) => goes(kind, name, had, want)));
  return [
    ...go.filter(({ kind }) => kind === 'listeners'),
    ...changes.filter(({ action }) => action === 'put'),
    ...changes.filter(({ action }) => action === 'delete'),
    ...go.filter(({ kind }) => kind !== 'listeners').reverse(),
  ];
}

function goes(kind: Kind, name: string, had: Wished, want: Wish): Step[] {
  return want[kind].has(name) ? [] : [{ action: 'delete', kind, name, owner: name, had }];
}

function changesOf({ kind, name, had, wished }: Change, forms: NormalForms): Step[] {
  if (had === wished) return [];
  const put: Put = { action: 'put', kind, name, owner: name, wished, had };
  if (had === undefined) return [put];
  if (kind !== 'clusters') return forms.same(kind, had as Definition, wished as Definition) ? [] : [put];
  const [before, after] = [had as WishedCluster, wished as WishedCluster];
  if (!forms.same(kind, before.definition, after.definition)) return [put];
  const steps = endpointChanges(name, before, after, forms);
  return steps.length > MOST_ENDPOINTS || !comeInOrder(before, after) ? [put] : steps;
}

function endpointChanges(owner: string, before: WishedCluster, after: WishedCluster, forms: NormalForms): Step[] {
  const steps: Step[] = [];
  if (before.endpoints === after.endpoints) return steps;
  const kind = 'endpoints';
  for (const [name, wished] of after.endpoints) {
    const had = before.endpoints.get(name);
    if (!had || !forms.same(kind, had, wished)) steps.push({ action: 'put', kind, name, owner, wished, had });
  }
  for (const [name, had] of before.endpoints) {
    if (!after.endpoints.has(name)) steps.push({ action: 'delete', kind, name, owner, had });
  }
  return steps;
}

/**
 * Whether endpoints that are changed one by one come into their order: new ones are put last. Only where the first one takes
 * all does it say anything.
 */
function comeInOrder(before: WishedCluster, { definition, endpoints }: WishedCluster): boolean {
  const { policy = 'Trivial' } = (definition.loadbalancer ?? {}) as { policy?: string };
  if (policy !== 'Trivial' || before.endpoints === endpoints) return true;
  const staying = [...before.endpoints.keys()].filter((name) => endpoints.has(name));
  const coming = [...endpoints.keys()].filter((name) => !before.endpoints.has(name));
  const order = [...endpoints.keys()];
  return [...staying, ...coming].every((name, n) => name === order[n]);
}
