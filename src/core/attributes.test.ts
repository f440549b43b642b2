import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AttributeTable } from './attributes.ts';

const MOST = { stream: 65_535, ppid: 0xffff_ffff, unordered: true };

test('what says the same is the same object, frozen', () => {
  const table = new AttributeTable();
  const one = table.of({ stream: 1, ppid: 2, unordered: false });
  const other = table.of({ stream: 1, ppid: 2, unordered: true });
  assert.deepEqual(
    [one, other],
    [
      { stream: 1, ppid: 2, unordered: false },
      { stream: 1, ppid: 2, unordered: true },
    ],
  );
  assert.equal(table.of({ stream: 1, ppid: 2, unordered: false }), one);
  assert.equal(table.of({ stream: 1, ppid: 2, unordered: true }), other);
  assert.ok(Object.isFrozen(one));
});

test('what differs is kept apart, also at the ends of the ranges', () => {
  const table = new AttributeTable();
  const all = [0, 1, MOST.stream].flatMap((stream) =>
    [0, 1, MOST.ppid].flatMap((ppid) => [false, true].map((unordered) => ({ stream, ppid, unordered }))),
  );
  assert.equal(new Set(all.map((one) => table.of(one))).size, all.length);
  for (const one of all) assert.deepEqual(table.of(one), one);
});

test('a peer that says something else each time costs no more than a table', () => {
  const table = new AttributeTable();
  const first = table.of({ stream: 0, ppid: 0, unordered: false });
  const kept = table.of({ stream: 0, ppid: 300, unordered: false });
  for (let ppid = 1; ppid <= 255; ppid++) table.of({ stream: 0, ppid, unordered: false });
  assert.equal(table.of({ stream: 0, ppid: 300, unordered: false }), kept);
  assert.notEqual(table.of({ stream: 0, ppid: 0, unordered: false }), first);
});
