import assert from 'node:assert/strict';
import { test } from 'node:test';
import { balancerOf, endpoint, sequence, shares } from './testing.ts';

test('RoundRobin takes equals in order', () => {
  assert.equal(sequence(balancerOf('RoundRobin', [endpoint('a'), endpoint('b'), endpoint('c')]), 7), 'abcabca');
});

test('RoundRobin spreads a heavy endpoint, as nginx does', () => {
  const balancer = balancerOf('RoundRobin', [endpoint('a', 5), endpoint('b'), endpoint('c')]);
  assert.equal(sequence(balancer, 14), 'aabacaaaabacaa');
});

test('RoundRobin keeps the proportions exactly in each round, fractions too', () => {
  const all = [endpoint('a', 1.5), endpoint('b', 0.5), endpoint('c', 0.5)];
  assert.deepEqual(shares(balancerOf('RoundRobin', all), all, 5000), [0.6, 0.2, 0.2]);
});

test('RoundRobin goes on where it was when an update changes nothing', () => {
  const all = [endpoint('a', 5), endpoint('b'), endpoint('c')];
  const balancer = balancerOf('RoundRobin', all);
  let seen = '';
  for (let n = 0; n < 14; n++) {
    seen += sequence(balancer, 1);
    balancer.update(all);
  }
  assert.equal(seen, 'aabacaaaabacaa');
});

test('RoundRobin keeps the turns of the others when one comes, goes or is drained', () => {
  const [a, b, c, d] = [endpoint('a'), endpoint('b'), endpoint('c'), endpoint('d')];
  const balancer = balancerOf('RoundRobin', [a, b, c]);
  assert.equal(sequence(balancer, 1), 'a');
  balancer.update([a, b, c, d]);
  assert.equal(sequence(balancer, 8).replaceAll('d', ''), 'bcabca');
  balancer.update([a, c, d]);
  assert.equal(sequence(balancer, 6).replaceAll('d', ''), 'caca');
  c.weight = 0;
  balancer.update([a, c, d]);
  assert.match(sequence(balancer, 6), /^(ad){3}$|^(da){3}$/);
});

test('RoundRobin neither credits nor charges an endpoint that failed', () => {
  const [a, b, c] = [endpoint('a'), endpoint('b'), endpoint('c')];
  const balancer = balancerOf('RoundRobin', [a, b, c]);
  assert.equal(sequence(balancer, 4, new Set([a])), 'bcbc');
  assert.equal(sequence(balancer, 6), 'abcabc');
});

test('RoundRobin does not make an endpoint pay for the weight it had', () => {
  const [a, b] = [endpoint('a', 1000), endpoint('b', 999)];
  const balancer = balancerOf('RoundRobin', [a, b]);
  assert.equal(sequence(balancer, 1), 'a');
  [a.weight, b.weight] = [1, 1];
  balancer.update([a, b]);
  assert.ok(sequence(balancer, 6).includes('a'));
});

test('RoundRobin does not starve a newcomer when a heavy endpoint leaves', () => {
  const [heavy, a, b] = [endpoint('x', 1000), endpoint('a'), endpoint('b')];
  const balancer = balancerOf('RoundRobin', [heavy, a, b]);
  sequence(balancer, 400);
  balancer.update([a, b, endpoint('n')]);
  assert.match(sequence(balancer, 15), /n.*n.*n/);
});
