import assert from 'node:assert/strict';
import { mock, test } from 'node:test';
import { type Expiring, type Slot, Wheel } from './wheel.ts';

/** An entry whose deadline moves; resolves when it expires. */
class Entry implements Expiring {
  slot: Slot | undefined;
  previous: Expiring | undefined;
  next: Expiring | undefined;
  at: number;
  expired = 0;
  #done: () => void = () => {};
  readonly done = new Promise<void>((resolve) => {
    this.#done = resolve;
  });

  constructor(inMs: number) {
    this.at = performance.now() + inMs;
  }

  deadline(): number {
    return this.at;
  }

  expire(): void {
    this.expired++;
    this.#done();
  }
}

/** Has another one removed, or put back, as it expires. */
class Meddler extends Entry {
  meddle: () => void = () => {};

  override expire(): void {
    this.meddle();
    super.expire();
  }
}

test('an entry expires after its deadline, not before', async () => {
  const wheel = new Wheel();
  const entry = new Entry(60);
  wheel.schedule(entry);
  await entry.done;
  assert.ok(performance.now() >= entry.at);
  assert.equal(entry.expired, 1);
});

test('an entry whose deadline has moved is put back', async () => {
  const wheel = new Wheel();
  const moved = new Entry(20);
  const other = new Entry(100);
  wheel.schedule(moved);
  wheel.schedule(other);
  moved.at = performance.now() + 600;
  await other.done;
  assert.equal(moved.expired, 0);
  await moved.done;
});

test('however far away deadlines are, and however different, the wheel has few slots, and no timer beyond what node can count', (t) => {
  const set = t.mock.method(globalThis, 'setTimeout');
  const wheel = new Wheel();
  const slots = new Set<number | undefined>();
  for (let n = 0; n < 10_000; n++) {
    const entry = new Entry(2 ** 31 + n * 1000);
    wheel.schedule(entry);
    slots.add(entry.slot?.at);
  }
  assert.ok(slots.size < 1000, `${slots.size} slots`);
  for (const { arguments: args } of set.mock.calls) assert.ok(Number(args[1]) < 2 ** 31, `${args[1]} ms`);
  wheel.close();
});

test('an entry whose deadline comes nearer expires then', async () => {
  const wheel = new Wheel();
  const entry = new Entry(1e9);
  wheel.schedule(entry);
  entry.at = performance.now() + 10;
  wheel.schedule(entry);
  await entry.done;
});

test('a removed entry never expires, and many entries arm one timer', async () => {
  const set = mock.method(globalThis, 'setTimeout');
  const wheel = new Wheel();
  const removed = new Entry(10);
  wheel.schedule(removed);
  const last = new Entry(150);
  for (let n = 0; n < 1000; n++) wheel.schedule(new Entry(100));
  wheel.schedule(last);
  wheel.remove(removed);
  assert.equal(set.mock.callCount(), 1);
  set.mock.restore();
  await last.done;
  assert.equal(removed.expired, 0);
});

test('a closed wheel keeps nothing waiting', () => {
  const wheel = new Wheel();
  wheel.schedule(new Entry(60_000));
  wheel.close();
});

test('a quarter of a million different deadlines do not stop it', async () => {
  const wheel = new Wheel();
  const first = new Entry(10);
  wheel.schedule(first);
  for (let n = 0; n < 250_000; n++) wheel.schedule(new Entry(1000 + n * 50));
  await first.done;
  const next = new Entry(10);
  wheel.schedule(next);
  await next.done;
  wheel.close();
});

test('one that expires may have others of its time removed, those before it and behind, and itself put back', async () => {
  const wheel = new Wheel();
  const entries = Array.from({ length: 5 }, () => new Meddler(20)) as [Meddler, Meddler, Meddler, Meddler, Meddler];
  const at = entries[0].at;
  for (const entry of entries) entry.at = at;
  const [, second, third, fourth] = entries;
  for (const entry of entries) wheel.schedule(entry);
  for (const entry of [second, third, fourth]) {
    entry.meddle = () => {
      for (const other of [second, third, fourth]) if (other !== entry) wheel.remove(other);
      entry.meddle = () => {};
      wheel.schedule(entry);
    };
  }
  await Promise.all([entries[0].done, entries[4].done]);
  const after = new Entry(60);
  wheel.schedule(after);
  await after.done;
  // The first of the three has expired, and again after it was put back.
  assert.deepEqual(entries.map(({ expired }) => expired).toSorted(), [0, 0, 1, 1, 2]);
  assert.ok(entries.every(({ slot, previous, next }) => !slot && !previous && !next));
});
