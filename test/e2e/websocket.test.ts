import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, type TestContext, test } from 'node:test';
import type { WebSocketServer } from 'ws';
import { freePort } from '../../src/testing/ports.ts';
import { until } from '../../src/testing/until.ts';
import { request as httpRequest, Raw } from '../support/http.ts';
import { testLog } from '../support/log.ts';
import { connectDatagram, serveStream } from '../support/peers.ts';
import { listener, startProxy } from '../support/proxy.ts';
import { type ConnectOptions, connect, type Peer, refusal, serve } from '../support/websocket.ts';

const HOST = '127.0.0.1';

const to = (port: number, fields: object = {}) => ({
  spec: { protocol: 'WebSocket', port, ...fields },
  endpoints: [{ spec: { address: HOST } }],
});

interface Settings {
  readonly spec?: object;
  readonly options?: object;
  readonly route?: object;
  readonly admin?: object;
}

/** A proxy with a WebSocket listener that leads to a destination. */
async function startWith(
  t: TestContext,
  destination: object | string,
  { spec = {}, options = {}, route = {}, admin = {} }: Settings = {},
) {
  const { proxy, ports } = await startProxy(t, ['l'], ({ l }) => ({
    admin,
    listeners: [
      listener('l', { protocol: 'WebSocket', port: l, address: HOST, ...spec }, { destination, ...route }, { options }),
    ],
  }));
  return { proxy, port: ports.l };
}

type ServerSettings = ConstructorParameters<typeof WebSocketServer>[0];

/** The same, with a WebSocket server behind it. */
async function startBetween(t: TestContext, settings: Settings = {}, server: ServerSettings = {}, fields: object = {}) {
  const { peers, port: upstream } = await serve(t, server);
  return { peers, upstream, ...(await startWith(t, to(upstream, fields), settings)) };
}

async function opened(t: TestContext, port: number, options: ConnectOptions = {}): Promise<Peer> {
  const peer = connect(t, port, options);
  await once(peer.ws, 'open');
  return peer;
}

/** A client, and the endpoint's side of its session. */
async function joined(t: TestContext, ...all: [Settings?, ServerSettings?, object?]) {
  const between = await startBetween(t, ...all);
  const client = await opened(t, between.port);
  const endpoint = await until(() => between.peers[0], 'the endpoint is connected');
  await between.proxy.session('l');
  return { ...between, client, endpoint };
}

const closed = (peer: Peer) => until(() => peer.closed, 'the close');

describe('a WebSocket handshake through the proxy', () => {
  test('chooses the first subprotocol, and offers only that to the endpoint', async (t) => {
    const { port, peers } = await startBetween(t);
    const client = await opened(t, port, { protocols: ['one', 'two'] });
    assert.equal(client.ws.protocol, 'one');
    const endpoint = await until(() => peers[0], 'the endpoint is connected');
    assert.equal(endpoint.headers['sec-websocket-protocol'], 'one');
    assert.equal(endpoint.ws.protocol, 'one');
  });

  test('passes path and headers on, without those of the handshake', async (t) => {
    const { port, peers } = await startBetween(t);
    await opened(t, port, { path: '/a/b?x=1', headers: { 'x-bar': 'Me', cookie: 'a=b', 'keep-alive': '7' } });
    const { url, headers } = await until(() => peers[0], 'the endpoint is connected');
    assert.equal(url, '/a/b?x=1');
    assert.deepEqual([headers['x-bar'], headers.cookie, headers['keep-alive']], ['Me', 'a=b', undefined]);
  });

  test('is asked of the endpoint as the rules have rewritten it', async (t) => {
    const { peers, port: upstream } = await serve(t);
    const { ports } = await startProxy(t, ['l', 'u'], ({ l, u }) => {
      const rewrite = [
        { path: '/HTTP/url/path', value: '/new?y=2' },
        { path: '/HTTP/headers/x-bar', value: 'You' },
      ];
      const rules = [{ action: { rewrite, route: { destination: 'c' } } }];
      return {
        listeners: [
          { name: 'l', spec: { protocol: 'WebSocket', port: l }, rules },
          { name: 'u', spec: { protocol: 'UDP', port: u }, rules },
        ],
        clusters: [{ name: 'c', ...to(upstream) }],
      };
    });
    await opened(t, ports.l, { path: '/old', headers: { 'x-bar': 'Me' } });
    (await connectDatagram(t, ports.u)).send('from UDP');
    await until(() => peers.length === 2, 'both are connected');
    for (const { url, headers } of peers) assert.deepEqual([url, headers['x-bar']], ['/new?y=2', 'You']);
  });

  test('without a route is a 404, before the upgrade', async (t) => {
    const { port } = await startWith(t, 'none');
    const { status, body } = await refusal(connect(t, port));
    assert.equal(status, 404);
    assert.match((body as { content: string }).content, /^E_NO_ROUTE: no rule leads/);
  });

  test('on another path than the listener’s is a 404', async (t) => {
    const { port } = await startBetween(t, { spec: { path: '/here' } });
    assert.equal((await refusal(connect(t, port, { path: '/there' }))).status, 404);
    await opened(t, port, { path: '/here?x=1' });
  });

  test('of one client too many is a 429', async (t) => {
    const { port } = await joined(t, { options: { max_sessions: 1 } });
    const { status, headers } = await refusal(connect(t, port));
    assert.deepEqual([status, headers['retry-after']], [429, '1']);
  });

  test('that is none is a 426', async (t) => {
    const { port } = await startBetween(t);
    const { req, answer } = httpRequest(t, port);
    req.end();
    assert.equal((await answer).status, 426);
  });

  test('is answered before the endpoint is connected, and what comes meanwhile waits', async (t) => {
    const upstream = await freePort();
    const retry = { retry_on: 'connect-failure', num_retries: 1000, timeout: 20 };
    const { proxy, port } = await startWith(t, to(upstream), { route: { retry } });
    const client = await opened(t, port);
    for (const text of ['one', 'two', 'three']) client.ws.send(text);
    await until(async () => (await proxy.sessions('l'))[0]?.events.length > 3, 'attempts fail');
    const { peers } = await serve(t, { port: upstream });
    // An attempt has little time here: one that is late may have been taken by the server too.
    const heard = await until(() => peers.find(({ messages }) => messages.length === 3), 'all of them');
    assert.deepEqual(
      heard.messages.map(({ text }) => text),
      ['one', 'two', 'three'],
    );
  });
});

