import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { MessageChannel } from 'node:worker_threads';
import { L7mpError } from '../core/errors.ts';
import { until } from '../testing/until.ts';
import { Calls, Given, ownBytes } from './calls.ts';

interface Theirs {
  add(a: number, b: number): number;
  fail(problems?: readonly { path: string; message: string }[]): Promise<never>;
  throw(): never;
  never(): Promise<void>;
  swap(bytes: Uint8Array): Uint8Array;
  note(what: string): void;
}

const notes: string[] = [];

const theirs: { [M in keyof Theirs]: (...args: Parameters<Theirs[M]>) => unknown } = {
  add: (a, b) => a + b,
  fail: async (problems) => {
    throw new L7mpError('E_BIND', 'port 80: EACCES', problems && { problems });
  },
  throw: () => {
    throw new RangeError('out of it');
  },
  never: () => new Promise(() => {}),
  swap: (bytes) => new Given(bytes, [bytes.buffer as ArrayBuffer]),
  note: (what) => {
    notes.push(what);
    if (what === 'throw') throw new Error(what);
  },
};

function connect(t: TestContext): { calls: Calls<Theirs>; hangUp: () => void } {
  const { port1, port2 } = new MessageChannel();
  new Calls(port2, theirs);
  t.after(() => port1.close());
  return { calls: new Calls<Theirs>(port1, {}), hangUp: () => port2.close() };
}

test('a call is answered by what the method returns', async (t) => {
  assert.equal(await connect(t).calls.call('add', [1, 2]), 3);
});

test('an error keeps its code, message and problems', async (t) => {
  const { calls } = connect(t);
  const problems = [{ path: '/a', message: 'wrong' }];
  const caught = await calls.call('fail', [problems]).catch((error: unknown) => error);
  assert.ok(caught instanceof L7mpError);
  assert.deepEqual([caught.code, caught.message, caught.problems], ['E_BIND', 'port 80: EACCES', problems]);
  await assert.rejects(calls.call('throw', []), { code: 'E_INTERNAL', message: 'out of it' });
});

test('what is pending rejects when the other side has gone, and so does what is asked later', async (t) => {
  const { calls, hangUp } = connect(t);
  const pending = calls.call('never', []);
  hangUp();
  await assert.rejects(pending, { code: 'E_INTERNAL' });
  await assert.rejects(calls.call('add', [1, 2]), { code: 'E_INTERNAL' });
  calls.tell('note', 'nobody hears it');
});

test('a call that is not answered in time rejects', async (t) => {
  const { calls } = connect(t);
  await assert.rejects(calls.call('never', [], { timeout: 1 }), { code: 'E_TIMEOUT' });
  assert.equal(await calls.call('add', [1, 2]), 3);
});

test('what is no plain data rejects', async (t) => {
  const { calls } = connect(t);
  await assert.rejects(calls.call('add', [(() => {}) as unknown as number, 2]), { code: 'E_INTERNAL' });
});

test('bytes change hands both ways', async (t) => {
  const { calls } = connect(t);
  const bytes = ownBytes(Buffer.from('hello'));
  const back = await calls.call('swap', [bytes], { transfer: [bytes.buffer] });
  assert.deepEqual([bytes.length, Buffer.from(back).toString()], [0, 'hello']);
});

test('what is told has no answer', async (t) => {
  const { calls } = connect(t);
  calls.tell('note', 'it');
  await until(() => notes.includes('it'));
});

test('of bytes that are a part of a larger buffer a copy changes hands', () => {
  const whole = Buffer.from(new ArrayBuffer(4));
  assert.equal(ownBytes(whole).buffer, whole.buffer);
  assert.notEqual(ownBytes(whole.subarray(1)).buffer, whole.buffer);
});
