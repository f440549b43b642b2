import { deepEqual, equal, ok } from 'node:assert/strict';
import * as dgram from 'node:dgram';
import { once } from 'node:events';
import { after, afterEach, before, describe, it } from 'node:test';
import { DEFAULT_LIMITS } from '../core/channel.ts';
import type { Engine, SocketChannel } from '../core/engine.ts';
import { freePort } from '../testing/ports.ts';
import { turn, until } from '../testing/until.ts';
import { attempt, closePeers, datagramPeer, engines, forwardDatagrams, TestSession, takeDatagrams } from './testing.ts';

const SIZES = [0, 1, 200, 1472, 1473, 2048, 2049, 9000, 32_768, 65_506, 65_507];
const END = { kind: 'end', message: 'over' } as const;

/** Asks until there is an answer: a datagram may come before a socket is back. */
async function untilAnswered(ask: () => void, answered: () => boolean): Promise<void> {
  await until(async () => {
    ask();
    await turn(20);
    return answered();
  });
}

for (const { name, create, skip } of engines()) {
  describe(`datagrams on the ${name} engine`, { skip }, () => {
    let engine: Engine;

    before(() => {
      engine = create();
    });

    after(() => engine.close());
    afterEach(closePeers);

    const echoPeer = () => datagramPeer((bytes, from, socket) => socket.send(bytes, from.port, from.address));

    it('forwards every size, both ways', async () => {
      const echo = await echoPeer();
      const { port } = await forwardDatagrams(engine, echo.port);
      const peer = await datagramPeer();
      for (const [n, size] of SIZES.entries()) {
        peer.socket.send(Buffer.alloc(size, n), port, '127.0.0.1');
        await until(() => peer.received.length === n + 1, `${size} bytes`);
        deepEqual(peer.received[n], Buffer.alloc(size, n));
      }
      deepEqual(new Set(peer.from.map(({ port }) => port)), new Set([port]));
    });

    it('keeps the order of what a new peer sends at once, and loses none', async () => {
      const echo = await echoPeer();
      const { port, sessions } = await forwardDatagrams(engine, echo.port);
      const peer = await datagramPeer();
      const sent = Array.from({ length: 20 }, (_, n) => `${n}`.repeat(1 + (n % 3)));
      for (const text of sent) peer.socket.send(text, port, '127.0.0.1');
      await until(() => peer.received.length === sent.length);
      deepEqual(peer.received.map(String), sent);
      equal(sessions.length, 1);
      const { source, destination } = sessions[0] as (typeof sessions)[0];
      source.refresh();
      destination?.refresh();
      const bytes = sent.join('').length;
      deepEqual([source.messagesIn, source.bytesIn, source.messagesOut, source.bytesOut], [20, bytes, 20, bytes]);
      deepEqual([destination?.messagesIn, destination?.bytesOut], [20, bytes]);
    });

    it('keeps the order and the sizes of bursts of many sizes', async () => {
      const echo = await echoPeer();
      const { port } = await forwardDatagrams(engine, echo.port);
      const peer = await datagramPeer();
      for (let round = 0; round < 20; round++) {
        const sent = Array.from({ length: 40 }, (_, n) => Buffer.alloc(n < 20 ? 300 : (n * 37 * round) % 1400, n));
        for (const bytes of sent) peer.socket.send(bytes, port, '127.0.0.1');
        await until(() => peer.received.length === 40);
        deepEqual(peer.received.splice(0), sent);
      }
    });

    it('tells peers apart', async () => {
      const echo = await echoPeer();
      const { port, sessions } = await forwardDatagrams(engine, echo.port);
      const peers = await Promise.all(Array.from({ length: 200 }, () => datagramPeer()));
      for (let round = 0; round < 3; round++) {
        for (const peer of peers) peer.socket.send(`${peer.port}`, port, '127.0.0.1');
        await until(() => peers.every(({ received }) => received.length === round + 1));
      }
      for (const peer of peers) deepEqual(new Set(peer.received.map(String)), new Set([`${peer.port}`]));
      equal(sessions.length, 200);
      for (const session of sessions.slice(0, 100)) session.end();
      const rest = peers.filter(({ port }) =>
        sessions.slice(100).some(({ source }) => source.ends?.remotePort === port),
      );
      for (const peer of rest) peer.socket.send('again', port, '127.0.0.1');
      await until(() => rest.every(({ received }) => String(received[3]) === 'again'));
      equal(sessions.length, 200);
    });

    it('answers from the address that was asked', {
      skip: name === 'node' && 'node:dgram cannot say which it was',
    }, async () => {
      const echo = await echoPeer();
      const { port } = await forwardDatagrams(engine, echo.port, { host: '0.0.0.0' });
      const peer = await datagramPeer();
      for (const address of ['127.0.0.2', '127.0.0.1', '127.0.0.7']) {
        const socket = dgram.createSocket('udp4');
        await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
        socket.send('hello', port, address);
        const [, from] = (await once(socket, 'message')) as [Buffer, dgram.RemoteInfo];
        equal(from.address, address);
        socket.close();
      }
      equal(peer.received.length, 0);
    });

    it('goes on when an endpoint is away for a while, and harms nobody else', async () => {
      const [away, echo] = [await freePort(), await echoPeer()];
      const broken = await forwardDatagrams(engine, away);
      const whole = await forwardDatagrams(engine, echo.port);
      const [one, two] = [await datagramPeer(), await datagramPeer()];
      for (let n = 0; n < 10; n++) {
        one.socket.send('lost', broken.port, '127.0.0.1');
        two.socket.send(`${n}`, whole.port, '127.0.0.1');
        await until(() => two.received.length === n + 1);
      }
      await until(() => (broken.sessions[0]?.faults.length ?? 0) > 0);
      ok(broken.sessions[0]?.faults.some((fault) => fault.includes('ECONNREFUSED')));
      await datagramPeer((bytes, from, socket) => socket.send(bytes, from.port, from.address), away);
      await untilAnswered(
        () => one.socket.send('back', broken.port, '127.0.0.1'),
        () => one.received.some((bytes) => String(bytes) === 'back'),
      );
      equal(broken.sessions.length, 1);
      equal(whole.sessions[0]?.closed.length, 0);
    });

    for (const [what, joined] of [
      ['is being set up', false],
      ['has lost its endpoint', true],
    ] as const) {
      it(`counts what comes for a session that ${what}, and that it is lost with it`, async () => {
        const echo = await echoPeer();
        const { port, channels: sources } = await takeDatagrams(engine);
        const peer = await datagramPeer();
        const messages = () => {
          sources[0]?.refresh();
          return sources[0]?.messagesIn;
        };
        peer.socket.send('one', port, '127.0.0.1');
        await until(() => messages() === 1);
        const source = sources[0] as SocketChannel;
        if (joined) {
          const session = new TestSession(engine, source);
          session.join(await engine.connectDatagram({ host: '127.0.0.1', port: echo.port }, attempt(), DEFAULT_LIMITS));
          await until(() => peer.received.length === 1);
          session.destination?.close(END);
          source.pause();
        }
        for (const text of ['two', 'three']) peer.socket.send(text, port, '127.0.0.1');
        await until(() => messages() === 3);
        source.close(END);
        deepEqual([source.messagesIn, source.bytesIn], [3, 11]);
        deepEqual([...(source.drops ?? [])], [['closed', joined ? 2 : 3]]);
      });
    }

    it('counts once what has waited and is then read', async () => {
      const { port, channels: sources } = await takeDatagrams(engine);
      const peer = await datagramPeer();
      const read: string[] = [];
      for (const text of ['one', 'two']) peer.socket.send(text, port, '127.0.0.1');
      await until(() => {
        sources[0]?.refresh();
        return sources[0]?.messagesIn === 2;
      });
      const source = sources[0] as SocketChannel;
      source.read({ message: (bytes) => read.push(Buffer.from(bytes).toString()), end: () => {} });
      await until(() => read.length === 2);
      peer.socket.send('three', port, '127.0.0.1');
      await until(() => read.length === 3);
      source.close(END);
      deepEqual(read, ['one', 'two', 'three']);
      deepEqual([source.messagesIn, source.bytesIn, source.drops], [3, 11, undefined]);
    });

    it('resends what an ICMP error has kept back', async () => {
      const port = await freePort();
      const channel = await engine.connectDatagram({ host: '127.0.0.1', port }, attempt(), DEFAULT_LIMITS);
      channel.write(Buffer.from('to nobody'));
      await turn(5);
      const peer = await datagramPeer(undefined, port);
      channel.write(Buffer.from('first'));
      channel.write(Buffer.from('second'));
      await until(() => peer.received.length === 2);
      deepEqual(peer.received.map(String), ['first', 'second']);
      channel.close(END);
    });

    it('lets sessions end and begin again on the same peers', async () => {
      const echo = await echoPeer();
      const { port, sessions } = await forwardDatagrams(engine, echo.port);
      const peer = await datagramPeer();
      for (let n = 1; n <= 200; n++) {
        // What comes while a session ends may be lost with it.
        await untilAnswered(
          () => peer.socket.send(`${n}`, port, '127.0.0.1'),
          () => peer.received.some((bytes) => String(bytes) === `${n}`),
        );
        sessions.at(-1)?.end();
      }
      ok(sessions.length > 100);
    });
  });
}
