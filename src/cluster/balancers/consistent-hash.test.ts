import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from '../../../test/support/random.ts';
import { balancerOf, endpoint, NONE, shares, type TestEndpoint } from './testing.ts';

const TOTAL = 20_000;
const random = seededRandom(1);
/** Keys as they come: addresses and ports close to each other, counters, and long random names. */
const KEYS: readonly string[] = Array.from({ length: TOTAL }, (_, n) => {
  if (n % 3 === 0) return `10.0.${n >> 8}.${n & 255}:${1024 + n}`;
  return n % 3 === 1 ? String(n) : `user-${random()}-${random()}`;
});

function mapping(endpoints: readonly TestEndpoint[], failed = NONE): (TestEndpoint | undefined)[] {
  const balancer = balancerOf('ConsistentHash', endpoints);
  return KEYS.map((key) => balancer.pick(key, failed, NONE));
}

/** The keys that moved, as pairs of where they were and where they are now. */
function moves(before: readonly (TestEndpoint | undefined)[], after: readonly (TestEndpoint | undefined)[]) {
  return before.map((from, n) => ({ from, to: after[n] })).filter(({ from, to }) => from !== to);
}

function near(actual: number | undefined, expected: number, tolerance = 0.015): void {
  assert.ok(actual !== undefined && Math.abs(actual - expected) < tolerance, `${actual} is not near ${expected}`);
}

function several(count: number): TestEndpoint[] {
  return Array.from({ length: count }, (_, n) => endpoint(`10.0.0.${n + 1}`));
}

test('keys follow the weights', () => {
  const all = [endpoint('10.0.0.1', 3), endpoint('10.0.0.2'), endpoint('10.0.0.3')];
  const found = shares(balancerOf('ConsistentHash', all), all, TOTAL, (n) => KEYS[n] as string);
  [0.6, 0.2, 0.2].forEach((share, n) => {
    near(found[n], share);
  });
});

test('keys spread evenly over many endpoints', () => {
  const all = several(50);
  for (const share of shares(balancerOf('HashRing', all), all, TOTAL, (n) => KEYS[n] as string)) {
    near(share, 1 / 50, 0.005);
  }
});

test('without a key sessions follow the weights by chance', () => {
  const all = [endpoint('10.0.0.1', 3), endpoint('10.0.0.2'), endpoint('10.0.0.3')];
  const found = shares(balancerOf('ConsistentHash', all), all, TOTAL);
  [0.6, 0.2, 0.2].forEach((share, n) => {
    near(found[n], share);
  });
});

test('an added endpoint takes its share, and no other key moves', () => {
  const all = several(10);
  const added = endpoint('10.0.1.1');
  const moved = moves(mapping(all), mapping([added, ...all]));
  assert.ok(moved.every(({ to }) => to === added));
  near(moved.length / TOTAL, 1 / 11);
});

test('a removed endpoint leaves its keys to all others, and no other key moves', () => {
  const [removed, ...rest] = several(10);
  const moved = moves(mapping([removed as TestEndpoint, ...rest]), mapping(rest));
  assert.ok(moved.every(({ from }) => from === removed));
  near(moved.length / TOTAL, 1 / 10);
  for (const one of rest) near(moved.filter(({ to }) => to === one).length / moved.length, 1 / 9, 0.03);
});

test('a failed endpoint moves the keys that its removal would move, and only for that pick', () => {
  const all = several(5);
  const failed = all[2] as TestEndpoint;
  const balancer = balancerOf('ConsistentHash', all);
  const without = mapping(all.filter((one) => one !== failed));
  KEYS.slice(0, 1000).forEach((key, n) => {
    const home = balancer.pick(key, NONE, NONE);
    assert.equal(balancer.pick(key, new Set([failed]), NONE), without[n]);
    assert.equal(balancer.pick(key, NONE, NONE), home);
    if (home !== failed) assert.equal(home, without[n]);
  });
});

test('a weight change moves keys to or from that endpoint only, in proportion', () => {
  const all = several(4);
  const before = mapping(all);
  const changed = all[1] as TestEndpoint;
  changed.weight = 2;
  const heavier = mapping(all);
  const gained = moves(before, heavier);
  assert.ok(gained.every(({ to }) => to === changed));
  near(gained.length / TOTAL, 2 / 5 - 1 / 4);
  changed.weight = 0.5;
  const lost = moves(heavier, mapping(all));
  assert.ok(lost.every(({ from }) => from === changed));
  near(lost.length / TOTAL, 2 / 5 - 1 / 7);
});

test('weights count by their ratio', () => {
  const all = [endpoint('10.0.0.1', 3), endpoint('10.0.0.2', 1)];
  const before = mapping(all);
  for (const one of all) one.weight *= 100;
  // The division rounds differently, so a key on the very edge may move.
  assert.ok(moves(before, mapping(all)).length <= 1);
});

test('the mapping depends on neither order nor history', () => {
  const all = several(6);
  const before = mapping(all);
  assert.equal(moves(before, mapping([...all].reverse())).length, 0);
  const balancer = balancerOf('ConsistentHash', all);
  balancer.update(all.slice(2));
  const again = [...all.slice(2), ...all.slice(0, 2).map((one) => endpoint(one.address))];
  balancer.update(again);
  KEYS.forEach((key, n) => {
    assert.equal(balancer.pick(key, NONE, NONE)?.address, before[n]?.address);
  });
});

test('equal addresses share evenly, and one that drains leaves the keys of the other alone', () => {
  const [first, second, other] = [endpoint('10.0.0.1'), endpoint('10.0.0.1'), endpoint('10.0.0.2')];
  const all = [first, second, other];
  const before = mapping(all);
  for (const one of all) near(before.filter((picked) => picked === one).length / TOTAL, 1 / 3);
  first.weight = 0;
  assert.ok(moves(before, mapping(all)).every(({ from }) => from === first));
});

/**
 * Pinned: proxies of two versions, side by side or one after the other, must agree. If this fails, the mapping has
 * changed for everybody, which is a breaking change.
 */
test('the mapping is the same in every version', () => {
  const balancer = balancerOf('ConsistentHash', several(9));
  const keys = ['', 'a', 'alice', '192.168.1.7:5060', '☃', '/call/1', '/call/2', '/call/3'];
  const found = keys.map((key) => balancer.pick(key, NONE, NONE)?.address.slice(-1)).join('');
  assert.equal(found, '29371542');
});
