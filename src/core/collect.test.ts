import assert from 'node:assert/strict';
import { test } from 'node:test';
import { getHeapSpaceStatistics } from 'node:v8';
import { collect, shrinkHeap } from './collect.ts';

function youngGeneration(): number {
  const space = getHeapSpaceStatistics().find(({ space_name: name }) => name === 'new_space');
  return space?.physical_space_size ?? 0;
}

/** Makes the young generation grow: what is allocated outlives its first collections. */
function allocate(): void {
  const kept: object[] = [];
  for (let n = 0; n < 1_000_000; n++) kept.push({ n });
}

test('what is not used any more is collected when it is asked for', () => {
  const reference = (() => new WeakRef({}))();
  return new Promise<void>((resolve) => {
    setImmediate(() => {
      collect();
      assert.equal(reference.deref(), undefined);
      resolve();
    });
  });
});

test('a heap that shrinks gives back what its young generation has grown by', () => {
  allocate();
  const grown = youngGeneration();
  shrinkHeap();
  assert.ok(youngGeneration() < grown, `${youngGeneration()} bytes of ${grown}`);
});
