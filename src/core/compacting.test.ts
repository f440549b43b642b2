import { deepEqual, equal } from 'node:assert/strict';
import { test } from 'node:test';
import { CompactingMap, CompactingSet } from './compacting.ts';

test('a map whose entries come and go keeps those that are left, in their order', () => {
  const map = new CompactingMap<number, string>();
  for (let n = 0; n < 10_000; n++) {
    map.set(n, `${n}`);
    if (n % 10 !== 0) equal(map.delete(n), true);
  }
  equal(map.delete(1), false);
  equal(map.size, 1000);
  equal(map.get(9990), '9990');
  equal(map.has(9991), false);
  deepEqual([...map.keys()].slice(0, 3), [0, 10, 20]);
  deepEqual([...map.values()].slice(-2), ['9980', '9990']);
});

test('a set can lose its members while they are visited, each of which is visited once', () => {
  const set = new CompactingSet<number>();
  for (let n = 0; n < 1000; n++) set.add(n);
  const visited: number[] = [];
  for (const n of set) {
    visited.push(n);
    if (n !== 500) set.delete(n);
  }
  deepEqual(visited, [...Array(1000).keys()]);
  deepEqual([[...set], set.size], [[500], 1]);
});
