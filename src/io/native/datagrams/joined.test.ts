import { deepEqual, equal } from 'node:assert/strict';
import type * as dgram from 'node:dgram';
import { after, afterEach, before, describe, it } from 'node:test';
import { DEFAULT_LIMITS } from '../../../core/channel.ts';
import type { Engine, SocketChannel } from '../../../core/engine.ts';
import { until } from '../../../testing/until.ts';
import { acceptor, closePeers, datagramPeer, engines, forwardDatagrams, onPort, takeDatagrams } from '../../testing.ts';
import { createNativeEngine } from '../index.ts';
import { IPPROTO_UDP, UDP_SEGMENT } from '../system/constants.ts';
import { setOption } from '../system/sockets.ts';

const skip = engines().find(({ name }) => name === 'native')?.skip ?? false;

/** Has the kernel cut what a socket sends into datagrams of `size`: a receiver that asks for it gets them joined (udp(7)). */
function cut(socket: dgram.Socket, size: number): void {
  const [state] = Object.getOwnPropertySymbols(socket).filter(({ description }) => description === 'state symbol');
  const { fd } = (socket as unknown as Record<symbol, { handle: { fd: number } }>)[state as symbol]?.handle ?? {
    fd: -1,
  };
  equal(setOption(fd, IPPROTO_UDP, UDP_SEGMENT, size), 0);
}

function numbered(bytes: number): Buffer {
  return Buffer.from(Array.from({ length: bytes }, (_, n) => n * 7 + (n >> 8)));
}

function pieces(bytes: Buffer, size: number): Buffer[] {
  return Array.from({ length: Math.ceil(bytes.length / size) }, (_, n) => bytes.subarray(n * size, (n + 1) * size));
}

describe('datagrams that the kernel has joined', { skip }, () => {
  let engine: Engine;

  before(() => {
    engine = createNativeEngine();
  });

  after(() => engine.close());
  afterEach(closePeers);

  for (const [host, kind] of [
    ['127.0.0.1', 'an address'],
    ['0.0.0.0', 'a wildcard'],
    ['::', 'a wildcard of IPv6'],
  ] as const) {
    it(`stay apart on their way there and back, and are counted one by one, with a listener at ${kind}`, async () => {
      const echo = await datagramPeer((bytes, from, socket) => socket.send(bytes, from.port, from.address));
      const { port, sessions } = await forwardDatagrams(engine, echo.port, { host });
      const peer = await datagramPeer();
      const expected: Buffer[] = [];
      for (const [size, bytes] of [
        [200, 200],
        [200, 12_800],
        [1000, 64_000],
        [1000, 7001],
        [100, 6399],
        [1472, 1473],
        [32_000, 64_500],
      ] as const) {
        cut(peer.socket, size);
        const sent = numbered(bytes);
        peer.socket.send(sent, port, '127.0.0.1');
        expected.push(...pieces(sent, size));
        await until(() => peer.received.length === expected.length, `${bytes} bytes in segments of ${size}`);
      }
      deepEqual(echo.received, expected);
      deepEqual(peer.received, expected);
      equal(sessions.length, 1);
      const { source, destination } = sessions[0] as (typeof sessions)[0];
      const bytes = expected.reduce((sum, { length }) => sum + length, 0);
      for (const channel of [source, destination as SocketChannel]) {
        channel.refresh();
        deepEqual([channel.messagesIn, channel.messagesOut], [expected.length, expected.length]);
        deepEqual([channel.bytesIn, channel.bytesOut], [bytes, bytes]);
      }
    });
  }

  it('stay apart when they come from an endpoint', async () => {
    const answer = numbered(6050);
    const server = await datagramPeer((_bytes, from, socket) => {
      for (let n = 0; n < 3; n++) socket.send(answer, from.port, from.address);
    });
    cut(server.socket, 100);
    const { port } = await forwardDatagrams(engine, server.port);
    const peer = await datagramPeer();
    const expected: Buffer[] = [];
    for (let n = 0; n < 12; n++) {
      peer.socket.send('go', port, '127.0.0.1');
      for (let answers = 0; answers < 3; answers++) expected.push(...pieces(answer, 100));
      await until(() => peer.received.length >= expected.length);
    }
    deepEqual(peer.received, expected);
  });

  it('reach JavaScript one by one', async () => {
    const heard: Buffer[] = [];
    const accept = (channel: SocketChannel): void => {
      channel.read({ message: (bytes) => void heard.push(Buffer.from(bytes)), end: () => {} });
      channel.resume();
    };
    const { port } = await onPort((port) => engine.listenDatagram({ host: '127.0.0.1', port }, acceptor(accept)));
    const peer = await datagramPeer();
    cut(peer.socket, 300);
    const sent = numbered(5000);
    peer.socket.send(sent, port, '127.0.0.1');
    await until(() => heard.length === 17);
    deepEqual(heard, pieces(sent, 300));
  });

  it('are limited one by one while they wait for their session', async () => {
    const limits = { ...DEFAULT_LIMITS, messages: 5 };
    const { port, listening, channels: held } = await takeDatagrams(engine, { limits });
    const peer = await datagramPeer();
    cut(peer.socket, 300);
    const sent = numbered(5000);
    peer.socket.send(sent, port, '127.0.0.1');
    await until(() => held.length === 1);
    const [channel] = held as [SocketChannel];
    const heard: Buffer[] = [];
    channel.read({ message: (bytes) => void heard.push(Buffer.from(bytes)), end: () => {} });
    channel.resume();
    await until(() => heard.length === 5);
    channel.refresh();
    equal(channel.drops?.get('queue-full'), 12);
    deepEqual(heard, pieces(sent, 300).slice(0, 5));
    await listening.close();
  });
});
