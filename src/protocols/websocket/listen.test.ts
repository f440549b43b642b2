import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, test } from 'node:test';
import { closed, echoing, standing } from '../../../test/support/accepted.ts';
import { listenTo, Raw, request } from '../../../test/support/http.ts';
import { connect, refusal } from '../../../test/support/websocket.ts';
import { L7mpError } from '../../core/errors.ts';
import { Collector } from '../../testing/collector.ts';
import { fakeHost } from '../../testing/fake-host.ts';
import { until } from '../../testing/until.ts';
import { UnexpectedResponse } from './dial.ts';
import { websocket } from './index.ts';

const CONNECTED = { options: { accept: 'connected' } };

/** A handshake, some lines of it changed. */
function handshake(changes: Record<string, string | undefined> = {}, line = 'GET / HTTP/1.1'): string {
  const headers = {
    Host: 'h',
    Connection: 'Upgrade',
    Upgrade: 'websocket',
    'Sec-WebSocket-Version': '13',
    'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==',
    ...changes,
  };
  const lines = Object.entries(headers).filter(([, value]) => value !== undefined);
  return `${line}\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`;
}

describe('a WebSocket listener', () => {
  test('describes the handshake as metadata', async (t) => {
    const { host, port } = await listenTo(t, websocket);
    const { ws } = connect(t, port, { path: '/a/b?x=1', headers: { 'x-bar': 'Me' } });
    const channel = await host.next();
    standing(channel);
    await once(ws, 'open');
    const metadata = channel.describe() as Record<string, Record<string, Record<string, unknown>>>;
    const { HTTP } = metadata;
    assert.deepEqual([HTTP?.version, HTTP?.method, HTTP?.headers?.['x-bar']], ['1.1', 'GET', 'Me']);
    assert.deepEqual([HTTP?.url?.path, HTTP?.url?.query, HTTP?.url?.port], ['/a/b?x=1', 'x=1', port]);
    const name = websocket.listener?.sessionName({ listener: 'l', n: 7, metadata: channel.describe() });
    assert.match(String(name), new RegExp(`^WS:127\\.0\\.0\\.1:\\d+-127\\.0\\.0\\.1:${port}-7$`));
  });

  test('asks the rules before it upgrades: no route is a 404', async (t) => {
    const { host, port } = await listenTo(t, websocket);
    const peer = connect(t, port);
    const answer = refusal(peer);
    (await host.next()).refuse(new L7mpError('E_NO_ROUTE', 'no rule'));
    const { status, body } = await answer;
    assert.deepEqual([status, body], [404, { status: 404, message: 'Not Found', content: 'no rule' }]);
  });

  test('upgrades when a route is found, before the endpoint is connected', async (t) => {
    const { host, port } = await listenTo(t, websocket);
    const peer = connect(t, port);
    const channel = await host.next();
    channel.routed();
    await once(peer.ws, 'open');
    peer.ws.send('early');
    const session = new Collector(channel);
    channel.accept();
    session.read();
    await until(() => session.messages.length === 1);
    assert.deepEqual(session.texts, ['early']);
  });

  test('chooses the client’s first subprotocol, and describes only that', async (t) => {
    const { host, port } = await listenTo(t, websocket);
    const peer = connect(t, port, { protocols: ['one', 'two'] });
    const channel = await host.next();
    const { HTTP } = channel.describe() as Record<string, Record<string, Record<string, unknown>>>;
    assert.equal(HTTP?.headers?.['sec-websocket-protocol'], 'one');
    channel.routed();
    await once(peer.ws, 'open');
    assert.equal(peer.ws.protocol, 'one');
  });

  test('lets its sessions live on, and its port go, when it closes', async (t) => {
    const { port, close } = await listenTo(t, websocket, { begin: echoing });
    const peer = connect(t, port);
    await once(peer.ws, 'open');
    await close();
    const again = await websocket.listener?.listen({ port, address: '127.0.0.1' }, fakeHost());
    t.after(() => again?.close());
    peer.ws.send('still there');
    await until(() => peer.messages.length === 1);
  });

  test('on a port in use is an E_BIND', async (t) => {
    const { port } = await listenTo(t, websocket);
    const again = async () => websocket.listener?.listen({ port, address: '127.0.0.1' }, fakeHost());
    await assert.rejects(again, { code: 'E_BIND' });
  });
});