describe('a WebSocket handshake that waits for the endpoint', () => {
  const CONNECTED: Settings = { options: { accept: 'connected' } };

  test('offers all subprotocols, and has the endpoint’s choice', async (t) => {
    const { port, peers } = await startBetween(t, CONNECTED, { handleProtocols: () => 'two' });
    const client = await opened(t, port, { protocols: ['one', 'two'] });
    assert.equal(client.ws.protocol, 'two');
    assert.equal(peers[0]?.headers['sec-websocket-protocol'], 'one,two');
    client.ws.send('hello');
    await until(() => peers[0]?.messages.length === 1, 'it stands');
  });

  test('has none where the endpoint picks none of them', async (t) => {
    const { port, peers } = await startBetween(t, CONNECTED, { handleProtocols: () => false });
    const raw = new Raw(t, port).send(
      'GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n' +
        'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: one, two\r\n\r\n',
    );
    const answer = await raw.until(/\r\n\r\n$/);
    assert.match(answer, /^HTTP\/1\.1 101 /);
    assert.doesNotMatch(answer, /protocol:/i);
    assert.equal(peers[0]?.closed, undefined);
  });

  test('is refused as the endpoint refuses it', async (t) => {
    const verifyClient: NonNullable<ServerSettings>['verifyClient'] = (_info, done) =>
      done(false, 401, 'no', { 'www-authenticate': 'Basic' });
    const { port } = await startBetween(t, CONNECTED, { verifyClient });
    const { status, headers } = await refusal(connect(t, port));
    assert.deepEqual([status, headers['www-authenticate']], [401, 'Basic']);
  });

  test('is a 502 where the endpoint cannot be reached', async (t) => {
    const { port } = await startWith(t, to(await freePort()), CONNECTED);
    assert.equal((await refusal(connect(t, port))).status, 502);
  });

  test('is a 504 where the endpoint does not answer in time', async (t) => {
    const mute = await serveStream(t, { reply: () => undefined });
    const { port } = await startWith(t, to(mute.port), { ...CONNECTED, route: { retry: { timeout: 50 } } });
    assert.equal((await refusal(connect(t, port))).status, 504);
  });

  test('is answered at once where the endpoint is no WebSocket', async (t) => {
    const { port } = await startWith(t, { spec: { protocol: 'Echo' } }, CONNECTED);
    const client = await opened(t, port, { protocols: ['one', 'two'] });
    assert.equal(client.ws.protocol, 'one');
  });
});

test('an endpoint that picks none of the subprotocols has its session where the client was told one', async (t) => {
  const { port, peers } = await startBetween(t, {}, { handleProtocols: () => false });
  const client = await opened(t, port, { protocols: ['one'] });
  client.ws.send('hello');
  await until(() => peers[0]?.messages.length === 1, 'it stands');
});

