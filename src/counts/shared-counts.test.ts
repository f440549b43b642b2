import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { forgetWorker } from './forget.ts';
import { type CountsMemory, LOCK, layOut, makeCounts, OBJECTS } from './memory.ts';
import { SharedCounts } from './shared-counts.ts';

/** Two workers, as if each were in its own thread. */
function pair(sessions = 100): { memory: CountsMemory; a: SharedCounts; b: SharedCounts } {
  const memory = makeCounts({ workers: 2, sessions });
  return { memory, a: new SharedCounts(memory, 0), b: new SharedCounts(memory, 1) };
}

describe('a count', () => {
  test('is one for all workers that ask for its key, and each knows what it has counted itself', () => {
    const { a, b } = pair();
    const [one, other, else_] = [a.counter('l'), b.counter('l'), b.counter('m')];
    one.add(3);
    other.add(2);
    assert.deepEqual([one.all, other.all, one.own, other.own, else_.all], [5, 5, 3, 2, 0]);
  });

  test('takes no more than a limit, whoever takes', () => {
    const { a, b } = pair();
    const [one, other] = [a.counter('l'), b.counter('l')];
    assert.deepEqual([one.take(2), other.take(2), one.take(2), other.take(2)], [true, true, false, false]);
    other.add(-1);
    assert.ok(one.take(2));
    assert.equal(one.all, 2);
  });

  test('is given back when it is closed and what was counted is gone', () => {
    const { a, b } = pair();
    const [one, other] = [a.counter('l'), b.counter('l')];
    one.add(1);
    one.close();
    other.close();
    assert.equal(b.counter('l').all, 1);
    assert.equal(a.taken('l'), 2);
    one.add(-1);
    assert.equal(a.taken('l'), 1);
  });

  test('gives numbers that nobody has had', () => {
    const { a, b } = pair();
    const [one, other] = [a.counter('l'), b.counter('l')];
    assert.deepEqual([one.draw(), other.draw(), one.draw()], [1, 2, 3]);
    assert.deepEqual([a.nextId(), b.nextId(), a.nextId()], [1, 2, 3]);
  });
});

describe('a key', () => {
  test('is taken as often as it may be, by all together', () => {
    const { a, b } = pair();
    const taken = a.take('192.0.2.1', 2);
    assert.ok(taken && b.take('192.0.2.1', 2) && a.take('192.0.2.2', 2));
    assert.equal(b.take('192.0.2.1', 2), 0);
    a.give(taken);
    assert.equal(b.taken('192.0.2.1'), 1);
    assert.ok(b.take('192.0.2.1', 2));
  });

  test('is refused where there are more than the memory was made for, until one is given back', () => {
    const { a, b } = pair(0);
    const taken = Array.from({ length: OBJECTS }, (_, n) => (n % 2 === 0 ? a : b).take(`${n}`, 1));
    assert.equal(taken.indexOf(0), OBJECTS - 1);
    assert.throws(() => b.counter('l'), RangeError);
    a.give(taken[0] as number);
    assert.ok(b.counter('l').take(1));
  });

  test('that is long, empty or not ASCII is a key like others', () => {
    const { a, b } = pair();
    const keys = ['', 'x'.repeat(10_000), 'é', '\u{1f642}', 'x', 'xy'];
    assert.ok(keys.every((key) => a.take(key, 1)));
    assert.ok(keys.every((key) => b.taken(key) === 1 && b.take(key, 1) === 0));
  });
});

describe('a worker that has ended', () => {
  test('is taken out of all counts, and what it held is free; the others keep theirs', () => {
    const { memory, a, b } = pair();
    const [one, other] = [a.counter('l'), b.counter('l')];
    one.add(3);
    other.add(2);
    one.draw();
    assert.ok(a.take('both', 2) && b.take('both', 2) && a.take('mine', 1) && b.take('yours', 1));
    forgetWorker(memory, 0);
    assert.equal(other.all, 2 + 1);
    assert.deepEqual([b.taken('both'), b.taken('mine'), b.taken('yours'), b.taken('l')], [1, 0, 1, 1]);
    assert.ok(b.take('mine', 1));
    const again = new SharedCounts(memory, 0);
    assert.equal(again.counter('l').own, 0);
    assert.equal(again.take('yours', 1), 0);
  });

  test('does not keep the lock that it had, nor a table that it has left in pieces', () => {
    const { memory, a, b } = pair();
    assert.ok(a.take('mine', 1) && b.take('yours', 1));
    const { head, buckets, holders } = layOut(memory);
    buckets.fill(0);
    holders.fill(7, 1);
    head[LOCK] = 1;
    forgetWorker(memory, 0);
    assert.equal(head[LOCK], 0);
    assert.deepEqual([b.taken('mine'), b.taken('yours')], [0, 1]);
  });
});

interface Hammered {
  readonly most: number;
  readonly mostNamed: number;
  readonly names: number;
  readonly ids: readonly number[];
  readonly left: number;
}

/** What two threads do at the same time: more of each thing than there may be, and all of it given back. */
const HAMMER = `
  import { parentPort, workerData } from 'node:worker_threads';
  const { SharedCounts } = await import(workerData.module);
  const counts = new SharedCounts(workerData.memory, workerData.worker);
  const counter = counts.counter('sessions');
  const start = new Int32Array(workerData.start);
  Atomics.add(start, 0, 1);
  Atomics.notify(start, 0);
  while (Atomics.load(start, 0) < 2) Atomics.wait(start, 0, 1, 100);
  let most = 0, mostNamed = 0, names = 0, ids = [];
  for (let n = 0; n < 20_000; n++) {
    const counted = counter.take(1);
    const held = [0, 1, 2].map((k) => counts.take('name ' + ((n + k) % 7), 1)).filter((cell) => cell);
    names += held.length;
    most = Math.max(most, counter.all);
    mostNamed = Math.max(mostNamed, counts.taken('name ' + (n % 7)));
    for (const cell of held) counts.give(cell);
    if (counted) counter.add(-1);
    if (n % 100 === 0) ids.push(counts.nextId());
  }
  parentPort.postMessage({ most, mostNamed, names, ids, left: counter.own });
`;

test('two threads that count at the same time lose nothing, and never exceed a limit', {
  timeout: 60_000,
}, async () => {
  const memory = makeCounts({ workers: 2, sessions: 1000 });
  const start = new SharedArrayBuffer(4);
  const module = new URL('./shared-counts.ts', import.meta.url).href;
  const results = await Promise.all(
    [0, 1].map(async (worker) => {
      const thread = new Worker(new URL(`data:text/javascript,${encodeURIComponent(HAMMER)}`), {
        workerData: { memory, worker, start, module },
      });
      const [result] = (await once(thread, 'message')) as [Hammered];
      return result;
    }),
  );
  for (const { most, mostNamed, names, left } of results) {
    assert.deepEqual([most, mostNamed, left], [1, 1, 0]);
    assert.ok(names > 0);
  }
  const ids = results.flatMap((result) => result.ids);
  assert.equal(new Set(ids).size, ids.length);
  const after = new SharedCounts(memory, 0);
  assert.equal(after.counter('sessions').all, 0);
  assert.deepEqual(
    Array.from({ length: 7 }, (_, n) => after.taken(`name ${n}`)),
    new Array(7).fill(0),
  );
});
