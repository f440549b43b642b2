import assert from 'node:assert/strict';
import { once } from 'node:events';
import * as net from 'node:net';
import { type TestContext, test } from 'node:test';
import { freePort } from '../../src/testing/ports.ts';
import { until } from '../../src/testing/until.ts';
import { Raw } from '../support/http.ts';
import { ask, bytes, connectDatagram, connectStream, received, serveDatagram, serveStream } from '../support/peers.ts';
import { listener, startProxy } from '../support/proxy.ts';

const HOST = '127.0.0.1';

/** A cluster of TCP endpoints, all on one port. */
const tcp = (port: number, ...addresses: string[]) => ({
  spec: { protocol: 'TCP', port },
  endpoints: addresses.map((address) => ({ spec: { address } })),
  // The waits between attempts are short here; a slow machine's connections are not to end with them.
  options: { connect_timeout: 5000 },
});

/** A proxy with one listener, `l`. */
const startOne = (t: TestContext, protocol: string, route: object, more: object = {}) =>
  startProxy(t, ['l'], ({ l }) => ({ listeners: [listener('l', { protocol, port: l }, route, more)] }));

const eventsOf = (session: { events: { event: string }[] }) => session.events.map(({ event }) => event);

test('an endpoint that comes up late is reached by a later attempt', async (t) => {
  const port = await freePort();
  const { proxy, ports } = await startOne(t, 'TCP', {
    destination: tcp(port, HOST),
    retry: { retry_on: 'connect-failure', num_retries: 1000, timeout: 20 },
  });
  const client = await connectStream(t, { port: ports.l });
  client.send('early');
  await until(
    async () => (await proxy.sessions('l'))[0]?.events.some((e: { event: string }) => e.event === 'ERROR'),
    'a failed attempt',
  );
  await serveStream(t, { port });
  assert.equal((await received(client, 5)).toString(), 'early');
});

for (const [when, comes] of [
  ['its session is set up', false],
  ['its endpoint is away', true],
] as const) {
  test(`a client that resets while ${when} ends it`, async (t) => {
    const port = await freePort();
    const server = comes ? await serveStream(t, { port }) : undefined;
    const { proxy, ports } = await startOne(
      t,
      'TCP',
      { destination: tcp(port, HOST), retry: { retry_on: 'always', num_retries: 1000, timeout: 20 } },
      { options: { track: 60 } },
    );
    const client = await connectStream(t, { port: ports.l });
    if (server) {
      await until(() => server.peers.length, 'it is connected');
      await server.stop();
      await proxy.session('l', 'DISCONNECTED');
    } else await proxy.session('l', 'INIT');
    client.reset();
    const session = await proxy.session('l', 'DESTROYED');
    assert.ok(session.events.some(({ message }: { message: string }) => message === 'the client is gone: ECONNRESET'));
  });
}

test('num_retries N means 1 + N attempts, then the session fails', async (t) => {
  const port = await freePort();
  const { proxy, ports } = await startOne(
    t,
    'TCP',
    {
      destination: tcp(port, HOST),
      retry: { retry_on: 'connect-failure', num_retries: 2, timeout: 10 },
    },
    { options: { track: 60 } },
  );
  const client = await connectStream(t, { port: ports.l });
  await until(() => client.closed !== undefined || client.ended, 'the client is told');
  const session = await proxy.session('l', 'DESTROYED');
  const failed = session.events.filter(({ message }: { message: string }) => message.includes('ECONNREFUSED'));
  assert.equal(failed.filter(({ message }: { message: string }) => message.startsWith('stage')).length, 3);
});

test('without a retry policy one failed attempt ends the session', async (t) => {
  const port = await freePort();
  const { proxy, ports } = await startOne(t, 'TCP', { destination: tcp(port, HOST) });
  const client = await connectStream(t, { port: ports.l });
  await until(() => client.closed !== undefined || client.ended, 'the client is told');
  await proxy.noSession('l');
});

for (const [whose, listeners, clusters, within] of [
  ['the listener', 30, undefined, 30],
  ['the cluster', 60_000, 30, 30],
  ['the listener, where its own is smaller,', 30, 60_000, 30],
] as const) {
  test(`connect_timeout of ${whose} bounds an attempt`, async (t) => {
    const mute = await serveStream(t, { reply: () => undefined });
    const destination = {
      ...tcp(mute.port, HOST),
      spec: { protocol: 'WebSocket', port: mute.port },
      options: clusters === undefined ? {} : { connect_timeout: clusters },
    };
    const { proxy, ports } = await startOne(
      t,
      'TCP',
      { destination, retry: { timeout: 60_000 } },
      { options: { track: 60, connect_timeout: listeners } },
    );
    const client = await connectStream(t, { port: ports.l });
    await until(() => client.closed !== undefined || client.ended, 'the client is told');
    const session = await proxy.session('l', 'DESTROYED');
    const text = `not connected within ${within} ms`;
    assert.ok(session.events.some(({ message }: { message: string }) => message.includes(text)));
  });
}

