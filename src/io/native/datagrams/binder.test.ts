import { deepEqual, equal, ok, rejects, throws } from 'node:assert/strict';
import { execFile } from 'node:child_process';
import * as dgram from 'node:dgram';
import { once } from 'node:events';
import { after, afterEach, before, describe, it } from 'node:test';
import type { Acceptor, DatagramListening, Engine, SocketChannel } from '../../../core/engine.ts';
import { freePort } from '../../../testing/ports.ts';
import { until } from '../../../testing/until.ts';
import {
  acceptor,
  closePeers,
  datagramPeer,
  engines,
  forwardDatagrams,
  onPort,
  type TestSession,
} from '../../testing.ts';
import { createNativeEngine } from '../index.ts';
import { DatagramBinder } from './binder.ts';

const skip = engines().find(({ name }) => name === 'native')?.skip ?? false;
const PLANES = 3;
const END = { kind: 'end', message: 'over' } as const;

/** The engine of the n-th data plane. */
function plane(binder: DatagramBinder, n: number): Engine {
  const notHere = () => Promise.reject(new Error('not here'));
  const bindDatagram = async (at: { host: string; port: number }) => binder.bind(at, n);
  return createNativeEngine({ binder: { bindDatagram, bindStream: notHere, bindMessages: notHere } });
}

const echoPeer = () => datagramPeer((bytes, from, socket) => socket.send(bytes, from.port, from.address));
const nothing = () => acceptor(() => {});