for (const side of ['client', 'endpoint'] as const) {
  test(`pings of the ${side} are no silence, and are answered by the proxy`, async (t) => {
    const between = await startBetween(t, { options: { idle_timeout: 2000 } });
    const alive = await opened(t, between.port);
    const endpoint = await until(() => between.peers[0], 'it is connected');
    const pinging = side === 'client' ? alive : endpoint;
    let pongs = 0;
    pinging.ws.on('pong', () => pongs++);
    const timer = setInterval(() => pinging.ws.ping(), 20);
    t.after(() => clearInterval(timer));
    const silent = await opened(t, between.port);
    assert.equal((await closed(silent)).code, 1001);
    assert.equal(alive.closed, undefined);
    assert.ok(pongs > 0);
  });
}

describe('the close of a WebSocket', () => {
  for (const code of [1000, 1001, 1008, 1011, 3000, 4999]) {
    test(`by the client with ${code} reaches the endpoint, behind what was sent`, async (t) => {
      const { proxy, client, endpoint } = await joined(t);
      for (let n = 0; n < 100; n++) client.ws.send(`${n}`);
      client.ws.close(code, 'bye');
      assert.deepEqual(await closed(endpoint), { code, text: 'bye' });
      assert.equal(endpoint.messages.length, 100);
      await closed(client);
      await proxy.noSession('l');
    });

    test(`by the endpoint with ${code} reaches the client, behind what was sent`, async (t) => {
      const { proxy, client, endpoint } = await joined(t);
      for (let n = 0; n < 100; n++) endpoint.ws.send(`${n}`);
      endpoint.ws.close(code, 'bye');
      assert.deepEqual(await closed(client), { code, text: 'bye' });
      assert.equal(client.messages.length, 100);
      await closed(endpoint);
      await proxy.noSession('l');
    });
  }

  test('without a code is one with 1000', async (t) => {
    const { client, endpoint } = await joined(t);
    client.ws.close();
    assert.equal((await closed(endpoint)).code, 1000);
  });

  test('is 1001 on both sides when the session is deleted', async (t) => {
    const { proxy, client, endpoint } = await joined(t);
    const { name } = await proxy.session('l');
    await proxy.ok('DELETE', `sessions/${encodeURIComponent(name)}`);
    assert.deepEqual([(await closed(client)).code, (await closed(endpoint)).code], [1001, 1001]);
  });

  test('is 1001 on both sides when the proxy ends', async (t) => {
    const { proxy, client, endpoint } = await joined(t);
    await proxy.proxy.stop();
    assert.deepEqual([(await closed(client)).code, (await closed(endpoint)).code], [1001, 1001]);
  });

  test('is 1001 on both sides when nothing has passed for the idle timeout', async (t) => {
    // It may be over before anybody could ask for the session.
    const { peers, port } = await startBetween(t, { options: { idle_timeout: 500 } });
    const client = await opened(t, port);
    const endpoint = await until(() => peers[0], 'the endpoint is connected');
    assert.deepEqual([(await closed(client)).code, (await closed(endpoint)).code], [1001, 1001]);
  });

  test('is 1011 when the endpoint is lost', async (t) => {
    const { client, endpoint } = await joined(t);
    endpoint.ws.terminate();
    assert.equal((await closed(client)).code, 1011);
  });

  test('is 1011 when the client is lost', async (t) => {
    const { client, endpoint } = await joined(t);
    client.ws.terminate();
    assert.equal((await closed(endpoint)).code, 1011);
  });

  test('is 1011 when the endpoint cannot be reached', async (t) => {
    const { port } = await startWith(t, to(await freePort()));
    const client = await opened(t, port);
    const { code, text } = await closed(client);
    assert.equal(code, 1011);
    assert.equal(text, 'E_CONNECT: the service cannot be reached');
  });

  test('is 1008 when the session is refused after the upgrade', async (t) => {
    const { port } = await startWith(t, { spec: { protocol: 'Sync', query: '/labels/room' } });
    const client = await opened(t, port);
    const { code, text } = await closed(client);
    assert.equal(code, 1008);
    assert.match(text, /^E_NO_ROUTE: /);
  });

  test('does not come where a lost endpoint is connected again', async (t) => {
    const retry = { retry_on: 'always', num_retries: 1000, timeout: 20 };
    const { client, endpoint, peers } = await joined(t, { options: { connect_timeout: 5000 }, route: { retry } });
    endpoint.ws.terminate();
    await until(() => peers.length >= 2, 'it is connected again');
    client.ws.send('still there');
    // An attempt has little time here: one that is late may have been taken by the server too.
    await until(() => peers.slice(1).some(({ messages }) => messages.length === 1), 'the message');
    assert.equal(client.closed, undefined);
  });
});

