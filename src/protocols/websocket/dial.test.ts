import assert from 'node:assert/strict';
import { once } from 'node:events';
import * as net from 'node:net';
import { describe, type TestContext, test } from 'node:test';
import { closed, standing } from '../../../test/support/accepted.ts';
import { serve } from '../../../test/support/websocket.ts';
import { TEXT } from '../../core/channel.ts';
import type { L7mpError } from '../../core/errors.ts';
import type { Json, Metadata } from '../../core/metadata.ts';
import type { Attempt } from '../../core/protocol.ts';
import { attempt, openCluster } from '../../testing/fake-cluster-host.ts';
import { freePort } from '../../testing/ports.ts';
import { until } from '../../testing/until.ts';
import { UnexpectedResponse } from './dial.ts';
import { websocket } from './index.ts';

/** Dials 127.0.0.1. */
async function dial(
  port: number,
  metadata: Metadata = {},
  fields = {},
  to: Attempt = attempt(metadata, 's', '127.0.0.1'),
) {
  const dialer = await openCluster(websocket, { port, ...fields });
  return dialer.dial(to);
}

function http(headers: { [name: string]: Json }, path: Json = '/'): Metadata {
  return { HTTP: { version: '1.1', method: 'GET', url: { path }, headers } };
}

/** A server of bytes; `answer` is what it says when something comes. */
async function serveBytes(t: TestContext, answer?: string) {
  const sockets: net.Socket[] = [];
  const server = net.createServer((socket) => {
    sockets.push(socket);
    socket.on('error', () => {});
    socket.on('data', () => answer !== undefined && socket.end(answer));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { port: (server.address() as net.AddressInfo).port, sockets };
}

describe('a WebSocket cluster', () => {
  test('dials the endpoint, without HTTP in the metadata at /', async (t) => {
    const { peers, port } = await serve(t);
    const channel = await dial(port);
    await until(() => peers.length === 1);
    assert.deepEqual([peers[0]?.url, peers[0]?.headers?.host], ['/', `127.0.0.1:${port}`]);
    assert.deepEqual(channel.answer, {});
    channel.close({ kind: 'end', message: '' });
    await until(() => peers[0]?.closed);
    assert.equal(peers[0]?.closed?.code, 1000);
  });

  test('dials at / where the metadata are nothing like HTTP', async (t) => {
    const { peers, port } = await serve(t);
    await dial(port, { HTTP: 'x' });
    await dial(port, { HTTP: { url: { path: 7 }, headers: ['x'] } });
    await until(() => peers.length === 2);
    assert.deepEqual([peers[0]?.url, peers[1]?.url], ['/', '/']);
  });

  test('asks for the session’s path to the letter, whatever host and port its URL has', async (t) => {
    const { peers, port } = await serve(t);
    const path = '/a/../b//%7e|x?y=1&z=[]';
    const metadata: Metadata = { HTTP: { url: { host: 'elsewhere', port: 1, path }, headers: {} } };
    await dial(port, metadata);
    await until(() => peers.length === 1);
    assert.equal(peers[0]?.url, path);
  });

  test('passes headers on, without the handshake’s own and those of one hop', async (t) => {
    const { peers, port } = await serve(t);
    const headers = {
      host: 'h:80',
      'x-bar': 'Me',
      'x-many': ['1', '2'],
      'x-number': 7,
      'x-null': null,
      connection: 'Upgrade, X-Hop',
      'x-hop': '1',
      upgrade: 'h2c',
      te: 'trailers',
      'keep-alive': '1',
      'proxy-connection': '1',
      'transfer-encoding': 'chunked',
      'content-length': '5',
      expect: '100-continue',
      'sec-websocket-key': 'AAAA',
      'sec-websocket-version': '8',
      'sec-websocket-extensions': 'permessage-deflate',
    };
    await dial(port, http(headers));
    await until(() => peers.length === 1);
    const { 'sec-websocket-key': key, 'sec-websocket-version': version, ...rest } = peers[0]?.headers ?? {};
    assert.notEqual(key, 'AAAA');
    assert.equal(version, '13');
    assert.deepEqual(rest, {
      host: 'h:80',
      'x-bar': 'Me',
      'x-forwarded-host': 'h:80',
      'x-forwarded-proto': 'http',
      'x-many': '1, 2',
      'x-number': '7',
      connection: 'Upgrade',
      upgrade: 'websocket',
    });
  });

  test('offers the client’s subprotocols, and says which one was chosen', async (t) => {
    const { peers, port } = await serve(t, { handleProtocols: (all) => [...all][1] ?? false });
    const channel = await dial(port, http({ 'sec-websocket-protocol': 'one, two' }));
    await until(() => peers.length === 1);
    assert.equal(peers[0]?.headers?.['sec-websocket-protocol'], 'one,two');
    assert.deepEqual(channel.answer, { protocol: 'two' });
  });

  test('says so where the endpoint chose none of those that were offered', async (t) => {
    const { peers, port } = await serve(t, { handleProtocols: () => false });
    const channel = await dial(port, http({ 'sec-websocket-protocol': 'one' }));
    await until(() => peers.length === 1);
    assert.deepEqual(channel.answer, {});
    standing(channel).write('hello');
    await until(() => peers[0]?.messages.length === 1);
  });

  test('leaves from the address that it is bound to', async (t) => {
    const { peers, port } = await serve(t);
    await dial(port, {}, { bind: { address: '127.0.0.9' } });
    await until(() => peers.length === 1);
    assert.equal(peers[0]?.from, '127.0.0.9');
  });

  test('keeps messages that come before anybody reads', async (t) => {
    const { server, port } = await serve(t);
    server.on('connection', (ws) => {
      ws.send('one');
      ws.send('two');
      ws.close(4000, 'done');
    });
    const channel = await dial(port);
    await new Promise((resolve) => setImmediate(resolve));
    const session = standing(channel);
    assert.deepEqual(await closed(session), { kind: 'end', code: 4000, message: 'done' });
    assert.deepEqual(
      [session.texts, session.attributes],
      [
        ['one', 'two'],
        [TEXT, TEXT],
      ],
    );
  });

  test('closes with 1009 what is too large', async (t) => {
    const { peers, port } = await serve(t);
    const session = standing(await dial(port, {}, { max_message_size: 100 }));
    await until(() => peers.length === 1);
    peers[0]?.ws.send('x'.repeat(101));
    assert.equal((await closed(session)).kind, 'error');
    await until(() => peers[0]?.closed);
    assert.equal(peers[0]?.closed?.code, 1009);
  });
});

describe('a WebSocket that cannot be dialled', () => {
  const fails = (promise: Promise<unknown>, code: string, message: RegExp): Promise<void> =>
    assert.rejects(promise, (error: L7mpError) => {
      assert.equal(error.code, code);
      assert.match(error.message, message);
      return true;
    });

  test('because nobody listens is an E_CONNECT', async () => {
    const port = await freePort();
    await fails(dial(port), 'E_CONNECT', new RegExp(`^127\\.0\\.0\\.1:${port}: .*ECONNREFUSED`));
  });

  test('because the endpoint answers otherwise is an E_HANDSHAKE with the status', async (t) => {
    const { port, sockets } = await serveBytes(
      t,
      'HTTP/1.1 401 No\r\nWWW-Authenticate: Basic\r\nContent-Length: 9\r\n\r\n',
    );
    await assert.rejects(dial(port), (error: L7mpError) => {
      assert.deepEqual([error.code, /answered 401/.test(error.message)], ['E_HANDSHAKE', true]);
      assert.ok(error.cause instanceof UnexpectedResponse);
      assert.deepEqual([error.cause.status, error.cause.headers], [401, { 'www-authenticate': 'Basic' }]);
      return true;
    });
    await until(() => sockets[0]?.closed);
  });

  for (const [how, answer] of [
    ['speaks another protocol', 'SSH-2.0-x\r\n'],
    ['says nothing and leaves', ''],
    [
      'has a wrong key',
      'HTTP/1.1 101 x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: x\r\n\r\n',
    ],
  ] as const) {
    test(`because the endpoint ${how} is an E_HANDSHAKE`, async (t) => {
      const { port, sockets } = await serveBytes(t, answer);
      await fails(dial(port), 'E_HANDSHAKE', /./);
      await until(() => sockets[0]?.closed);
    });
  }

  for (const [what, lines] of [
    ['another accept', 'Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: AAAA'],
    ['another protocol', 'Upgrade: h2c\r\nConnection: Upgrade'],
  ] as const) {
    test(`because the endpoint answers with ${what} is an E_HANDSHAKE`, async (t) => {
      const { port, sockets } = await serveBytes(t, `HTTP/1.1 101 Switching Protocols\r\n${lines}\r\n\r\n`);
      await fails(dial(port), 'E_HANDSHAKE', /answer to the WebSocket handshake/);
      await until(() => sockets[0]?.closed);
    });
  }

  test('because the endpoint chooses what was not offered is an E_HANDSHAKE', async (t) => {
    const { port } = await serve(t, { handleProtocols: () => 'two' });
    await fails(dial(port, http({ 'sec-websocket-protocol': 'one' })), 'E_HANDSHAKE', /subprotocol/);
  });

  for (const [what, metadata] of [
    ['a header with a line break', http({ 'x-bad': 'a\r\nx-injected: b' })],
    ['a header that is no text', http({ 'x-bad': 'ő' })],
    ['a header that is an object', http({ 'x-bad': {} })],
    ['a header name that is no token', http({ 'x bad': 'x' })],
    ['a path with a line break', http({}, '/a HTTP/1.1\r\nx-injected: b')],
    ['a subprotocol that is no token', http({ 'sec-websocket-protocol': 'a b' })],
    ['a subprotocol twice', http({ 'sec-websocket-protocol': 'a,a' })],
  ] as const) {
    test(`because the metadata has ${what} is an E_HANDSHAKE, and nothing is connected`, async (t) => {
      const { port, sockets } = await serveBytes(t);
      await fails(dial(port, metadata), 'E_HANDSHAKE', /cannot be/);
      assert.equal(sockets.length, 0);
    });
  }

  test('because its own address is not there is an E_CONNECT', async (t) => {
    const { port } = await serve(t);
    await fails(dial(port, {}, { bind: { address: '192.0.2.1' } }), 'E_CONNECT', /EADDRNOTAVAIL/);
  });

  test('in time leaves nothing behind', async (t) => {
    const { port, sockets } = await serveBytes(t);
    const to = attempt({}, 's', '127.0.0.1');
    const dialled = dial(port, {}, {}, to);
    await until(() => sockets.length === 1);
    to.cancel();
    await fails(dialled, 'E_CONNECT', /no connection in time/);
    await until(() => sockets[0]?.closed);
  });

  test('before it is connected leaves nothing behind', async (t) => {
    const { port, sockets } = await serveBytes(t);
    const to = attempt({}, 's', '127.0.0.1');
    const dialled = (await openCluster(websocket, { port })).dial(to);
    to.cancel();
    await fails(Promise.resolve(dialled), 'E_CONNECT', /no connection in time/);
    assert.ok(sockets.every(({ closed }) => closed));
  });
});