describe('sockets for datagrams of several data planes', { skip }, () => {
  const planes: Engine[] = [];

  before(() => {
    const binder = new DatagramBinder(PLANES);
    for (let n = 0; n < PLANES; n++) planes.push(plane(binder, n));
  });

  after(() => Promise.all(planes.map((engine) => engine.close())));
  afterEach(closePeers);

  /** Listens in all of them. */
  function listenInAll(host: string, accept: (n: number) => Acceptor) {
    return onPort((port) => Promise.all(planes.map((engine, n) => engine.listenDatagram({ host, port }, accept(n)))));
  }

  function closeAll(all: readonly DatagramListening[]): Promise<unknown> {
    return Promise.all(all.map((listening) => listening.close()));
  }

  for (const host of ['127.0.0.1', '0.0.0.0', '::']) {
    it(`share the peers of ${host}, each for good, whichever of our addresses it sends to`, async () => {
      const peersOf = planes.map(() => new Set<number>());
      const { port, listening } = await listenInAll(host, (n) =>
        acceptor((channel) => {
          peersOf[n]?.add(channel.ends?.remotePort as number);
          channel.read({ message: (bytes) => channel.write(bytes), end: () => {} });
        }),
      );
      const peers = await Promise.all(Array.from({ length: 60 }, () => datagramPeer()));
      for (let round = 1; round <= 3; round++) {
        const to = host === '127.0.0.1' ? host : `127.0.0.${round}`;
        for (const { socket } of peers) socket.send(`${round}`, port, to);
        await until(() => peers.every(({ received }) => received.length === round));
      }
      const counts = peersOf.map(({ size }) => size);
      equal(
        counts.reduce((sum, count) => sum + count),
        peers.length,
      );
      ok(
        counts.every((count) => count > 0),
        `${counts}`,
      );
      await closeAll(listening);
    });
  }

  it('have a peer that has sent nothing yet where its datagrams come, and nowhere else', async () => {
    for (const host of ['127.0.0.1', '::']) {
      let accepted = 0;
      const received: string[] = [];
      const { port, listening } = await listenInAll(host, () =>
        acceptor((channel) => {
          accepted++;
          channel.read({ message: (bytes) => received.push(Buffer.from(bytes).toString()), end: () => {} });
        }),
      );
      const peers = await Promise.all(Array.from({ length: 20 }, () => datagramPeer()));
      for (const { port } of peers) for (const each of listening) each.emit({ address: '127.0.0.1', port });
      equal(accepted, peers.length);
      for (const [n, peer] of peers.entries()) peer.socket.send(`${n}`, port, '127.0.0.1');
      await until(() => received.length === peers.length);
      equal(accepted, peers.length);
      await closeAll(listening);
    }
  });

  it('make one peer of who sends to all', async () => {
    const received: string[] = [];
    let accepted = 0;
    const { port } = await listenInAll('0.0.0.0', () =>
      acceptor((channel) => {
        accepted++;
        channel.read({ message: (bytes) => received.push(Buffer.from(bytes).toString()), end: () => {} });
      }),
    );
    const peer = await datagramPeer();
    peer.socket.setBroadcast(true);
    for (const n of [1, 2, 3]) peer.socket.send(`${n}`, port, '127.255.255.255');
    peer.socket.send('over', port, '127.0.0.1');
    await until(() => received.includes('over'));
    deepEqual(received, ['1', '2', '3', 'over']);
    equal(accepted, 1);
  });

  it('keep their peers while listeners come and go, and what is not listened to is not kept for later', async () => {
    const echo = await echoPeer();
    const all: { sessions: TestSession[]; listening: DatagramListening }[] = [];
    const [first, ...others] = planes as [Engine, ...Engine[]];
    const one = await forwardDatagrams(first, echo.port);
    all.push(one);
    for (const engine of others) all.push(await forwardDatagrams(engine, echo.port, { port: one.port }));
    const peers = await Promise.all(Array.from({ length: 30 }, () => datagramPeer()));
    const ask = async (text: string, who = peers) => {
      for (const { socket } of who) socket.send(text, one.port, '127.0.0.1');
      await until(() => who.every(({ received }) => String(received.at(-1)) === text));
    };
    await ask('one');
    const sessions = all.map(({ sessions }) => sessions.length);
    await closeAll(all.map(({ listening }) => listening));
    // Those of the first data plane go; the others live on, and so do all sockets.
    const left = peers.filter(({ port }) =>
      all.slice(1).some(({ sessions }) => sessions.some(({ source }) => source.ends?.remotePort === port)),
    );
    for (const session of one.sessions) session.end();
    for (const { socket } of peers) socket.send('to nobody', one.port, '127.0.0.1');
    await ask('two', left);
    const again: SocketChannel[] = [];
    const next = await first.listenDatagram(
      { host: '127.0.0.1', port: one.port },
      acceptor((channel) => again.push(channel)),
    );
    await ask('three', left);
    equal(again.length, 0);
    const rest = peers.filter((peer) => !left.includes(peer));
    for (const { socket } of rest) socket.send('four', one.port, '127.0.0.1');
    await until(() => again.length === sessions[0]);
    deepEqual(
      all.map(({ sessions }) => sessions.length),
      sessions,
    );
    await next.close();
    for (const channel of again) channel.close(END);
    for (const { sessions } of all) for (const session of sessions) session.end();
  });

  it('are one for each of many ports, which one data plane has', async () => {
    const binder = new DatagramBinder(2);
    const owners: number[] = [];
    for (const port of await Promise.all([freePort(), freePort()])) {
      const at = { host: '127.0.0.1', port, ranged: true };
      const bound = [binder.bind(at, 0), binder.bind(at, 1)];
      const own = bound.filter(({ fd }) => fd >= 0);
      equal(own.length, 1);
      deepEqual([own[0]?.n, own[0]?.of], [0, 1]);
      owners.push(bound.findIndex(({ fd }) => fd >= 0) - (port % 2));
      throws(() => binder.bind(at, port % 2), { code: 'E_BIND' });
      await Promise.all(bound.map(({ release }) => release()));
      const socket = dgram.createSocket('udp4').bind({ port, address: '127.0.0.1', exclusive: true });
      await once(socket, 'listening');
      socket.close();
    }
    deepEqual(owners, [0, 0]);
  });

  it('stay as they are while a port that one alone has is held, and while one that each has is', async () => {
    const binder = new DatagramBinder(2);
    for (const held of [true, false]) {
      const { port, listening: owned } = await onPort(async (port) => {
        const at = { host: '127.0.0.1', port, ranged: held };
        return binder.bind(at, port % 2);
      });
      const at = { host: '127.0.0.1', port, ranged: !held };
      const other = binder.bind(at, 1 - (port % 2));
      equal(other.fd >= 0, !held, 'the other one has a socket where each had one');
      await owned.release();
      const again = binder.bind(at, port % 2);
      equal(again.of, held ? 1 : 2);
      await other.release();
      await again.release();
    }
  });

  it('refuse an address that somebody has, though it be to share', async () => {
    const second = new DatagramBinder(2);
    const { port, listening } = await listenInAll('127.0.0.1', nothing);
    for (const host of ['127.0.0.1', '0.0.0.0']) throws(() => second.bind({ host, port }, 0), { code: 'E_BIND' });
    await rejects((planes[0] as Engine).listenDatagram({ host: '127.0.0.1', port }, nothing()), { code: 'E_BIND' });
    await closeAll(listening);
    await second.bind({ host: '127.0.0.1', port }, 1).release();
  });
});

it("the socket of a single data plane is nobody else's to share", { skip }, async () => {
  const binder = new DatagramBinder(1);
  const { port, listening: bound } = await onPort(async (port) => binder.bind({ host: '127.0.0.1', port }, 0));
  const program = `require('node:dgram').createSocket({ type: 'udp4', reusePort: true })
    .on('error', ({ code }) => console.log(code)).bind(${port}, '127.0.0.1', function () { this.close(); })`;
  const stdout = await new Promise<string>((resolve, reject) =>
    execFile(process.execPath, ['-e', program], (error, stdout) => (error ? reject(error) : resolve(stdout))),
  );
  equal(stdout.trim(), 'EADDRINUSE');
  await bound.release();
  await bound.release();
  const socket = dgram.createSocket('udp4').bind(port, '127.0.0.1');
  await once(socket, 'listening');
  socket.close();
});
