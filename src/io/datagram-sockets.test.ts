import { deepEqual, equal, rejects } from 'node:assert/strict';
import * as dgram from 'node:dgram';
import { once } from 'node:events';
import { after, afterEach, before, describe, it } from 'node:test';
import { DEFAULT_LIMITS } from '../core/channel.ts';
import type { Engine, SocketChannel } from '../core/engine.ts';
import { until } from '../testing/until.ts';
import {
  acceptor,
  attempt,
  closePeers,
  datagramPeer,
  engines,
  forwardDatagrams,
  onPort,
  takeDatagrams,
} from './testing.ts';

const SIZES = [0, 1, 200, 1472, 1473, 2048, 2049, 9000, 32_768, 65_506, 65_507];
const END = { kind: 'end', message: 'over' } as const;

for (const { name, create, skip } of engines()) {
  describe(`datagram sockets on the ${name} engine`, { skip }, () => {
    let engine: Engine;

    before(() => {
      engine = create();
    });

    after(() => engine.close());
    afterEach(closePeers);

    const echoPeer = () => datagramPeer((bytes, from, socket) => socket.send(bytes, from.port, from.address));

    it('serves IPv6, and IPv4 on a dual-stack socket', async () => {
      const addresses: (string | undefined)[] = [];
      const { port } = await onPort((port) =>
        engine.listenDatagram(
          { host: '::', port },
          acceptor((channel) => {
            addresses.push(channel.ends?.remoteAddress);
            channel.read({ message: (bytes) => channel.write(bytes), end: () => {} });
          }),
        ),
      );
      const hosts = [
        ['udp6', '::1'],
        ['udp4', '127.0.0.1'],
      ] as const;
      // The portable engine sends to an IPv4 address on an IPv6 socket, which Linux refuses.
      for (const [type, host] of name === 'node' ? hosts.slice(0, 1) : hosts) {
        const socket = dgram.createSocket(type);
        for (const text of ['one', 'two']) {
          socket.send(text, port, host);
          const [bytes, from] = await once(socket, 'message');
          equal(String(bytes), text);
          equal(from.address, host);
        }
        socket.close();
      }
      deepEqual(addresses.slice(0, 2), name === 'node' ? ['::1'] : ['::1', '127.0.0.1']);
    });

    it('asks about the first datagram of a peer, and answers it, before there is anything of that', async () => {
      const asked: string[] = [];
      const channels: SocketChannel[] = [];
      const { port } = await onPort((port) =>
        engine.listenDatagram(
          { host: '127.0.0.1', port },
          acceptor(
            (channel) => {
              channels.push(channel);
              channel.read({
                message: (bytes) => channel.write(Buffer.from(`<${Buffer.from(bytes)}>`), undefined, true),
                end: () => {},
              });
            },
            {
              first: ({ address }, bytes, reply) => {
                const text = Buffer.from(bytes).toString();
                asked.push(`${address}: ${text}`);
                if (text === 'cookie') return true;
                reply(Buffer.from('show'));
                reply(Buffer.from('your cookie'));
                return false;
              },
              admit: () => {
                asked.push('admit');
                return true;
              },
            },
          ),
        ),
      );
      const peer = await datagramPeer();
      const say = async (text: string, answers: number): Promise<string[]> => {
        peer.received.length = 0;
        peer.socket.send(text, port, '127.0.0.1');
        await until(() => peer.received.length === answers);
        return peer.received.map(String);
      };
      deepEqual(await say('hello', 2), ['show', 'your cookie']);
      deepEqual(await say('hello', 2), ['show', 'your cookie']);
      equal(channels.length, 0);
      deepEqual(await say('cookie', 1), ['<cookie>']);
      deepEqual(await say('hello', 1), ['<hello>']);
      deepEqual(asked, ['127.0.0.1: hello', '127.0.0.1: hello', '127.0.0.1: cookie', 'admit']);
      for (const channel of channels) channel.close(END);
    });

    for (const host of ['0.0.0.0', '::']) {
      // The portable engine cannot tell which address was hit.
      it(`answers from the address that was hit last, on ${host}`, { skip: name === 'node' }, async () => {
        const echo = await echoPeer();
        const relayed = await forwardDatagrams(engine, echo.port, { host });
        let wandered = 0;
        const { port } = await onPort((port) =>
          engine.listenDatagram(
            { host, port },
            acceptor((channel) => {
              channel.owner = { closed: () => {}, wanders: () => wandered++ };
              channel.read({ message: (bytes) => channel.write(bytes), end: () => {} });
            }),
          ),
        );
        for (const to of [relayed.port, port]) {
          const peer = await datagramPeer();
          for (const [n, hit] of ['127.0.0.5', '127.0.0.7', '127.0.0.7', '127.0.0.5'].entries()) {
            peer.socket.send(`${n}`, to, hit);
            await until(() => peer.received.length === n + 1);
            equal(String(peer.received[n]), `${n}`);
            equal(peer.from[n]?.address, hit);
          }
        }
        equal(relayed.sessions.length, 1);
        equal(relayed.sessions[0]?.source.wanders, true);
        await until(() => wandered === 1);
      });

      it(`answers a peer that it was told of from the address that was hit, on ${host}`, {
        skip: name === 'node',
      }, async () => {
        const peer = await datagramPeer();
        const { port, listening } = await onPort((port) =>
          engine.listenDatagram(
            { host, port },
            acceptor((channel) => channel.read({ message: (bytes) => channel.write(bytes), end: () => {} })),
          ),
        );
        listening.emit({ address: '127.0.0.1', port: peer.port });
        peer.socket.send('hello', port, '127.0.0.9');
        await until(() => peer.received.length === 1);
        equal(peer.from[0]?.address, '127.0.0.9');
      });
    }

    it('reads and writes in JavaScript', async () => {
      const { port } = await onPort((port) =>
        engine.listenDatagram(
          { host: '127.0.0.1', port },
          acceptor((channel) => channel.read({ message: (bytes) => channel.write(bytes), end: () => {} })),
        ),
      );
      const channel = await engine.connectDatagram({ host: '127.0.0.1', port }, attempt(), DEFAULT_LIMITS);
      const received: Buffer[] = [];
      channel.read({ message: (bytes) => received.push(Buffer.from(bytes)), end: () => {} });
      for (const [n, size] of SIZES.entries()) {
        channel.write(Buffer.alloc(size, n));
        await until(() => received.length === n + 1, `${size} bytes`);
        deepEqual(received[n], Buffer.alloc(size, n));
      }
      equal(channel.messagesIn, SIZES.length);
      equal(channel.messagesOut, SIZES.length);
      channel.close(END);
    });

    it('sends what is written at once in order, whatever the sizes, also where it is closed then', async () => {
      const peer = await datagramPeer();
      const to = { host: '127.0.0.1', port: peer.port };
      const channel = await engine.connectDatagram(to, attempt(), DEFAULT_LIMITS);
      const sizes = [200, 200, 200, 100, 100, 200, 0, 0, 1, 1, 65_507, 300, 300];
      for (const [n, size] of sizes.entries()) channel.write(Buffer.alloc(size, n));
      channel.close(END);
      await until(() => peer.received.length === sizes.length);
      deepEqual(
        peer.received,
        sizes.map((size, n) => Buffer.alloc(size, n)),
      );
    });

    it('sends to several peers of one socket what is written at once, each its own', async () => {
      const { port, channels } = await takeDatagrams(engine);
      const peers = [await datagramPeer(), await datagramPeer()];
      for (const { socket } of peers) socket.send('hello', port, '127.0.0.1');
      await until(() => channels.length === peers.length);
      const texts = ['a1', 'a2', 'b', 'c1', 'c2', 'c3'];
      for (const text of texts)
        for (const channel of channels) channel.write(Buffer.from(`${text} ${channel.ends?.remotePort}`));
      for (const peer of peers) {
        await until(() => peer.received.length === texts.length);
        deepEqual(
          peer.received.map(String),
          texts.map((text) => `${text} ${peer.port}`),
        );
      }
      for (const channel of channels) channel.close(END);
    });

    it('keeps what comes before somebody reads, within limits, and counts the rest', async () => {
      const limits = { bytes: 1 << 20, messages: 10 };
      const { port, channels } = await takeDatagrams(engine, { limits });
      const peer = await datagramPeer();
      for (let n = 0; n < 25; n++) peer.socket.send(`${n}`, port, '127.0.0.1');
      const channel = await until(() => channels[0]);
      await until(() => {
        channel.refresh();
        return channel.drops?.get('queue-full') === 15;
      });
      const received: string[] = [];
      channel.read({ message: (bytes) => received.push(Buffer.from(bytes).toString()), end: () => {} });
      await until(() => received.length === 10);
      deepEqual(
        received,
        Array.from({ length: 10 }, (_, n) => `${n}`),
      );
      channel.close(END);
    });

    it('keeps a port for its sessions when nobody listens any more, and hands it over', async () => {
      const echo = await echoPeer();
      const { port, listening, sessions } = await forwardDatagrams(engine, echo.port);
      const [old, stranger] = [await datagramPeer(), await datagramPeer()];
      old.socket.send('one', port, '127.0.0.1');
      await until(() => old.received.length === 1);
      await listening.close();
      stranger.socket.send('hello', port, '127.0.0.1');
      old.socket.send('two', port, '127.0.0.1');
      await until(() => old.received.length === 2);
      equal(sessions.length, 1);

      const taken: SocketChannel[] = [];
      const next = await engine.listenDatagram(
        { host: '127.0.0.1', port },
        acceptor((channel) => taken.push(channel)),
      );
      await rejects(
        engine.listenDatagram(
          { host: '127.0.0.1', port },
          acceptor(() => {}),
        ),
        { code: 'E_BIND' },
      );
      old.socket.send('three', port, '127.0.0.1');
      stranger.socket.send('hello again', port, '127.0.0.1');
      await until(() => taken.length === 1 && old.received.length === 3);
      equal(taken[0]?.ends?.remotePort, stranger.port);
      await next.close();
      sessions[0]?.end();
      taken[0]?.close(END);
      await until(() => bindable(port));
    });

    it('refuses a port that is taken, by itself or by somebody else', async () => {
      const other = await datagramPeer();
      await rejects(
        engine.listenDatagram(
          { host: '127.0.0.1', port: other.port },
          acceptor(() => {}),
        ),
        {
          code: 'E_BIND',
          message: `cannot listen on 127.0.0.1:${other.port}: the address is in use`,
        },
      );
      const { port, listening } = await onPort((port) =>
        engine.listenDatagram(
          { host: '127.0.0.1', port },
          acceptor(() => {}),
        ),
      );
      void listening.close();
      const again = await engine.listenDatagram(
        { host: '127.0.0.1', port },
        acceptor(() => {}),
      );
      await again.close();
    });

    it('does not take who is not admitted, and asks again', async () => {
      let asked = 0;
      const admit = ({ address }: { address: string }): boolean => {
        equal(address, '127.0.0.1');
        return ++asked > 2;
      };
      const { port, channels } = await takeDatagrams(engine, { admit });
      const peer = await datagramPeer();
      for (let n = 1; n <= 3; n++) {
        peer.socket.send(`${n}`, port, '127.0.0.1');
        await until(() => asked === n);
      }
      equal(channels.length, 1);
      channels[0]?.close(END);
    });

    it('makes the channel of a peer that has sent nothing yet', async () => {
      const peer = await datagramPeer();
      const { port, listening, channels } = await takeDatagrams(engine);
      listening.emit({ address: '127.0.0.1', port: peer.port });
      listening.emit({ address: '127.0.0.1', port: peer.port });
      equal(channels.length, 1);
      const received: string[] = [];
      channels[0]?.read({ message: (bytes) => received.push(Buffer.from(bytes).toString()), end: () => {} });
      channels[0]?.write(Buffer.from('you are wanted'));
      await until(() => peer.received.length === 1);
      peer.socket.send('here', port, '127.0.0.1');
      await until(() => received.length === 1);
      equal(channels.length, 1);
      channels[0]?.close(END);
    });

    it('connects from the address and port that are asked for', async () => {
      const peer = await datagramPeer();
      const { port, listening: channel } = await onPort(async (port) =>
        engine.connectDatagram({ host: 'localhost', port: peer.port }, attempt(), DEFAULT_LIMITS, {
          address: '127.0.0.3',
          port,
        }),
      );
      channel.write(Buffer.from('hello'));
      await until(() => peer.from[0]);
      equal(peer.from[0]?.address, '127.0.0.3');
      equal(peer.from[0]?.port, port);
      equal(channel.ends?.localPort, port);
      equal(channel.ends?.remotePort, peer.port);
      channel.close(END);
      channel.close(END);
    });
  });
}

async function bindable(port: number): Promise<boolean> {
  const socket = dgram.createSocket('udp4');
  const bound = await new Promise<boolean>((resolve) => {
    socket.once('error', () => resolve(false));
    socket.bind(port, '127.0.0.1', () => resolve(true));
  });
  socket.close();
  return bound;
}
