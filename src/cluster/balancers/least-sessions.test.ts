import assert from 'node:assert/strict';
import { test } from 'node:test';
import { balancerOf, endpoint, NONE, sequence } from './testing.ts';

test('LeastSessions takes the endpoint with the fewest sessions, read at each pick', () => {
  const [a, b] = [endpoint('a', 1, 4), endpoint('b', 1, 2)];
  const balancer = balancerOf('LeastSessions', [a, b]);
  assert.equal(sequence(balancer, 2), 'bb');
  b.load = 5;
  assert.equal(sequence(balancer, 2), 'aa');
});

test('LeastSessions fills in proportion to the weights, from the first session on', () => {
  const all = [endpoint('b'), endpoint('a', 3), endpoint('c')];
  const balancer = balancerOf('LeastSessions', all);
  const first = balancer.pick(undefined, NONE, NONE);
  assert.equal(first?.address, 'a');
  for (let n = 0; n < 500; n++) {
    const picked = balancer.pick(undefined, NONE, NONE);
    if (picked) picked.load++;
  }
  assert.deepEqual(
    all.map((one) => one.load),
    [100, 300, 100],
  );
});

test('LeastSessions rotates among equals, through updates and failures', () => {
  const [a, b, c, d] = [endpoint('a'), endpoint('b'), endpoint('c'), endpoint('d', 1, 1)];
  const balancer = balancerOf('LeastSessions', [a, b, c, d]);
  assert.equal(sequence(balancer, 4), 'abca');
  balancer.update([d, c, b, a]);
  assert.equal(sequence(balancer, 3), 'bca');
  assert.equal(sequence(balancer, 2, new Set([b])), 'ca');
  assert.equal(sequence(balancer, 3), 'bca');
});
