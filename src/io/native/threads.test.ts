import { deepEqual, equal, ok, rejects } from 'node:assert/strict';
import * as dgram from 'node:dgram';
import { once } from 'node:events';
import { after, afterEach, before, describe, it, type TestContext } from 'node:test';
import type { Worker } from 'node:worker_threads';
import { DEFAULT_LIMITS } from '../../core/channel.ts';
import type { DatagramListening, Engine, SocketChannel } from '../../core/engine.ts';
import { until } from '../../testing/until.ts';
import {
  acceptor,
  attempt,
  client,
  closePeers,
  datagramPeer,
  engines,
  type Forwarder,
  forwardDatagrams,
  forwardStreams,
  onPort,
  server,
  takeDatagrams,
} from '../testing.ts';
import { createNativeEngine } from './index.ts';

const skip = engines().find(({ name }) => name === 'native')?.skip ?? false;

/** An engine of so many threads, and the workers that they are. */
async function threaded(t: TestContext, count: number): Promise<{ engine: Engine; workers: Worker[] }> {
  const workers: Worker[] = [];
  const remember = (worker: Worker): unknown => workers.push(worker);
  process.on('worker', remember);
  const engine = createNativeEngine(count);
  t.after(() => engine.close());
  await engine.ready;
  process.off('worker', remember);
  return { engine, workers: workers.slice(-count) };
}

const echoServer = () => server((socket) => socket.pipe(socket));
const echoPeer = () => datagramPeer((bytes, from, socket) => socket.send(bytes, from.port, from.address));

async function ask(port: number, text: string): Promise<string> {
  const socket = client(port);
  socket.write(text);
  const [answer] = await once(socket, 'data');
  return String(answer);
}

/** How many sockets each thread has, apart from what listens. */
function spread(engine: Engine, listening: readonly number[]): number[] {
  return (engine.load ?? []).map((load, n) => load - (listening[n] as number));
}

describe('threads of the native engine', { skip }, () => {
  let engine: Engine;

  before(() => {
    engine = createNativeEngine(3);
  });

  after(() => engine.close());
  afterEach(closePeers);

  it('share streams evenly, with both ends in one', async () => {
    const echo = await echoServer();
    const { port, sessions } = await forwardStreams(engine, { host: '127.0.0.1', port: echo.port });
    for (let n = 0; n < 30; n++) equal(await ask(port, `${n}`), `${n}`);
    ok(sessions.every(({ relay }) => relay));
    const loads = engine.load ?? [];
    equal(
      loads.reduce((sum, load) => sum + load),
      61,
    );
    ok(Math.max(...loads) - Math.min(...loads) <= 2, `${loads}`);
    for (const session of sessions) session.end();
    deepEqual([...(engine.load ?? [])].sort(), [0, 0, 1]);
  });

  for (const host of ['127.0.0.1', '0.0.0.0', '::']) {
    it(`share the peers of a datagram port at ${host}, each in one for good`, async (t) => {
      const { engine } = await threaded(t, 3);
      const echo = await echoPeer();
      const { port, sessions } = await forwardDatagrams(engine, echo.port, { host });
      const listening = engine.load ?? [];
      const peers = await Promise.all(Array.from({ length: 60 }, () => datagramPeer()));
      for (let round = 1; round <= 3; round++) {
        for (const { socket } of peers) socket.send(`${round}`, port, '127.0.0.1');
        await until(() => peers.every(({ received }) => received.length === round));
      }
      equal(sessions.length, peers.length);
      ok(sessions.every(({ relay }) => relay));
      const loads = spread(engine, listening);
      // Each session has a peer, and a connected socket which counts until, and after, its thread knows it.
      equal(
        loads.reduce((sum, load) => sum + load),
        3 * peers.length,
      );
      ok(
        loads.every((load) => load > 0),
        `${loads}`,
      );
    });
  }

  it('take a peer for the same one at whichever address it is sent to', async () => {
    const echo = await echoPeer();
    const { port, sessions } = await forwardDatagrams(engine, echo.port, { host: '0.0.0.0' });
    // One that may send to, and hear from, any address of loopback.
    const socket = dgram.createSocket('udp4');
    socket.bind(0, '127.0.0.1');
    await once(socket, 'listening');
    let answers = 0;
    socket.on('message', () => answers++);
    for (let n = 1; n <= 20; n++) socket.send('hello', port, `127.0.0.${n}`);
    await until(() => answers === 20);
    socket.close();
    equal(sessions.length, 1);
  });

  it('have a peer that has sent nothing yet where its datagrams come', async () => {
    for (const host of ['127.0.0.1', '::']) {
      let accepted = 0;
      const received: string[] = [];
      const { port, listening } = await onPort<DatagramListening>((port) =>
        engine.listenDatagram(
          { host, port },
          acceptor((channel) => {
            accepted++;
            channel.read({ message: (bytes) => received.push(Buffer.from(bytes).toString()), end: () => {} });
          }),
        ),
      );
      const peers = await Promise.all(Array.from({ length: 20 }, () => datagramPeer()));
      for (const peer of peers) listening.emit({ address: '127.0.0.1', port: peer.port });
      for (const [n, peer] of peers.entries()) peer.socket.send(`${n}`, port, '127.0.0.1');
      await until(() => received.length === peers.length);
      equal(accepted, peers.length);
    }
  });

  it('say that two are joined when what has waited is on its way: what goes another way then is behind it', async () => {
    const sink = await datagramPeer();
    const { port, channels } = await takeDatagrams(engine);
    const peer = await datagramPeer();
    for (const text of ['one', 'two']) peer.socket.send(text, port, '127.0.0.1');
    await until(() => channels.length === 1);
    const [source] = channels as [SocketChannel];
    const to = { host: '127.0.0.1', port: sink.port };
    const destination = await engine.connectDatagram(to, attempt(), DEFAULT_LIMITS);
    const cleared = new Promise<void>((resolve) => {
      source.owner = { closed: () => {}, socketChanged: () => resolve() };
    });
    ok(engine.relay?.(source, destination));
    deepEqual([source.socket, destination.socket], [undefined, undefined]);
    await cleared;
    deepEqual([source.socket, destination.socket], [source, destination]);
    peer.socket.send('three', sink.port, '127.0.0.1');
    await until(() => sink.received.length === 3);
    deepEqual(sink.received.map(String), ['one', 'two', 'three']);
    for (const channel of [source, destination]) channel.close({ kind: 'end', message: 'over' });
  });

  it('make one peer of who sends to all', async () => {
    const received: string[] = [];
    let accepted = 0;
    const { port } = await onPort((port) =>
      engine.listenDatagram(
        { host: '0.0.0.0', port },
        acceptor((channel) => {
          accepted++;
          channel.read({ message: (bytes) => received.push(Buffer.from(bytes).toString()), end: () => {} });
        }),
      ),
    );
    const peer = await datagramPeer();
    peer.socket.setBroadcast(true);
    for (const n of [1, 2, 3]) peer.socket.send(`${n}`, port, '127.255.255.255');
    peer.socket.send('over', port, '127.0.0.1');
    await until(() => received.includes('over'));
    deepEqual(received, ['1', '2', '3', 'over']);
    equal(accepted, 1);
  });

  it('refuse a port that somebody has, though it be to share', async (t) => {
    const second = createNativeEngine(2);
    t.after(() => second.close());
    const { port, listening } = await onPort((port) =>
      engine.listenDatagram(
        { host: '127.0.0.1', port },
        acceptor(() => {}),
      ),
    );
    for (const host of ['127.0.0.1', '0.0.0.0']) {
      await rejects(
        second.listenDatagram(
          { host, port },
          acceptor(() => {}),
        ),
        { code: 'E_BIND' },
      );
    }
    await listening.close();
    const again = await second.listenDatagram(
      { host: '127.0.0.1', port },
      acceptor(() => {}),
    );
    await again.close();
    deepEqual(second.load, [0, 0]);
  });
});