test('an attempt goes to another endpoint than the one that failed', async (t) => {
  const server = await serveStream(t, { reply: () => 'here' });
  const { ports } = await startOne(t, 'TCP', {
    destination: tcp(server.port, '127.0.0.2', HOST),
    retry: { retry_on: 'connect-failure', num_retries: 1, timeout: 10 },
  });
  const client = await connectStream(t, { port: ports.l });
  assert.equal(await ask(client, 'x'), 'here');
});

test('a lost endpoint is connected again while the client stays, and what comes meanwhile is delivered', async (t) => {
  const port = await freePort();
  const first = await serveStream(t, { port });
  const { proxy, ports } = await startOne(t, 'UDP', {
    destination: tcp(port, HOST),
    retry: { retry_on: 'always', num_retries: 1000, timeout: 20 },
  });
  const client = await connectDatagram(t, ports.l);
  assert.equal(await ask(client, 'one'), 'one');
  await first.stop();
  await proxy.session('l', 'DISCONNECTED');
  for (const text of ['two', 'three', 'four']) client.send(text);
  const second = await serveStream(t, { port });
  await until(
    () => bytes(second.peers[0] ?? client).toString() === 'twothreefour',
    'what was sent meanwhile, in order',
  );
  const session = await proxy.session('l');
  assert.deepEqual(
    eventsOf(session).filter((event) => ['CONNECT', 'DISCONNECT'].includes(event)),
    ['CONNECT', 'DISCONNECT', 'CONNECT'],
  );
  assert.equal((await proxy.sessions('l')).length, 1);
});

test('a byte stream is paused while its endpoint is away, and loses nothing of what was not sent', async (t) => {
  const port = await freePort();
  const first = await serveStream(t, { port, reply: () => undefined });
  const { proxy, ports } = await startOne(t, 'TCP', {
    destination: tcp(port, HOST),
    retry: { retry_on: 'disconnect', num_retries: 1000, timeout: 20 },
  });
  const client = await connectStream(t, { port: ports.l });
  client.send('a');
  await until(() => first.peers[0]?.messages.length, 'the first byte');
  await first.stop();
  await proxy.session('l', 'DISCONNECTED');
  const data = Buffer.alloc(8 << 20, 'x');
  client.send(data);
  const second = await serveStream(t, { port, reply: () => undefined });
  await until(() => bytes(second.peers[0] ?? client).length === data.length, 'all that was sent meanwhile');
});

test('the end of an endpoint is a disconnect where the policy covers it, else a half-close', async (t) => {
  const ending = await serveStream(t, { reply: (_data, peer) => void peer.end() });
  const { proxy, ports } = await startProxy(t, ['mending', 'plain'], ({ mending, plain }) => ({
    listeners: [
      listener(
        'mending',
        { protocol: 'TCP', port: mending },
        {
          destination: tcp(ending.port, HOST),
          retry: { retry_on: 'disconnect', num_retries: 3, timeout: 10 },
        },
      ),
      listener('plain', { protocol: 'TCP', port: plain }, { destination: tcp(ending.port, HOST) }),
    ],
  }));
  const plain = await connectStream(t, { port: ports.plain });
  plain.send('x');
  await until(() => plain.ended, 'the end is passed on');
  plain.send('y');
  await until(() => ending.peers[0] && bytes(ending.peers[0]).toString() === 'xy', 'the other direction goes on');
  const mended = await connectStream(t, { port: ports.mending });
  mended.send('1');
  await until(() => ending.peers.length === 3, 'it is connected again');
  assert.equal(mended.ended, false);
  assert.equal((await proxy.sessions('mending')).length, 1);
});

test('a reset is passed on where nothing mends it', async (t) => {
  const server = await serveStream(t, { reply: (_data, peer) => void peer.reset() });
  const { ports } = await startOne(t, 'TCP', { destination: tcp(server.port, HOST) });
  const client = await connectStream(t, { port: ports.l });
  client.send('x');
  await until(() => client.closed !== undefined, 'the client is told');
  assert.equal(client.closed, 'ECONNRESET');
});

test('a deleted endpoint moves its sessions to another one', async (t) => {
  const port = await freePort();
  await serveDatagram(t, { port, reply: () => 'one' });
  await serveDatagram(t, { port, host: '127.0.0.2', reply: () => 'two' });
  const destination = {
    spec: { protocol: 'UDP', port },
    endpoints: [
      { name: 'e1', spec: { address: HOST } },
      { name: 'e2', spec: { address: '127.0.0.2' } },
    ],
  };
  const retry = { retry_on: 'always', num_retries: 3, timeout: 10 };
  const { proxy, ports } = await startOne(t, 'UDP', { destination, retry });
  const client = await connectDatagram(t, ports.l);
  assert.equal(await ask(client, 'x'), 'one');
  await proxy.ok('DELETE', 'endpoints/e1?recursive=true');
  await proxy.session('l');
  assert.equal(await ask(client, 'x'), 'two');
  assert.equal((await proxy.sessions('l')).length, 1);
});

