import { deepEqual, equal, rejects } from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { after, afterEach, before, describe, it } from 'node:test';
import { DEFAULT_LIMITS } from '../../core/channel.ts';
import { until } from '../../testing/until.ts';
import { Loan } from '../node/loan.ts';
import { attempt, closePeers, datagramPeer, engines, server } from '../testing.ts';
import { Connecting, type StreamHost } from './connect.ts';
import { NativeDatagramChannel } from './datagram-channel.ts';
import { connectDatagram } from './datagram-ports.ts';
import { NativeStreamChannel } from './stream-channel.ts';
import { IoThreads } from './threads.ts';
import { HALF } from './wire.ts';

const skip = engines().find(({ name }) => name === 'native')?.skip ?? false;
const END = { kind: 'end', message: 'over' } as const;

describe('a thread without slots', { skip }, () => {
  let threads: IoThreads;
  let taken: number[];

  before(() => {
    threads = new IoThreads(1);
  });

  after(() => threads.close());
  afterEach(() => {
    const { slots } = threads.pick();
    for (const id of taken) slots.give(id);
    closePeers();
  });

  /** Takes all but so many. */
  function leave(count: number): void {
    const { slots } = threads.pick();
    taken = [];
    for (let n = 0; n < HALF; n++) {
      const id = slots.take();
      if (id >= 0) taken.push(id);
    }
    for (let n = 0; n < count; n++) slots.give(taken.pop() as number);
  }

  async function stream(port: number): Promise<NativeStreamChannel> {
    const host: StreamHost = { threads, onSocket: () => new Loan() };
    const to = { host: '127.0.0.1', port };
    const channel = await new Connecting(host, to, attempt(), DEFAULT_LIMITS, undefined).run();
    return channel as NativeStreamChannel;
  }

  for (const count of [0, 1]) {
    it(`leaves a stream to JavaScript, with ${count} left`, async () => {
      const source = await server((socket) => socket.write('hello'));
      const sink: string[] = [];
      const target = await server((socket) => socket.on('data', (bytes) => sink.push(String(bytes))));
      const [a, b] = [await stream(source.port), await stream(target.port)];
      leave(count);
      equal(NativeStreamChannel.join(a, b, false), undefined);
      a.read({ message: (bytes) => b.write(bytes), end: () => {} });
      a.resume();
      await until(() => sink.join('') === 'hello');
      for (const channel of [a, b]) channel.close(END);
      const { slots } = threads.pick();
      for (let n = 0; n < count; n++) taken.push(slots.take());
      equal(slots.take(), -1);
    });
  }

  it('refuses a datagram socket that it could not receive from, and keeps the slots of those that it has', async () => {
    const peer = await datagramPeer((bytes, from, socket) => socket.send(bytes, from.port, from.address));
    const to = { host: '127.0.0.1', port: peer.port };
    const connect = () => connectDatagram(threads.pick(), to, attempt(), DEFAULT_LIMITS, undefined);
    const before = readdirSync('/proc/self/fd').length;
    const early = await connect();
    leave(0);
    await rejects(connect(), { code: 'E_LIMIT' });
    equal(readdirSync('/proc/self/fd').length, before + 1);
    const received: string[] = [];
    early.read({ message: (bytes) => received.push(Buffer.from(bytes).toString()), end: () => {} });
    early.write(Buffer.from('hello'));
    await until(() => received.length === 1);
    early.close(END);
    const again = await connect();
    equal(again instanceof NativeDatagramChannel, true);
    again.close(END);
    deepEqual(received, ['hello']);
  });
});