describe('WebSocket messages through the proxy', () => {
  test('leave room for pings, which the proxy answers on both sides', async (t) => {
    const { client, endpoint } = await joined(t);
    for (const { ws } of [client, endpoint]) {
      ws.ping('are you there');
      const [data] = await once(ws, 'pong');
      assert.equal(String(data), 'are you there');
    }
  });

  test('that are larger than the listener takes close it with 1009, and the endpoint with 1011', async (t) => {
    const { client, endpoint } = await joined(t, { spec: { max_message_size: 1000 } });
    client.ws.send(Buffer.alloc(1000));
    client.ws.send(Buffer.alloc(1001));
    assert.deepEqual([(await closed(client)).code, (await closed(endpoint)).code], [1009, 1011]);
    assert.equal(endpoint.messages.length, 1);
  });

  test('that are larger than the cluster takes close it with 1009, and the client with 1011', async (t) => {
    const { client, endpoint } = await joined(t, {}, {}, { max_message_size: 1000 });
    endpoint.ws.send(Buffer.alloc(1000));
    endpoint.ws.send(Buffer.alloc(1001));
    assert.deepEqual([(await closed(endpoint)).code, (await closed(client)).code], [1009, 1011]);
    assert.equal(client.messages.length, 1);
  });

  for (const [from, listens, dials] of [
    ['client', 2000, 1000],
    ['endpoint', 1000, 2000],
  ] as const) {
    test(`that are larger than the side opposite the ${from} takes end the session with 1009, which is told`, async (t) => {
      const log = await testLog(t, 'info');
      const { proxy, client, endpoint } = await joined(
        t,
        { spec: { max_message_size: listens }, options: { track: 60 }, admin: log.admin },
        {},
        { max_message_size: dials },
      );
      const [sender, receiver] = from === 'client' ? [client, endpoint] : [endpoint, client];
      sender.ws.send(Buffer.alloc(1000));
      sender.ws.send(Buffer.alloc(1001));
      assert.deepEqual([(await closed(client)).code, (await closed(endpoint)).code], [1009, 1009]);
      assert.equal(receiver.messages.length, 1);
      const session = await proxy.session('l', 'DESTROYED');
      const where = from === 'client' ? session.destination : session.source;
      assert.deepEqual(where.drops, { 'too-large': 1 });
      const told = session.events.filter(({ event }: { event: string }) => event === 'ERROR' || event === 'WARNING');
      assert.deepEqual(
        told.map(({ event }: { event: string }) => event),
        ['WARNING', 'ERROR'],
      );
      assert.match(told[1].message, /^a message of 1001 bytes does not fit .*, which takes 1000$/);
      const lines = async () => (await log.lines()).filter((line) => line.startsWith('info WS:'));
      await until(async () => (await lines()).length > 0, 'the line');
      assert.equal((await lines()).length, 1);
    });
  }

  test('of the largest size that a listener takes fit its cluster when JSONEncap has made more of them', async (t) => {
    const { client, endpoint } = await joined(t, { route: { ingress: [{ spec: { protocol: 'JSONEncap' } }] } });
    client.ws.send(Buffer.alloc(16 << 20));
    await until(() => endpoint.messages.length > 0 || client.closed !== undefined, 'the message');
    assert.equal(JSON.parse(endpoint.messages[0]?.text ?? '{}').payload?.length, Math.ceil((16 << 20) / 3) * 4);
  });

  test('of 16 MiB pass', async (t) => {
    const { client, endpoint } = await joined(t);
    client.ws.send(Buffer.alloc(16 << 20, 'x'));
    await until(() => endpoint.messages.length === 1, 'the message');
    assert.equal(endpoint.messages[0]?.text.length, 16 << 20);
  });

  test('in fragments arrive whole', async (t) => {
    const { client, endpoint } = await joined(t);
    client.ws.send('one, ', { fin: false });
    client.ws.send('two', { fin: true });
    await until(() => endpoint.messages.length === 1, 'the message');
    assert.deepEqual(endpoint.messages, [{ text: 'one, two', binary: false }]);
  });

  test('are held up while the endpoint does not read, and none is lost', async (t) => {
    const { proxy, client, endpoint } = await joined(t);
    endpoint.ws.pause();
    const messages = 1000;
    const data = Buffer.alloc(64 << 10, 'x');
    for (let n = 0; n < messages; n++) client.ws.send(data);
    let before = -1;
    const taken = await until(async () => {
      const now = (await proxy.session('l')).source.messages.in;
      const still = now > 0 && now === before;
      before = now;
      return still && now;
    }, 'it is held up');
    assert.ok(taken < messages / 2, `${taken} messages were taken`);
    endpoint.ws.resume();
    await until(() => endpoint.messages.length === messages, 'all of them');
    assert.deepEqual((await proxy.session('l')).destination.drops, {});
  });
});