/** Ends a thread in the middle of its work. It must be woken to notice: `wake` has it do something. */
async function kill(worker: Worker, wake: () => void): Promise<void> {
  const warned = once(process, 'warning');
  const ended = worker.terminate();
  const timer = setInterval(wake, 5);
  await ended;
  clearInterval(timer);
  const [{ message }] = await warned;
  ok(/a thread has failed/.test(message), message);
}

describe('a thread of the native engine that fails', { skip }, () => {
  afterEach(closePeers);

  /** Wakes every thread that has one of the sessions or listeners. */
  const waking =
    (streams: Forwarder, datagrams: Forwarder, peers: Awaited<ReturnType<typeof datagramPeer>>[]) => () => {
      client(streams.port);
      for (const { socket } of peers) socket.send('wake up', datagrams.port, '127.0.0.1');
    };

  it('takes its own sessions with it, and no others; what listens goes on in the rest', async (t) => {
    const { engine, workers } = await threaded(t, 2);
    const echo = { stream: await echoServer(), datagram: await echoPeer() };
    const streams = await forwardStreams(engine, { host: '127.0.0.1', port: echo.stream.port });
    const datagrams = await forwardDatagrams(engine, echo.datagram.port);
    const peers = await Promise.all(Array.from({ length: 20 }, () => datagramPeer()));
    for (const { socket } of peers) socket.send('hello', datagrams.port, '127.0.0.1');
    await until(() => peers.every(({ received }) => received.length > 0));
    for (let n = 0; n < 20; n++) await ask(streams.port, 'hello');
    const before = [...streams.sessions, ...datagrams.sessions];
    await kill(workers[0] as Worker, waking(streams, datagrams, peers));
    equal(engine.load?.length, 1);
    await until(() => before.every(({ source, destination }) => source.open === destination?.open));
    const lost = before.filter(({ source }) => !source.open);
    ok(lost.length > 0 && lost.length < before.length, `${lost.length} of ${before.length}`);
    ok(lost.every(({ closed }) => closed[0]?.reason.kind === 'error'));

    equal(await ask(streams.port, 'again'), 'again');
    for (const peer of peers) peer.received.length = 0;
    for (const { socket } of peers) socket.send('again', datagrams.port, '127.0.0.1');
    await until(() => peers.every(({ received }) => received.some((bytes) => String(bytes) === 'again')));
    await streams.listening.close();
    await datagrams.listening.close();
  });

  it('leaves nothing listening when it was the last one', async (t) => {
    const { engine, workers } = await threaded(t, 1);
    const streams = await forwardStreams(engine, { host: '127.0.0.1', port: 9 });
    const datagrams = await forwardDatagrams(engine, 9);
    const peer = await datagramPeer();
    await kill(workers[0] as Worker, waking(streams, datagrams, [peer]));
    const socket = client(streams.port);
    const [error] = await once(socket, 'error');
    equal(error.code, 'ECONNREFUSED');
    await rejects(
      engine.listenStream(
        { host: '127.0.0.1', port: streams.port },
        acceptor(() => {}),
      ),
      { code: 'E_BIND' },
    );
    await streams.listening.close();
    await datagrams.listening.close();
  });
});
