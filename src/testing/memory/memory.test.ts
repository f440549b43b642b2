import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type Channel, type CloseReason, type QueueLimits, TEXT } from '../../core/channel.ts';
import type { L7mpError } from '../../core/errors.ts';
import { Pipe } from '../../session/pipe.ts';
import { echo } from '../../transforms/echo/index.ts';
import { collect, hold } from '../collector.ts';
import { attempt, dialLocal, fakeClusterHost, openCluster } from '../fake-cluster-host.ts';
import { type FakeHostOptions, fakeHost } from '../fake-host.ts';
import { turn, until } from '../until.ts';
import { createMemoryNetwork } from './index.ts';

interface Options extends FakeHostOptions {
  readonly kind?: 'datagram' | 'stream';
  readonly scribble?: boolean;
  /** Of the dialling side. */
  readonly dialling?: QueueLimits;
}

const CLOSE: CloseReason = { kind: 'end', message: 'done' };

/** A network with a listener named `there`, and a dialler of the same kind. */
async function network({ kind, scribble, dialling, ...hosted }: Options = {}) {
  const protocol = createMemoryNetwork();
  const host = fakeHost(hosted);
  const fields = kind ? { kind } : {};
  const spec = { protocol: 'Memory', name: 'there', ...fields, ...(scribble && { scribble }) };
  const listening = await protocol.listener?.listen(spec, host);
  const dialer = await openCluster(protocol, fields, fakeClusterHost(dialling && { limits: dialling }));
  return { protocol, host, spec, listening, dial: async (name = 'there') => dialer.dial(attempt({}, 's', name)) };
}

async function pair(options?: Options): Promise<{ near: Channel; far: Channel }> {
  const { host, dial } = await network(options);
  const near = await dial();
  return { near, far: await host.next() };
}

function fails(promise: Promise<unknown>, code: string): Promise<void> {
  return assert.rejects(promise, (error: L7mpError) => error.code === code);
}

describe('connecting', () => {
  test('both sides meet by name', async () => {
    const { protocol, host, dial } = await network();
    assert.equal((await dial()).kind, 'datagram');
    const far = await host.next();
    assert.deepEqual(far.describe(), { Memory: { name: 'there' } });
    const session = { listener: 'l', n: 3, metadata: far.describe() };
    assert.equal(protocol.listener?.sessionName(session), 'Memory:l-3');
  });

  test('nobody answers to an unknown name, or in another network', async () => {
    const { dial } = await network();
    await fails(dial('elsewhere'), 'E_CONNECT');
    const other = await openCluster(createMemoryNetwork());
    await fails(Promise.resolve(other.dial(attempt({}, 's', 'there'))), 'E_CONNECT');
  });

  test('a listener of another kind, or one that admits nobody, is not connected to', async () => {
    const { protocol } = await network({ kind: 'stream' });
    const datagrams = await openCluster(protocol, { kind: 'datagram' });
    await fails(Promise.resolve(datagrams.dial(attempt({}, 's', 'there'))), 'E_CONNECT');
    const { host, dial } = await network({ admit: () => false });
    await fails(dial(), 'E_CONNECT');
    assert.equal(host.channels.length, 0);
  });

  test('an attempt that is cancelled leaves nothing behind', async () => {
    const { protocol, host } = await network();
    const dialer = await openCluster(protocol);
    const given = attempt({}, 's', 'there');
    const dialled = dialer.dial(given);
    given.cancel();
    await fails(Promise.resolve(dialled), 'E_TIMEOUT');
    assert.equal(host.channels.length, 0);
  });

  test('a name is taken until its listener closes; its channels live on', async () => {
    const { protocol, host, spec, listening, dial } = await network();
    await fails(Promise.resolve(protocol.listener?.listen(spec, host)), 'E_BIND');
    const near = collect(await dial());
    const far = collect(await host.next());
    await listening?.close();
    await fails(dial(), 'E_CONNECT');
    await protocol.listener?.listen(spec, host);
    near.write('still');
    await until(() => far.messages.length === 1);
  });
});

describe('messages', () => {
  test('arrive later, in order, with boundaries and attributes', async () => {
    const { near, far } = await pair();
    const end = collect(far);
    near.write(Buffer.from('a'), TEXT);
    near.write(Buffer.alloc(0));
    near.write(Buffer.from('bc'));
    assert.deepEqual(end.texts, []);
    await until(() => end.messages.length === 3);
    assert.deepEqual(
      [end.texts, end.attributes],
      [
        ['a', '', 'bc'],
        [TEXT, {}, {}],
      ],
    );
  });

  test('of a stream lose their boundaries', async () => {
    const { near, far } = await pair({ kind: 'stream' });
    const end = collect(far);
    for (const text of ['a', '', 'bc']) near.write(Buffer.from(text));
    await until(() => end.bytes.length === 3);
    assert.deepEqual(end.texts, ['abc']);
  });

  test('that are larger than the transport takes are dropped, counted', async () => {
    const { near, far } = await pair();
    Object.defineProperty(near, 'maxMessage', { value: 3 });
    const end = collect(far);
    for (const text of ['four', 'two']) near.write(Buffer.from(text));
    await until(() => end.messages.length === 1);
    assert.deepEqual([end.texts, near.drops?.get('too-large')], [['two'], 1]);
  });

  test('are the sender’s no more', async () => {
    const { near, far } = await pair();
    const end = collect(far);
    const buffer = new Uint8Array(Buffer.from('keep'));
    near.write(buffer);
    buffer.fill(0x21);
    await until(() => end.messages.length === 1);
    assert.deepEqual([end.texts, end.owned], [['keep'], [true]]);
  });
});