describe('a WebSocket listener that waits for the endpoint', () => {
  test('passes the endpoint’s subprotocol on', async (t) => {
    const { host, port } = await listenTo(t, websocket, CONNECTED);
    const peer = connect(t, port, { protocols: ['one', 'two'] });
    const channel = await host.next();
    channel.routed();
    const { HTTP } = channel.describe() as Record<string, Record<string, Record<string, unknown>>>;
    assert.equal(HTTP?.headers?.['sec-websocket-protocol'], 'one,two');
    channel.accept({ protocol: 'two' });
    await once(peer.ws, 'open');
    assert.equal(peer.ws.protocol, 'two');
  });

  test('chooses the first one where the endpoint is no WebSocket', async (t) => {
    const { host, port } = await listenTo(t, websocket, CONNECTED);
    const peer = connect(t, port, { protocols: ['one', 'two'] });
    (await host.next()).accept();
    await once(peer.ws, 'open');
    assert.equal(peer.ws.protocol, 'one');
  });

  test('passes the endpoint’s status on', async (t) => {
    const { host, port } = await listenTo(t, websocket, CONNECTED);
    const answer = refusal(connect(t, port));
    const headers = { 'www-authenticate': 'Basic', server: 'x' };
    const cause = new UnexpectedResponse({ statusCode: 401, headers });
    (await host.next()).refuse(new L7mpError('E_HANDSHAKE', 'answered 401', { cause }));
    const { status, headers: got } = await answer;
    assert.deepEqual([status, got['www-authenticate'], got.server], [401, 'Basic', undefined]);
  });

  for (const [end, status] of [
    [new L7mpError('E_CONNECT', 'no'), 502],
    [new L7mpError('E_TIMEOUT', 'late'), 504],
    ['deleted', 503],
    ['idle', 504],
    ['reset', 502],
  ] as const) {
    test(`answers ${typeof end === 'string' ? end : end.code} with ${status}`, async (t) => {
      const { host, port } = await listenTo(t, websocket, CONNECTED);
      const answer = refusal(connect(t, port));
      const channel = await host.next();
      if (typeof end === 'string') channel.close({ kind: end, message: 'why' });
      else channel.refuse(end);
      assert.equal((await answer).status, status);
    });
  }

  test('learns that the client has gone meanwhile', async (t) => {
    const { host, port } = await listenTo(t, websocket, CONNECTED);
    for (const leave of ['end', 'destroy'] as const) {
      const raw = new Raw(t, port).send(handshake());
      const session = new Collector(await host.next());
      raw.socket[leave]();
      assert.equal((await closed(session)).kind, 'reset');
    }
  });
});

