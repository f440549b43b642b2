import assert from 'node:assert/strict';
import { test } from 'node:test';
import { until } from '../../testing/until.ts';
import { Retransmissions, type Waiting } from './retransmissions.ts';

test('who is due sends again, until it is deleted', async () => {
  const all = new Retransmissions();
  let sent = 0;
  const due: Waiting = { due: performance.now() - 1, retransmit: () => sent++ };
  const later: Waiting = { due: Number.POSITIVE_INFINITY, retransmit: () => assert.fail('it is not due') };
  all.add(due);
  all.add(later);
  // The timer keeps no process alive.
  const alive = setInterval(() => {}, 1000);
  await until(() => sent >= 2, 'twice');
  clearInterval(alive);
  all.delete(due);
  all.delete(later);
  assert.equal(all.size, 0);
});

test('one that deletes others does not hold up the rest', async () => {
  const all = new Retransmissions();
  const called: string[] = [];
  const second: Waiting = { due: 0, retransmit: () => called.push('second') };
  const first: Waiting = {
    due: 0,
    retransmit: () => {
      called.push('first');
      all.delete(first);
      all.delete(second);
    },
  };
  const third: Waiting = {
    due: 0,
    retransmit: () => {
      called.push('third');
      all.delete(third);
    },
  };
  for (const one of [first, second, third]) all.add(one);
  const alive = setInterval(() => {}, 1000);
  await until(() => all.size === 0, 'all of them');
  clearInterval(alive);
  assert.deepEqual(called, ['first', 'third']);
});
