import assert from 'node:assert/strict';
import { test } from 'node:test';
import { turn } from '../../../../src/testing/until.ts';
import { Lanes } from './lanes.ts';

const never = new AbortController().signal;

/** Jobs that end when they are told to, and which of them have begun. */
function jobs(lanes: Lanes) {
  const begun: string[] = [];
  const ends = new Map<string, () => void>();
  const start = (name: string, who = { slow: false }, signal = never) =>
    lanes.run(who, signal, () => {
      begun.push(name);
      return new Promise<void>((resolve) => ends.set(name, resolve));
    });
  return { begun, start, end: (name: string) => ends.get(name)?.() };
}

test('no more than the limit are under way, and who has waited longest is next', async () => {
  const { begun, start, end } = jobs(new Lanes(2, 60_000));
  const all = ['a', 'b', 'c', 'd'].map((name) => start(name));
  await turn();
  assert.deepEqual(begun, ['a', 'b']);
  end('b');
  await turn();
  assert.deepEqual(begun, ['a', 'b', 'c']);
  for (const name of ['a', 'c']) end(name);
  await turn();
  end('d');
  await Promise.all(all);
});

test('what takes longer than a moment gives its place to the next, and is with the slow ones from then on', async () => {
  const { begun, start, end } = jobs(new Lanes(1, 5));
  const who = { slow: false };
  const slow = start('slow', who);
  const next = start('next');
  while (begun.length < 2) await turn();
  end('slow');
  await slow;
  assert.equal(who.slow, true);
  // Those have a place of their own, which they keep.
  const again = start('again', who);
  const other = start('other', { slow: true });
  await turn();
  assert.deepEqual(begun, ['slow', 'next', 'again']);
  end('again');
  await again;
  end('next');
  await turn();
  end('other');
  await Promise.all([next, other]);
});

test('a job that fails gives its place back, and one that is given up while it waits never begins', async () => {
  const lanes = new Lanes(1, 60_000);
  const { begun, start, end } = jobs(lanes);
  await assert.rejects(
    lanes.run({ slow: false }, never, () => Promise.reject(new Error('no'))),
    /no/,
  );
  const first = start('first');
  const controller = new AbortController();
  const waiting = start('waiting', { slow: false }, controller.signal);
  controller.abort(new Error('enough'));
  await assert.rejects(waiting, /enough/);
  const last = start('last');
  end('first');
  await first;
  await turn();
  assert.deepEqual(begun, ['first', 'last']);
  end('last');
  await last;
  await assert.rejects(start('late', { slow: false }, controller.signal), /enough/);
});
