import assert from 'node:assert/strict';
import { test } from 'node:test';
import { drawWeighted } from './random.ts';
import { balancerOf, endpoint, shares } from './testing.ts';

test('Random follows the weights', () => {
  const all = [endpoint('a', 3), endpoint('b', 1), endpoint('c', 1), endpoint('d', 0)];
  const [a, b, c, d] = shares(balancerOf('Random', all), all, 50_000) as [number, number, number, number];
  assert.ok(Math.abs(a - 0.6) < 0.01, `${a}`);
  assert.ok(Math.abs(b - 0.2) < 0.01, `${b}`);
  assert.ok(Math.abs(c - 0.2) < 0.01, `${c}`);
  assert.equal(d, 0);
});

test('a draw reaches the first and the last slot and never misses', () => {
  const slots = [0.1, 0.2, 0.3].map((weight) => ({ endpoint: endpoint('a', weight), weight }));
  assert.equal(
    drawWeighted(slots, () => 0),
    slots[0],
  );
  assert.equal(
    drawWeighted(slots, () => 1 - 2 ** -53),
    slots[2],
  );
  assert.equal(
    drawWeighted(slots, () => 1),
    slots[2],
  );
});
