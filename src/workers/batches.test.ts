import assert from 'node:assert/strict';
import { test } from 'node:test';
import { until } from '../testing/until.ts';
import { Batches } from './batches.ts';

/** Who takes a batch when it is told to. */
class Taker {
  readonly batches: (readonly number[])[] = [];
  lost = 0;
  #take: (() => void) | undefined;
  readonly send = (items: readonly number[], lost: number): Promise<void> => {
    this.batches.push(items);
    this.lost += lost;
    return new Promise((resolve) => {
      this.#take = resolve;
    });
  };

  take(): void {
    this.#take?.();
  }
}

test('what comes in one turn goes as one batch, what comes until it is taken as the next', async () => {
  const taker = new Taker();
  const batches = new Batches(taker.send);
  for (const n of [1, 2, 3]) batches.add(n);
  await until(() => taker.batches.length === 1);
  for (const n of [4, 5]) batches.add(n);
  taker.take();
  await until(() => taker.batches.length === 2);
  assert.deepEqual(taker.batches, [
    [1, 2, 3],
    [4, 5],
  ]);
});

test('who does not take anything loses what is too much, which is counted', async () => {
  const taker = new Taker();
  const batches = new Batches(taker.send);
  batches.add(0);
  await until(() => taker.batches.length === 1);
  for (let n = 0; n < 20_000; n++) batches.add(n);
  taker.take();
  await until(() => taker.batches.length === 2);
  assert.equal((taker.batches[1] as readonly number[]).length + taker.lost, 20_000);
  assert.ok(taker.lost > 0);
});

test('flushing waits until all was taken', async () => {
  const taken: number[] = [];
  const batches = new Batches<number>(async (items) => taken.push(...items));
  batches.add(1);
  batches.add(2);
  await batches.flush();
  assert.deepEqual(taken, [1, 2]);
});

test('who has gone holds nobody up', async () => {
  const batches = new Batches<number>(() => Promise.reject(new Error('gone')));
  batches.add(1);
  await batches.flush();
});