describe('back-pressure', () => {
  for (const [what, dialling] of [
    ['messages', { bytes: 1000, messages: 3 }],
    ['bytes', { bytes: 5, messages: 100 }],
  ] as const) {
    test(`no more fits when the other end is held and so many ${what} wait, and it does when they are read`, async () => {
      const { near, far } = await pair({ dialling });
      const writer = hold(near);
      const reader = hold(far);
      const taken = [1, 2, 3].map(() => writer.write('xx'));
      assert.deepEqual(taken, [true, true, false]);
      await turn(2);
      assert.equal(writer.drains, 0);
      reader.read();
      await until(() => writer.drains === 1);
      assert.deepEqual([reader.texts, near.drops], [['xx', 'xx', 'xx'], undefined]);
    });
  }

  test('a reader that pauses in the midst gets the rest when it goes on', async () => {
    const { near, far } = await pair();
    const end = collect(far);
    end.onMessage = () => far.pause();
    for (const text of ['a', 'b']) near.write(Buffer.from(text));
    await until(() => end.messages.length === 1);
    await turn(2);
    assert.deepEqual(end.texts, ['a']);
    far.resume();
    await until(() => end.messages.length === 2);
  });
});

describe('ending', () => {
  test('one direction of a stream ends by itself, with its tail', async () => {
    const { near, far } = await pair({ kind: 'stream' });
    const [a, b] = [collect(near), collect(far)];
    assert.equal(near.halfClose, true);
    a.write('question');
    near.end({ checksum: 'c' });
    await until(() => b.ends === 1);
    assert.deepEqual([b.texts, b.tail], [['question'], { checksum: 'c' }]);
    b.write('answer');
    far.end();
    await until(() => a.ends === 1);
    assert.deepEqual([a.texts, a.closings, b.closings], [['answer'], [], []]);
  });

  test('datagrams have no end in one direction', async () => {
    const { near, far } = await pair();
    const end = collect(far);
    assert.equal(near.halfClose, false);
    near.end();
    await turn(3);
    assert.equal(end.ends, 0);
  });

  test('a close comes after what was written before it', async () => {
    const { near, far } = await pair();
    const end = collect(far);
    near.write(Buffer.from('last'));
    near.close(CLOSE);
    await until(() => end.closings.length === 1);
    assert.deepEqual(
      [end.texts, end.ends, end.closings],
      [['last'], 1, [{ kind: 'end', message: 'closed by the peer: done' }]],
    );
    assert.equal(far.open, false);
  });

  test('a closed peer lingers while what it sent is not read', async () => {
    const { near, far } = await pair();
    const end = hold(far);
    near.write(Buffer.from('last'));
    near.close(CLOSE);
    await until(() => end.lingerings === 1);
    assert.equal(far.write(Buffer.from('x')), true);
    assert.deepEqual([far.open, end.closings, far.drops?.get('closed')], [true, [], 1]);
    end.read();
    assert.deepEqual([end.texts, end.closings.length, far.open], [['last'], 1, false]);
  });

  test('a reset overtakes what was written, and is no end', async () => {
    const { near, far } = await pair({ kind: 'stream' });
    const end = collect(far);
    near.write(Buffer.from('lost'));
    near.end();
    near.close({ kind: 'reset', message: 'ECONNRESET' });
    await until(() => end.closings.length === 1);
    assert.deepEqual([end.texts, end.ends, end.closings[0]?.kind, far.drops?.get('closed')], [[], 0, 'reset', 1]);
  });

  test('who closes hears of it no more, and what comes for it is lost', async () => {
    const { near, far } = await pair();
    const a = collect(near);
    far.write(Buffer.from('on its way'));
    near.close(CLOSE);
    far.write(Buffer.from('too late'));
    await turn(3);
    assert.deepEqual([a.texts, a.closings, near.drops?.get('closed'), far.drops?.get('closed')], [[], [], 1, 1]);
  });
});

describe('scribbling', () => {
  test('bytes are overwritten right after the call, and not owned', async () => {
    const { near, far } = await pair({ scribble: true });
    const kept: Uint8Array[] = [];
    const end = collect(far);
    end.onMessage = (bytes) => kept.push(bytes);
    near.write(Buffer.from('gone'));
    await until(() => kept.length === 1);
    assert.deepEqual(
      [end.texts, end.owned, Buffer.from(kept[0] as Uint8Array).toString()],
      [['gone'], [false], 'UUUU'],
    );
  });

  test('what waits for a reader was copied', async () => {
    const { near, far } = await pair({ scribble: true });
    const end = hold(far);
    near.write(Buffer.from('keep'));
    near.close(CLOSE);
    await until(() => end.lingerings === 1);
    assert.deepEqual(end.read().texts, ['keep']);
  });

  test('pipes through an Echo keep it whole, both ways', async () => {
    const [client, upstream] = [await pair({ scribble: true }), await pair({ scribble: true })];
    const middle = dialLocal(await openCluster(echo));
    for (const [from, to] of [
      [client.far, middle],
      [middle, upstream.near],
      [upstream.near, client.far],
      [upstream.far, upstream.far],
    ] as const) {
      new Pipe({ active() {}, sourceEnded() {}, sinkDrained() {}, tooLarge: () => false }, false).join(from, to);
    }
    const end = collect(client.near);
    const messages = Array.from({ length: 50 }, (_, n) => String(n).repeat(n));
    end.write(...messages);
    await until(() => end.messages.length === messages.length);
    assert.deepEqual(end.texts, messages);
  });
});
