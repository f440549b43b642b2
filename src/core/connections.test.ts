import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeCounts } from '../counts/memory.ts';
import { SharedCounts } from '../counts/shared-counts.ts';
import { Connections, type Shortage } from './connections.ts';

/** The connections of two data planes, which may be so many together. */
function pair(most: number): [Connections, Connections] {
  const memory = makeCounts({ workers: 2, sessions: 10 });
  const make = (worker: number): Connections => {
    const connections = new Connections(new SharedCounts(memory, worker).counter('connections'));
    connections.most = most;
    return connections;
  };
  return [make(0), make(1)];
}

test('connections of all data planes together are as many as there may be, made or accepted', () => {
  const [a, b] = pair(3);
  const refused: Shortage[] = [];
  a.reserve(10);
  assert.ok(b.accept({}, 11) && a.accept({}, 12));
  assert.ok(!b.accept({ refused: (why) => refused.push(why) }, 13));
  a.onRefused = (why) => refused.push(why);
  assert.throws(() => a.reserve(14), { code: 'E_LIMIT' });
  assert.deepEqual(refused, ['max-connections', 'max-connections']);
  assert.deepEqual([a.open, b.open], [2, 1]);
  b.give();
  a.reserve(15);
});

test('who may use what is reserved is taken when there is no more room, and counts', () => {
  const [a, b] = pair(1);
  a.ceiling = 20;
  const mayUseReserve = (): boolean => true;
  assert.ok(a.accept({ mayUseReserve }, 25) && a.accept({ mayUseReserve }, 10));
  assert.equal(a.open, 2);
  assert.ok(!b.accept({}, 11));
});

test('a descriptor from the reserve is not for traffic, whoever has the others', () => {
  const [a] = pair(100);
  a.ceiling = 20;
  const refused: Shortage[] = [];
  assert.ok(a.accept({}, 19));
  assert.ok(!a.accept({ refused: (why) => refused.push(why) }, 20));
  assert.throws(() => a.reserve(21), { code: 'E_LIMIT' });
  assert.deepEqual(refused, ['descriptors']);
  assert.equal(a.open, 1);
});