describe('what is no WebSocket', () => {
  test('is a 426 that names the protocol', async (t) => {
    const { port } = await listenTo(t, websocket);
    const { req, answer } = request(t, port, { method: 'POST' });
    req.end('body');
    const { status, headers } = await answer;
    assert.deepEqual([status, headers.upgrade], [426, 'websocket']);
    const raw = new Raw(t, port).send(handshake({ Upgrade: 'h2c' }));
    assert.match(await raw.untilEnd(), /^HTTP\/1\.1 426 /);
  });

  test('on another path than the one served is a 404, upgrade or not', async (t) => {
    const { host, port } = await listenTo(t, websocket, {}, { path: '/ws' });
    assert.equal((await refusal(connect(t, port, { path: '/other' }))).status, 404);
    const { req, answer } = request(t, port);
    req.end();
    assert.equal((await answer).status, 404);
    connect(t, port, { path: '/ws?x=1' });
    await host.next();
    assert.deepEqual(host.rejects, ['wrong-path', 'wrong-path']);
  });

  for (const [what, text, status] of [
    ['without a key', handshake({ 'Sec-WebSocket-Key': undefined }), 400],
    ['with a short key', handshake({ 'Sec-WebSocket-Key': 'AAAA' }), 400],
    ['by POST', handshake({ 'Content-Length': '0' }, 'POST / HTTP/1.1'), 400],
    ['with a subprotocol twice', handshake({ 'Sec-WebSocket-Protocol': 'a, a' }), 400],
    ['with a subprotocol that is no token', handshake({ 'Sec-WebSocket-Protocol': 'a b' }), 400],
    ['with websocket twice in its Upgrade', handshake({ Upgrade: 'websocket, WebSocket' }), 400],
    ['with a body', handshake({ 'Content-Length': '3' }), 400],
    ['in HTTP/1.0', handshake({}, 'GET / HTTP/1.0'), 400],
    [
      'with its key twice',
      handshake({ 'Sec-WebSocket-Key': 'AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==' }),
      400,
    ],
    ['of another version', handshake({ 'Sec-WebSocket-Version': '7' }), 426],
  ] as const) {
    test(`a handshake ${what} is a ${status}`, async (t) => {
      const { host, port } = await listenTo(t, websocket);
      const raw = new Raw(t, port).send(text);
      assert.match(await raw.untilEnd(), new RegExp(`^HTTP/1\\.1 ${status} `));
      assert.deepEqual([host.rejects, host.channels.length], [['bad-handshake'], 0]);
    });
  }

  for (const [what, text] of [
    ['no Host', handshake({ Host: undefined })],
    ['two Hosts', handshake({ Host: 'a\r\nHost: b' })],
    ['an absolute target with another Host', handshake({}, 'GET http://other/ HTTP/1.1')],
  ] as const) {
    test(`a handshake with ${what} is a 400 of ours, and no session`, async (t) => {
      const { host, port } = await listenTo(t, websocket);
      const raw = new Raw(t, port).send(text);
      assert.match(await raw.untilEnd(), /^HTTP\/1\.1 400 [\s\S]*"status":400/);
      assert.deepEqual([host.rejects, host.channels.length], [['bad-request'], 0]);
    });
  }

  test('a handshake that offers another protocol beside WebSocket is taken', async (t) => {
    const { host, port } = await listenTo(t, websocket);
    const raw = new Raw(t, port).send(handshake({ Upgrade: 'h2c, websocket' }));
    standing(await host.next());
    await raw.until(/^HTTP\/1\.1 101 /);
  });

  test('a handshake behind a request that is not answered is no session', async (t) => {
    const { host, port } = await listenTo(t, websocket);
    const raw = new Raw(t, port).send(`POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nx${handshake()}`);
    assert.match(await raw.untilEnd(), /^HTTP\/1\.1 426 /);
    assert.equal(host.channels.length, 0);
  });

  test('a handshake that does not come in time is a 408', async (t) => {
    const { host, port } = await listenTo(t, websocket, { options: { header_timeout: 30 } });
    const raw = new Raw(t, port).send('GET / HTTP/1.1\r\nHost: h\r\nUpgrade: web');
    assert.match(await raw.untilEnd(), /^HTTP\/1\.1 408 /);
    assert.deepEqual(host.rejects, ['request-timeout']);
  });

  test('one session too many is a 429 that says when to come again', async (t) => {
    const { port } = await listenTo(t, websocket, { admit: () => false });
    const { status, headers } = await refusal(connect(t, port));
    assert.deepEqual([status, headers['retry-after']], [429, '1']);
  });

  test('nonsense is a 400', async (t) => {
    const { host, port } = await listenTo(t, websocket);
    assert.match(await new Raw(t, port).send('nonsense\r\n\r\n').untilEnd(), /^HTTP\/1\.1 400 /);
    assert.deepEqual(host.rejects, ['bad-request']);
  });
});
