import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SharedCounts } from '../../counts/shared-counts.ts';
import type { EndpointDefinition } from '../../model/definitions.ts';
import { Store } from '../store.ts';
import { endpointHandler } from './endpoint.ts';

const endpoint = (name: string, more: Partial<EndpointDefinition> = {}): EndpointDefinition => {
  return { kind: 'endpoint', name, cluster: 'a', address: 'x', port: undefined, weight: 1, ...more };
};

async function storeOf(...definitions: EndpointDefinition[]) {
  const store = new Store();
  const handler = endpointHandler(store, SharedCounts.alone());
  for (const definition of definitions) await handler.create(definition);
  return { store, handler, of: (cluster: string) => [...store.endpointsOf(cluster).keys()] };
}

test('a weight is swapped, another address makes another endpoint', async () => {
  const { store, handler } = await storeOf(endpoint('e'));
  const first = store.endpoints.get('e');
  await handler.update(endpoint('e'), endpoint('e', { weight: 2 }));
  assert.equal(store.endpoints.get('e'), first);
  assert.equal(first?.weight, 2);
  await handler.update(endpoint('e', { weight: 2 }), endpoint('e', { address: 'y' }));
  assert.notEqual(store.endpoints.get('e'), first);
  assert.equal(first?.address, 'x');
});

test('an endpoint moves to another cluster, and back into its place', async () => {
  const { store, handler, of } = await storeOf(endpoint('e'), endpoint('f'));
  const first = store.endpoints.get('e');
  const done = await handler.update(endpoint('e'), endpoint('e', { cluster: 'b' }));
  assert.deepEqual([of('a'), of('b')], [['f'], ['e']]);
  await done.undo();
  assert.deepEqual([of('a'), of('b')], [['e', 'f'], []]);
  assert.equal(store.endpoints.get('e'), first);
});
