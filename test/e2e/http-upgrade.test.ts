/** WebSocket through an HTTP listener and an HTTP cluster, which look at the handshake only. */
import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import { until } from '../../src/testing/until.ts';
import { Raw } from '../support/http.ts';
import { listener, startProxy } from '../support/proxy.ts';
import { OK, proxyTo, rawUpstream, upstream } from '../support/upstreams.ts';
import { connect, refusal, serve } from '../support/websocket.ts';

const ALONE = { admin: { threads: 0 } };

const ASKS = ['GET /chat HTTP/1.1', 'Host: h', 'Connection: keep-alive, Upgrade', 'Upgrade: websocket'];
const HANDSHAKE = [...ASKS, 'Sec-WebSocket-Version: 13', 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==', '', ''].join(
  '\r\n',
);
const AGREES = 'HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\nX-Said: yes\r\n\r\n';

describe('WebSocket through HTTP', () => {
  test('carries what both sides say, the choice of a subprotocol, and the close', async (t) => {
    const { peers, port: up } = await serve(t);
    const { port, proxy } = await proxyTo(t, [up], ALONE);
    const client = connect(t, port, { path: '/chat?room=1', protocols: ['one', 'two'], headers: { 'x-mine': 'a' } });
    const server = await until(() => peers[0], 'the handshake');
    await until(() => client.ws.readyState === client.ws.OPEN, 'the answer');
    assert.deepEqual([server.url, client.ws.protocol, server.headers['x-mine']], ['/chat?room=1', 'one', 'a']);
    assert.equal(server.headers['x-forwarded-for'], '127.0.0.1');
    client.ws.send('hello');
    client.ws.send(Buffer.alloc(1 << 20));
    server.ws.send('you');
    await until(() => server.messages.length === 2 && client.messages.length === 1, 'the messages');
    assert.deepEqual(client.messages, [{ text: 'you', binary: false }]);
    assert.equal((await proxy.sessions('l')).length, 1);
    server.ws.close(4001, 'done');
    await until(() => client.closed, 'the close');
    assert.deepEqual(client.closed, { code: 4001, text: 'done' });
    await until(async () => (await proxy.sessions('l')).length === 0, 'the session is over');
  });

  test('an answer that does not agree is an answer', async (t) => {
    const { port: up, requests } = await upstream(t, (_req, res) => {
      res.writeHead(403, { 'content-type': 'application/json' });
      res.end('{"no":"way"}');
    });
    const { port } = await proxyTo(t, [up], ALONE);
    const { status, body } = await refusal(connect(t, port));
    assert.deepEqual([status, body], [403, { no: 'way' }]);
    assert.equal(requests[0]?.headers['transfer-encoding'], undefined);
  });

  test('what an endpoint says at once behind its answer, and ends with, arrives', async (t) => {
    const { port: up } = await rawUpstream(t, (socket) => socket.end(`${AGREES}first`));
    const { port } = await proxyTo(t, [up], ALONE);
    const raw = new Raw(t, port).send(HANDSHAKE);
    assert.match(await raw.untilEnd(), /^HTTP\/1\.1 101 .*\r\nx-said: yes\r\n\r\nfirst$/s);
  });

  test('an end of one direction leaves the other', async (t) => {
    const {
      port: up,
      heard,
      sockets,
    } = await rawUpstream(t, (socket, text) => {
      socket.allowHalfOpen = true;
      if (text.endsWith('\r\n\r\n')) socket.write(AGREES);
    });
    const { port } = await proxyTo(t, [up], ALONE);
    const raw = new Raw(t, port).send(HANDSHAKE);
    await raw.until(/\r\n\r\n$/);
    raw.socket.end('last');
    await until(() => heard[0]?.endsWith('last') && sockets[0]?.readableEnded, 'the end');
    sockets[0]?.end('answer');
    assert.match(await raw.untilEnd(), /answer$/);
  });

  test('a reset of the endpoint is one of the client’s', async (t) => {
    const { port: up, sockets } = await rawUpstream(t, (socket) => socket.write(AGREES));
    const { port, proxy } = await proxyTo(t, [up], ALONE);
    const raw = new Raw(t, port).send(HANDSHAKE);
    await raw.until(/\r\n\r\n$/);
    sockets[0]?.resetAndDestroy();
    await until(() => raw.socket.closed, 'the end of the connection');
    await until(async () => (await proxy.sessions('l')).length === 0, 'the session is over');
  });

  test('to what is no HTTP is a request like any other', async (t) => {
    const { ports } = await startProxy(t, ['l'], ({ l }) => ({
      listeners: [listener('l', { protocol: 'HTTP', port: l }, { destination: { spec: { protocol: 'Echo' } } })],
    }));
    assert.match(await new Raw(t, ports.l).send(HANDSHAKE).untilEnd(), /^HTTP\/1\.1 200 /);
  });
});

describe('an upgrade that is none', () => {
  const asked = async (t: TestContext, text: string) => {
    const { port: up, heard } = await rawUpstream(t, (socket) => socket.write(OK));
    const { port } = await proxyTo(t, [up], ALONE);
    const answer = await new Raw(t, port).send(text).untilEnd();
    return { answer, heard: heard[0] ?? '' };
  };

  for (const [what, text] of [
    ['of another protocol', HANDSHAKE.replace('Upgrade: websocket', 'Upgrade: h2c')],
    ['of several', HANDSHAKE.replace('Upgrade: websocket', 'Upgrade: websocket, h2c')],
    ['that Connection does not list', HANDSHAKE.replace('keep-alive, Upgrade', 'keep-alive')],
    ['of a POST', HANDSHAKE.replace('GET', 'POST').replace('Host: h', 'Host: h\r\nContent-Length: 0')],
    ['with something behind it', `${HANDSHAKE}GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\nx`],
  ] as const) {
    test(`${what} is passed on without it, and is the last one of its connection`, async (t) => {
      const { answer, heard } = await asked(t, text);
      assert.match(answer, /^HTTP\/1\.1 200 .*ok$/s);
      assert.doesNotMatch(heard, /^(upgrade|connection: upgrade)|smuggled/im);
    });
  }

  test('by another protocol than was asked for is a 502', async (t) => {
    const { port: up } = await rawUpstream(t, (socket) => socket.write(AGREES.replace('websocket', 'h2c')));
    const { port } = await proxyTo(t, [up], ALONE);
    assert.match(await new Raw(t, port).send(HANDSHAKE).untilEnd(), /^HTTP\/1\.1 502 /);
  });

  test('that nobody has asked for is a 502', async (t) => {
    const { port: up } = await rawUpstream(t, (socket) => socket.write(AGREES));
    const { port } = await proxyTo(t, [up], ALONE);
    const raw = new Raw(t, port).send('GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n');
    assert.match(await raw.untilEnd(), /^HTTP\/1\.1 502 /);
  });

  test('does not make bytes of what the client says behind an answer that does not agree', async (t) => {
    const { port: up, heard } = await rawUpstream(t, (socket) => {
      socket.write('HTTP/1.1 426 Upgrade Required\r\nContent-Length: 0\r\n\r\n');
    });
    const { port } = await proxyTo(t, [up], ALONE);
    const raw = new Raw(t, port).send(HANDSHAKE.replace('Version: 13', 'Version: 99'));
    await raw.until(/\r\n\r\n$/);
    raw.send('GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n');
    await raw.untilEnd();
    assert.doesNotMatch(heard.join(), /smuggled/);
  });
});