test('a stage in the chain is mended by itself, with the others left up', async (t) => {
  const transformPort = await freePort();
  const transform = await serveStream(t, { port: transformPort });
  const server = await serveStream(t);
  const { proxy, ports } = await startOne(t, 'TCP', {
    destination: tcp(server.port, HOST),
    ingress: [tcp(transformPort, HOST)],
    retry: { retry_on: 'always', num_retries: 1000, timeout: 20 },
  });
  const client = await connectStream(t, { port: ports.l });
  assert.equal(await ask(client, 'one'), 'one');
  await transform.stop();
  await proxy.session('l', 'DISCONNECTED');
  await serveStream(t, { port: transformPort });
  await proxy.session('l');
  assert.equal(await ask(client, 'two'), 'two');
  assert.equal(server.peers.length, 1);
});

// -------------------------------------------------------------------- requests and answers

/** What an HTTP client gets, byte for byte, until its connection has ended. */
async function http(t: TestContext, port: number, text: string): Promise<string> {
  const raw = new Raw(t, port).send(text);
  return raw.untilEnd();
}

const ALWAYS = { retry_on: 'always', num_retries: 5, timeout: 10 };
const CLOSE = 'Host: h\r\nConnection: close\r\n';

/** Endpoints on one port: each connection is answered by the next of `turns`, and the last one by all after it. */
async function inTurns(t: TestContext, ...turns: ((socket: net.Socket, said: string) => void)[]) {
  const said: string[] = [];
  const server = net.createServer({ allowHalfOpen: true }, (socket) => {
    const n = said.push('') - 1;
    const hear = (bytes: Buffer): void => {
      said[n] = `${said[n]}${bytes}`;
    };
    const turn = turns[Math.min(n, turns.length - 1)];
    socket.on('error', () => {});
    socket.on('data', hear);
    socket.once('end', () => turn?.(socket, said[n] ?? ''));
    if (n === 0) socket.once('data', () => turn?.(socket, said[n] ?? ''));
  });
  server.listen(0, HOST);
  await once(server, 'listening');
  t.after(() => server.close());
  return { port: (server.address() as net.AddressInfo).port, said };
}

/** Answers a part, and resets when that has arrived. */
const breaks = (part: string, arrived: () => boolean) => (socket: net.Socket) => {
  socket.write(part);
  void until(arrived, 'the part').then(() => socket.resetAndDestroy());
};

for (const [version, cut] of [
  ['1.1', /\r\n\r\n3\r\nhel\r\n$/],
  ['1.0', /\r\n\r\nhel$/],
] as const) {
  test(`an HTTP/${version} answer that an endpoint has begun and broken is broken`, async (t) => {
    const client: { raw?: Raw } = {};
    const server = await inTurns(
      t,
      breaks('hel', () => client.raw?.text.endsWith(version === '1.1' ? 'hel\r\n' : 'hel') ?? false),
      (socket) => socket.end('hello'),
    );
    const { ports } = await startOne(t, 'HTTP', { destination: tcp(server.port, HOST), retry: ALWAYS });
    client.raw = new Raw(t, ports.l);
    let error: NodeJS.ErrnoException | undefined;
    client.raw.socket.on('error', (thrown) => {
      error = thrown;
    });
    client.raw.send(`GET / HTTP/${version}\r\n${CLOSE}\r\n`);
    assert.match(await client.raw.untilEnd(), cut);
    if (version === '1.0') assert.equal(error?.code, 'ECONNRESET', 'its end would be that of the answer');
    assert.equal(server.said.length, 1);
  });
}

test('an HTTP body that was passed on in part is not sent on to another endpoint', async (t) => {
  const server = await inTurns(
    t,
    (socket) => socket.resetAndDestroy(),
    (socket, said) => socket.end(`got ${said}`),
  );
  const { ports } = await startOne(t, 'HTTP', { destination: tcp(server.port, HOST), retry: ALWAYS });
  const raw = new Raw(t, ports.l).send(`POST / HTTP/1.1\r\n${CLOSE}Content-Length: 6\r\n\r\none`);
  await raw.until(/HTTP\/1\.1 502 /);
  raw.send('two');
  assert.match(await raw.untilEnd(), /^HTTP\/1\.1 502 /);
  assert.deepEqual(server.said, ['one']);
});

test('an HTTP request of which nothing has passed is mended by another connection', async (t) => {
  const server = await inTurns(
    t,
    (socket) => socket.resetAndDestroy(),
    (socket) => socket.end('hello'),
  );
  const { ports } = await startOne(t, 'HTTP', { destination: tcp(server.port, HOST), retry: ALWAYS });
  assert.match(
    await http(t, ports.l, `GET / HTTP/1.1\r\n${CLOSE}\r\n`),
    /^HTTP\/1\.1 200 [\s\S]*\r\n5\r\nhello\r\n0\r\n\r\n$/,
  );
  assert.equal(server.said.length, 2);
});
