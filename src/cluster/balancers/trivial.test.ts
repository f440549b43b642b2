import assert from 'node:assert/strict';
import { test } from 'node:test';
import { balancerOf, endpoint, sequence } from './testing.ts';

test('Trivial takes the first endpoint with a weight, whatever the weights of the others', () => {
  const balancer = balancerOf('Trivial', [endpoint('a', 0), endpoint('b', 1), endpoint('c', 9)]);
  assert.equal(sequence(balancer, 4), 'bbbb');
});

test('Trivial falls back in order', () => {
  const [a, b, c] = [endpoint('a'), endpoint('b'), endpoint('c')];
  const balancer = balancerOf('Trivial', [a, b, c]);
  assert.equal(sequence(balancer, 2, new Set([a])), 'bb');
  assert.equal(sequence(balancer, 2, new Set([a, b])), 'cc');
  assert.equal(sequence(balancer, 2, new Set([a, b, c])), 'aa');
});
