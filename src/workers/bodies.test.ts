import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MessageChannel } from 'node:worker_threads';
import { collect } from '../core/arrays.ts';
import type { ApiResponse } from '../core/protocol.ts';
import { until } from '../testing/until.ts';
import { Bodies, responseOf } from './bodies.ts';
import { Calls } from './calls.ts';
import type { MainCalls } from './contract.ts';

/** An answer that has crossed to another thread. */
async function crossed(t: { after(fn: () => void): void }, body: ApiResponse['body']) {
  const { port1, port2 } = new MessageChannel();
  t.after(() => port1.close());
  const bodies = new Bodies();
  const own = {
    api: async () => bodies.give({ status: 200, headers: {}, body }),
    apiPart: (parts: number) => bodies.part(parts),
    apiDrop: (parts: number) => bodies.drop(parts),
  };
  new Calls(port1, own);
  const calls = new Calls<MainCalls>(port2, {});
  const request = { method: 'GET', url: '/', headers: {}, body: new Uint8Array(), peer: { from: 'x' } };
  return { bodies, response: responseOf(await calls.call('api', [request]), calls) };
}

async function* parts(made: (string | number)[], error?: Error): AsyncIterable<string> {
  try {
    for (let n = 0; n < 3; n++) {
      made.push(n);
      yield `${n}`;
    }
    if (error) throw error;
  } finally {
    made.push('over');
  }
}

test('texts and bytes cross as they are', async (t) => {
  assert.equal((await crossed(t, 'text')).response.body, 'text');
  assert.deepEqual((await crossed(t, Buffer.from('bytes'))).response.body, new Uint8Array(Buffer.from('bytes')));
});

test('parts cross when they are asked for', async (t) => {
  const made: (string | number)[] = [];
  const { response } = await crossed(t, parts(made));
  assert.deepEqual(made, []);
  assert.deepEqual(await collect(response.body as AsyncIterable<string>), ['0', '1', '2']);
});

test('an error on the way is one there', async (t) => {
  const { response } = await crossed(t, parts([], new Error('gone')));
  await assert.rejects(collect(response.body as AsyncIterable<string>), /gone/);
});

test('what nobody asks for any more ends', async (t) => {
  for (const leaves of ['reader', 'worker']) {
    const made: (string | number)[] = [];
    const { response, bodies } = await crossed(t, parts(made));
    const iterator = (response.body as AsyncIterable<string>)[Symbol.asyncIterator]();
    await iterator.next();
    if (leaves === 'reader') await iterator.return?.();
    else bodies.dropAll();
    await until(() => made.length === 2, 'it has ended');
    assert.deepEqual(made, [0, 'over']);
  }
});
