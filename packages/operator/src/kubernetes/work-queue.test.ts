import assert from 'node:assert/strict';
import { test } from 'node:test';
import { until } from '../../../../src/testing/until.ts';
import { RateLimiter } from './rate.ts';
import { WorkQueue } from './work-queue.ts';

const FREE = { concurrency: 2, perSecond: 1e6, burst: 1000, firstWait: 1, longestWait: 4 } as const;

test('a key that waits is worked on once', async () => {
  const done: string[] = [];
  const queue = new WorkQueue({ ...FREE, work: async (key) => void done.push(key) });
  for (let n = 0; n < 100; n++) for (const key of ['a', 'b']) queue.add(key, 1);
  assert.equal(queue.depth, 2);
  await until(() => queue.depth === 0);
  assert.deepEqual(done.sort(), ['a', 'b']);
  await queue.close();
});

test('a key that is added while it is worked on is worked on again, afterwards', async () => {
  let running = 0;
  let times = 0;
  const queue = new WorkQueue({
    ...FREE,
    work: async () => {
      assert.equal(++running, 1);
      if (++times === 1) queue.add('a');
      await new Promise((resolve) => setImmediate(resolve));
      running--;
      return undefined;
    },
  });
  queue.add('a');
  await until(() => queue.depth === 0);
  assert.equal(times, 2);
  await queue.close();
});

test('what fails is tried again until it does not', async () => {
  const waits: number[] = [];
  let left = 5;
  const queue = new WorkQueue({
    ...FREE,
    work: async () => {
      if (left-- > 0) throw new Error('not yet');
      return undefined;
    },
    failed: (key, message, wait) => {
      assert.deepEqual([key, message], ['a', 'not yet']);
      waits.push(wait);
    },
  });
  queue.add('a');
  await until(() => queue.depth === 0);
  assert.equal(waits.length, 5);
  assert.ok(waits.every((wait) => wait <= 4));
  await queue.close();
});

test('no more are worked on at a time than may be', async () => {
  let running = 0;
  let most = 0;
  const queue = new WorkQueue({
    ...FREE,
    work: async () => {
      most = Math.max(most, ++running);
      await new Promise((resolve) => setTimeout(resolve, 1));
      running--;
      return undefined;
    },
  });
  for (let n = 0; n < 20; n++) queue.add(`key ${n}`);
  await until(() => queue.depth === 0);
  assert.equal(most, 2);
  await queue.close();
});

test('work may ask to be done again', async () => {
  let times = 0;
  const queue = new WorkQueue({ ...FREE, work: async () => (++times < 3 ? 1 : undefined) });
  queue.add('a');
  await until(() => queue.depth === 0);
  assert.equal(times, 3);
  await queue.close();
});

test('close ends what is under way, and forgets the rest', async () => {
  const done: string[] = [];
  const queue = new WorkQueue({
    ...FREE,
    concurrency: 1,
    work: async (key, signal) => {
      await new Promise((resolve) => signal.addEventListener('abort', resolve));
      done.push(key);
      return undefined;
    },
  });
  for (const key of ['a', 'b', 'c']) queue.add(key);
  queue.add('later', 1e6);
  await new Promise((resolve) => setTimeout(resolve, 5));
  await queue.close();
  queue.add('d');
  assert.deepEqual(done, ['a']);
  assert.equal(queue.depth, 0);
});

test('a rate gives as many at once as the burst, and the rest evenly', () => {
  const rate = new RateLimiter({ perSecond: 1, burst: 3 });
  const waits = Array.from({ length: 5 }, () => Math.round(rate.reserve() / 1000));
  assert.deepEqual(waits, [0, 0, 0, 1, 2]);
  assert.equal(rate.take(), false);
});
