import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ClusterDefinition, Definition, EndpointDefinition } from '../model/definitions.ts';
import type { Change } from '../model/step.ts';
import { DefinitionStore } from './definition-store.ts';
import { plan } from './plan.ts';

const cluster = (name: string): ClusterDefinition => ({
  kind: 'cluster',
  name,
  owner: undefined,
  spec: { protocol: 'TCP', port: 1 },
  loadbalancer: { policy: 'Trivial' },
  options: {},
});

const endpoint = (name: string, of: string): EndpointDefinition => ({
  kind: 'endpoint',
  name,
  cluster: of,
  address: 'x',
  port: undefined,
  weight: 1,
});

const steps = (changes: readonly Change[]) => plan(changes, () => false);

function storeOf(...definitions: Definition[]): DefinitionStore {
  const store = new DefinitionStore();
  store.apply(steps(definitions.map((after) => ({ before: undefined, after }))));
  return store;
}

const endpointsOf = (store: DefinitionStore, name: string): string[] => [...store.endpointsOf(name).keys()];

test('what a change would make is seen before it is made', () => {
  const store = storeOf(cluster('a'), endpoint('e', 'a'));
  const change = steps([
    { before: endpoint('e', 'a'), after: undefined },
    { before: undefined, after: endpoint('f', 'a') },
  ]);
  assert.deepEqual(endpointsOf(store.after(change), 'a'), ['f']);
  assert.deepEqual(endpointsOf(store, 'a'), ['e']);
  store.apply(change);
  assert.deepEqual(store.definitions(), [endpoint('f', 'a'), cluster('a')]);
});

test('endpoints of a cluster have the order that is asked for, and keep it', () => {
  const store = storeOf(cluster('a'), endpoint('e', 'a'), endpoint('f', 'a'));
  store.apply(steps([{ before: cluster('a'), after: cluster('a'), order: ['f', 'e'] }]));
  assert.deepEqual(endpointsOf(store, 'a'), ['f', 'e']);
  assert.deepEqual(endpointsOf(store.after([]), 'a'), ['f', 'e']);
});

test('an endpoint moves to another cluster', () => {
  const store = storeOf(cluster('a'), cluster('b'), endpoint('e', 'a'));
  store.apply(steps([{ before: endpoint('e', 'a'), after: endpoint('e', 'b') }]));
  assert.deepEqual([endpointsOf(store, 'a'), endpointsOf(store, 'b')], [[], ['e']]);
});

test('what is not there is E_UNKNOWN', () => {
  assert.throws(() => storeOf().definition('cluster', 'nix'), { code: 'E_UNKNOWN' });
});
