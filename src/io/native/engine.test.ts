import { deepEqual, equal, ok } from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { afterEach, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { DEFAULT_LIMITS } from '../../core/channel.ts';
import { freePort } from '../../testing/ports.ts';
import { until } from '../../testing/until.ts';
import {
  attempt,
  client,
  closePeers,
  datagramPeer,
  engines,
  forwardDatagrams,
  forwardStreams,
  hash,
  receiveAll,
  server,
} from '../testing.ts';
import { createNativeEngine } from './index.ts';
import { mapped } from './system/testing-mapped.ts';

const MIB = 1 << 20;
const skip = engines().find(({ name }) => name === 'native')?.skip ?? false;

function fds(): number {
  return readdirSync('/proc/self/fd').length;
}

/** Runs a program that uses an engine, until it ends by itself. Gives how it ended. */
async function run(body: string, whenReady?: (child: ReturnType<typeof spawn>) => void): Promise<(string | number)[]> {
  const program = `
    import { createNativeEngine } from '${new URL('index.ts', import.meta.url)}';
    import { attempt, acceptor, client, forwardStreams, server } from '${new URL('../testing.ts', import.meta.url)}';
    const engine = createNativeEngine();
    const turn = () => new Promise((resolve) => setImmediate(resolve));
    ${body}`;
  const child = spawn(process.execPath, ['--input-type=module-typescript', '-e', program], {
    cwd: fileURLToPath(new URL('.', import.meta.url)),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  child.stderr.on('data', (bytes) => {
    output += bytes;
  });
  child.stdout.on('data', () => whenReady?.(child));
  const timer = setTimeout(() => child.kill('SIGKILL'), 60_000);
  const [code, signal] = await once(child, 'exit');
  clearTimeout(timer);
  if (output && signal !== null) return [signal, output];
  return [signal ?? code];
}

const BUSY = `
  const source = await server((socket) => socket.write(Buffer.alloc(256 << 20)));
  const { port, sessions } = await forwardStreams(engine, { host: '127.0.0.1', port: source.port });
  const socket = client(port);
  await new Promise((resolve) => socket.once('data', resolve));
  socket.resume();`;

describe('the native engine', { skip }, () => {
  afterEach(closePeers);

  for (const [state, setUp] of [
    ['just made', ''],
    ['idle', "await engine.listenStream({ host: '127.0.0.1', port: 0 }, acceptor(() => {})); await turn();"],
    ['busy', BUSY],
  ]) {
    it(`lets the process exit while it is ${state}`, async () => {
      deepEqual(await run(`${setUp}\nprocess.exit(7);`), [7]);
    });

    it(`lets an uncaught exception end the process while it is ${state}`, async () => {
      const [code] = await run(`${setUp}\nthrow new Error('on purpose');`);
      equal(code, 1);
    });

    it(`lets SIGTERM end the process while it is ${state}`, async () => {
      const ended = await run(`${setUp}\nconsole.log('ready'); setInterval(() => {}, 1000);`, (child) => child.kill());
      equal(ended[0], 'SIGTERM');
    });

    it(`ends when it is told, while it is ${state}, and the process with it`, async () => {
      const tidy =
        'globalThis.source?.server.close(); for (const s of source?.sockets ?? []) s.destroy(); socket?.destroy(); source?.server.close();';
      deepEqual(await run(`${setUp}\nawait engine.close();${state === 'busy' ? tidy : ''}`), [0]);
    });
  }

  describe('in a thread that ends while it is told of a connection', () => {
    const thread = (accept: string, more: string) => `
      import { Worker } from 'node:worker_threads';
      import { makeDescriptorMap, silence } from '${new URL('system/descriptors.ts', import.meta.url)}';
      await engine.close();
      const map = makeDescriptorMap();
      const worker = new Worker(\`
        import { parentPort, workerData } from 'node:worker_threads';
        import { createNativeEngine } from '${new URL('index.ts', import.meta.url)}';
        import { Descriptors } from '${new URL('system/descriptors.ts', import.meta.url)}';
        import { acceptor, client, onPort } from '${new URL('../testing.ts', import.meta.url)}';
        const engine = createNativeEngine({ descriptors: new Descriptors(workerData, 3) });
        const accept = acceptor(() => { ${accept} });
        const { port } = await onPort((port) => engine.listenStream({ host: '127.0.0.1', port }, accept));
        for (let n = 0; n < 100; n++) client(port);
      \`, { eval: true, workerData: map });
      ${more}`;

    it('leaves the process alive, where it ends by itself', async () => {
      deepEqual(await run(thread('process.exit(5)', "worker.once('exit', (code) => process.exit(code + 2));")), [7]);
    });

    it('leaves the process alive, where it is ended by force after it was silenced', async () => {
      const end = `
        worker.once('message', () => {
          silence(map, 3);
          void worker.terminate().then(() => process.exit(7));
        });`;
      deepEqual(await run(thread('parentPort.postMessage(0); for (;;);', end)), [7]);
    });
  });

  it('runs what a handler has put off, and does not wait for another event', async () => {
    const port = await freePort();
    const ended = await run(`
      import { createSocket } from 'node:dgram';
      let done = '';
      const accept = () => {
        queueMicrotask(() => process.exit(done === 'tick' ? 7 : 1));
        process.nextTick(() => (done += 'tick'));
      };
      await engine.listenDatagram({ host: '127.0.0.1', port: ${port} }, acceptor(accept));
      const socket = createSocket('udp4');
      // When all is quiet, and nothing else runs them.
      setTimeout(() => socket.send('hello', ${port}, '127.0.0.1'), 300);
      // An event that comes too late to be what runs them.
      setTimeout(() => process.exit(2), 20_000);`);
    deepEqual(ended, [7]);
  });

  it('does not keep a process alive that has nothing open', async () => {
    deepEqual(
      await run(
        'const listening = await engine.listenStream({ host: "127.0.0.1", port: 0 }, acceptor(() => {})); await listening.close();',
      ),
      [0],
    );
  });

  it('gives everything back when it closes in the middle of traffic', async () => {
    const source = await server((socket) => socket.write(Buffer.alloc(256 * MIB)));
    const echo = await datagramPeer((bytes, from, socket) => socket.send(bytes, from.port, from.address));
    const peer = await datagramPeer();
    const before = fds();
    let resident: number | undefined;
    for (let n = 0; n < 3; n++) {
      const engine = createNativeEngine();
      const streams = await forwardStreams(engine, { host: '127.0.0.1', port: source.port });
      const datagrams = await forwardDatagrams(engine, echo.port);
      const socket = client(streams.port);
      await once(socket, 'data');
      peer.socket.send('hello', datagrams.port, '127.0.0.1');
      await until(() => peer.received.length === n + 1);
      // What has not left when the time is over is a reset, never an orderly end.
      const closed = new Promise((resolve) => socket.once('close', resolve));
      socket.on('error', () => {}).on('end', () => socket.destroy());
      socket.resume();
      await engine.close();
      await closed;
      source.sockets.at(-1)?.destroy();
      for (const { source, destination } of [...streams.sessions, ...datagrams.sessions]) {
        equal(source.open, false);
        equal(destination?.open, false);
      }
      await until(() => fds() <= before, `${fds()} descriptors, ${before} before`);
      // The first has left what the thread keeps for arguments.
      resident ??= mapped().resident;
      equal(mapped().resident, resident);
    }
  });

  it('takes a stream back into JavaScript when its relay has ended', async () => {
    const engine = createNativeEngine();
    const first = await server((socket) => socket.once('data', () => socket.resetAndDestroy()));
    const { port, sessions } = await forwardStreams(engine, { host: '127.0.0.1', port: first.port });
    const socket = client(port);
    await until(() => sessions[0]?.destination);
    const session = sessions[0] as (typeof sessions)[0];
    let lost = false;
    session.onLost = () => {
      lost = true;
    };
    socket.write('one');
    await until(() => lost);
    const { source } = session;
    const sent = randomBytes(3 * MIB);
    const heard: Buffer[] = [];
    source.writer = undefined;
    source.write(Buffer.from('welcome back '));
    source.read({ message: (bytes) => heard.push(Buffer.from(bytes)), end: () => source.end() });
    source.resume();
    socket.end(sent);
    equal((await receiveAll(socket)).toString(), 'welcome back ');
    equal(hash(Buffer.concat(heard)), hash(sent));
    equal(source.bytesIn, 3 + sent.length);
    equal(source.bytesOut, 13);
    await until(() => !source.open);
    await engine.close();
  });

  it('connects on the machine itself without a promise', async () => {
    const engine = createNativeEngine();
    const { port } = await server((socket) => socket.end());
    const channel = engine.connectStream({ host: '127.0.0.1', port }, attempt(), DEFAULT_LIMITS);
    ok(!(channel instanceof Promise));
    channel.close({ kind: 'end', message: '' });
    await engine.close();
  });

  it('does not join different kinds, nor what is closed', async () => {
    const engine = createNativeEngine();
    const echo = await server((socket) => socket.pipe(socket));
    const to = { host: '127.0.0.1', port: echo.port };
    const [a, b] = [
      await engine.connectStream(to, attempt(), DEFAULT_LIMITS),
      await engine.connectStream(to, attempt(), DEFAULT_LIMITS),
    ];
    const c = await engine.connectDatagram(to, attempt(), DEFAULT_LIMITS);
    equal(engine.relay?.(a, c), undefined);
    equal(engine.relay?.(a, a), undefined);
    a.close({ kind: 'end', message: '' });
    equal(engine.relay?.(a, b), undefined);
    for (const channel of [b, c]) channel.close({ kind: 'end', message: '' });
    await engine.close();
  });

  it('says when a relay was last active', async () => {
    const engine = createNativeEngine();
    const echo = await server((socket) => socket.pipe(socket));
    const { port, sessions } = await forwardStreams(engine, { host: '127.0.0.1', port: echo.port });
    const socket = client(port);
    const begun = performance.now();
    for (let n = 0, last = begun - 5; n < 3; n++) {
      socket.write('hello');
      await once(socket, 'data');
      const at = sessions[0]?.relay?.lastActive() ?? 0;
      ok(at > last && at < performance.now() + 5, `${at}, after ${last}`);
      last = at;
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    await engine.close();
  });
});
