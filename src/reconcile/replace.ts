import { type KnownEndpoints, Normalizer } from '../config/normalize.ts';
import type { Registry } from '../core/registry.ts';
import { type Definition, type Kind, keyOf } from '../model/definitions.ts';
import type { Change } from '../model/step.ts';
import type { DefinitionStore } from './definition-store.ts';

/**
 * The changes that make of the definitions `before` what `write` gives to a normalizer, which sees their names as free.
 * Endpoints that were named by the proxy keep their names where their address stays: so who adds one in front of the
 * others disturbs none of them.
 */
export function replacing(
  store: DefinitionStore,
  registry: Registry,
  before: readonly Definition[],
  write: (normalizer: Normalizer) => void,
): Change[] {
  const replaced = new Map(before.map((definition) => [keyOf(definition), definition]));
  const free = {
    of: (kind: Kind) => ({
      has: (name: string) => store.of(kind).has(name) && !replaced.has(keyOf({ kind, name })),
    }),
  };
  const normalizer = new Normalizer(free, registry, knownEndpoints(before));
  write(normalizer);
  const changes = normalizer.definitions.map((after): Change => {
    const key = keyOf(after);
    const old = replaced.get(key);
    replaced.delete(key);
    return { before: old, after };
  });
  const orders = wishedOrders(normalizer.definitions);
  return [
    ...changes.map((change) => withOrder(change, store, orders)),
    ...[...replaced.values()].map((definition): Change => ({ before: definition, after: undefined })),
  ];
}

function knownEndpoints(definitions: readonly Definition[]): KnownEndpoints {
  const names = new Map<string, string[]>();
  for (const definition of definitions) {
    if (definition.kind !== 'endpoint') continue;
    const key = JSON.stringify([definition.cluster, definition.address, definition.port]);
    const known = names.get(key);
    if (known) known.push(definition.name);
    else names.set(key, [definition.name]);
  }
  return (cluster, { address, port }) => names.get(JSON.stringify([cluster, address, port])) ?? [];
}

function wishedOrders(definitions: readonly Definition[]): ReadonlyMap<string, readonly string[]> {
  const orders = new Map<string, string[]>();
  for (const definition of definitions) {
    if (definition.kind !== 'endpoint') continue;
    const order = orders.get(definition.cluster);
    if (order) order.push(definition.name);
    else orders.set(definition.cluster, [definition.name]);
  }
  return orders;
}

/** A cluster whose endpoints would not come into their order by themselves: those that stay, then those that come. */
function withOrder(change: Change, store: DefinitionStore, orders: ReadonlyMap<string, readonly string[]>): Change {
  const { before, after } = change;
  if (before?.kind !== 'cluster' || after?.kind !== 'cluster') return change;
  const order = orders.get(after.name) ?? [];
  const wished = new Set(order);
  const there = [...store.endpointsOf(after.name).keys()].filter((name) => wished.has(name));
  const coming = order.filter((name) => !there.includes(name));
  const natural = [...there, ...coming];
  return natural.every((name, n) => name === order[n]) ? change : { ...change, order };
}
