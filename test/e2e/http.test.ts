import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import * as http from 'node:http';
import { describe, type TestContext, test } from 'node:test';
import { freePort } from '../../src/testing/ports.ts';
import { until } from '../../src/testing/until.ts';
import { Raw, request } from '../support/http.ts';
import { bytes, type ServerOptions, serveStream, serveWebSocket } from '../support/peers.ts';
import { listener, startProxy } from '../support/proxy.ts';

const HOST = '127.0.0.1';

const to = (protocol: string, port: number) => ({
  spec: { protocol, port },
  endpoints: [{ spec: { address: HOST } }],
});

const ECHO = { spec: { protocol: 'Echo' } };

/** A proxy with an HTTP listener that leads to a destination. */
async function serveHttp(t: TestContext, destination: object, { spec = {}, route = {}, more = {} } = {}) {
  const { proxy, ports } = await startProxy(t, ['l'], ({ l }) => ({
    listeners: [listener('l', { protocol: 'HTTP', port: l, address: HOST, ...spec }, { destination, ...route }, more)],
  }));
  return { proxy, port: ports.l };
}

/** The same, with a TCP server behind it. */
async function serveHttpOnTcp(
  t: TestContext,
  options: ServerOptions & { allowHalfOpen?: boolean } = {},
  settings: Parameters<typeof serveHttp>[2] = {},
) {
  const server = await serveStream(t, { allowHalfOpen: false, ...options });
  return { server, ...(await serveHttp(t, to('TCP', server.port), settings)) };
}

const MUTE: ServerOptions = { reply: () => undefined };

describe('an HTTP request through the proxy', () => {
  test('goes to the endpoint without its framing, and comes back with one', async (t) => {
    const { server, port } = await serveHttpOnTcp(t);
    const raw = new Raw(t, port);
    raw.send('POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n');
    await raw.until(/\r\n\r\n3\r\none\r\n$/);
    raw.send('3\r\ntwo\r\n0\r\n\r\n');
    const answer = await raw.until(/0\r\n\r\n$/);
    assert.match(answer, /^HTTP\/1\.1 200 OK\r\n/);
    assert.match(answer, /\r\ntransfer-encoding: chunked\r\n/i);
    assert.match(answer, /\r\ncontent-type: application\/octet-stream\r\n/i);
    assert.equal(String(bytes(server.peers[0] as never)), 'onetwo');
  });

  test('shares its connection with the next one, and each is a session of its own', async (t) => {
    const { proxy, port } = await serveHttp(t, ECHO, { more: { options: { track: 60 } } });
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    t.after(() => agent.destroy());
    for (const body of ['one', 'two', 'three']) {
      const { req, answer } = request(t, port, { method: 'POST', agent });
      req.end(body);
      assert.equal((await answer).text, body);
    }
    const names = (await proxy.sessions('l')).map(({ name }) => name);
    assert.equal(names.length, 3);
    const [connection] = names[0].split(/-1$/);
    assert.deepEqual(names, [`${connection}-1`, `${connection}-2`, `${connection}-3`]);
  });

  test('that is sent behind another one is answered in its turn', async (t) => {
    const { port } = await serveHttp(t, ECHO);
    const post = (body: string) => `POST / HTTP/1.1\r\nHost: h\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
    const raw = new Raw(t, port).send(['one', 'two', 'three'].map(post).join(''));
    const answers = await raw.until(/three\r\n0\r\n\r\n$/);
    assert.deepEqual(
      answers.match(/\r\n\w+\r\n(?=0\r\n\r\n)/g)?.map((text) => text.trim()),
      ['one', 'two', 'three'],
    );
  });

  test('without a body is answered when the endpoint has said all', async (t) => {
    const onPeer: ServerOptions['onPeer'] = (peer) => peer.send('welcome');
    const { port } = await serveHttpOnTcp(t, { onPeer });
    const { req, answer } = request(t, port);
    req.end();
    assert.equal((await answer).text, 'welcome');
  });

  test('that expects 100-continue is told to go on once the session stands', async (t) => {
    const { proxy, port } = await serveHttpOnTcp(t);
    const { req, answer } = request(t, port, { method: 'POST', headers: { expect: '100-continue' } });
    req.flushHeaders();
    await once(req, 'continue');
    assert.equal((await proxy.sessions('l'))[0].status, 'CONNECTED');
    req.end('body');
    assert.deepEqual([(await answer).status, (await answer).text], [200, 'body']);
  });

  test('that expects 100-continue is not told so where nobody would take the body', async (t) => {
    const { port } = await serveHttp(t, to('TCP', await freePort()));
    const { req, answer } = request(t, port, { method: 'POST', headers: { expect: '100-continue' } });
    req.on('continue', () => assert.fail('the body is not wanted'));
    req.flushHeaders();
    assert.equal((await answer).status, 502);
  });

  test('HEAD has an answer without a body, and the next request one with it', async (t) => {
    const onPeer: ServerOptions['onPeer'] = (peer) => peer.send('welcome');
    const { port } = await serveHttpOnTcp(t, { onPeer });
    const raw = new Raw(t, port).send('HEAD / HTTP/1.1\r\nHost: h\r\n\r\n');
    await raw.until(/\r\n\r\n$/);
    raw.send('GET / HTTP/1.1\r\nHost: h\r\n\r\n');
    const answers = await raw.until(/0\r\n\r\n$/);
    assert.deepEqual(answers.match(/HTTP\/1\.1 200 OK|welcome/g), ['HTTP/1.1 200 OK', 'HTTP/1.1 200 OK', 'welcome']);
  });

  test('is asked of a WebSocket endpoint with its path and headers', async (t) => {
    const seen: { url: string; headers: Record<string, unknown> }[] = [];
    const server = await serveWebSocket(t, {
      onPeer: (_peer, handshake) => void seen.push(handshake as never),
      reply: (data, peer) => {
        peer.send(data);
        peer.close();
        return undefined;
      },
    });
    const { port } = await serveHttp(t, to('WebSocket', server.port));
    const headers = { host: 'h', 'x-bar': 'Me' };
    const { req, answer } = request(t, port, { method: 'POST', path: '/a/b?x=1', headers });
    req.end('body');
    assert.equal((await answer).text, 'body');
    assert.equal(seen[0]?.url, '/a/b?x=1');
    assert.partialDeepStrictEqual(seen[0]?.headers, headers);
  });
});

describe('an HTTP request that cannot be served', () => {
  const problem = (status: number, message: string, content: RegExp) => ({ status, message, content });

  async function asked(t: TestContext, port: number, options: http.RequestOptions = {}, body?: string) {
    const { req, answer } = request(t, port, options);
    req.end(body);
    return answer;
  }

  function isProblem(
    { status, headers, text }: Awaited<ReturnType<typeof asked>>,
    expected: ReturnType<typeof problem>,
  ): void {
    assert.equal(status, expected.status, text);
    assert.equal(headers['content-type'], 'application/json');
    const body = JSON.parse(text);
    assert.deepEqual(Object.keys(body), ['status', 'message', 'content']);
    assert.deepEqual([body.status, body.message], [expected.status, expected.message]);
    assert.match(body.content, expected.content);
  }

  test('because no rule matches is a 404', async (t) => {
    const { proxy, ports } = await startProxy(t, ['l'], ({ l }) => ({
      listeners: [
        {
          name: 'l',
          spec: { protocol: 'HTTP', port: l, address: HOST },
          rules: [
            {
              match: { op: 'test', path: '/HTTP/headers/x-bar', value: 'Me' },
              action: { route: { destination: ECHO } },
            },
          ],
        },
      ],
    }));
    isProblem(await asked(t, ports.l), problem(404, 'Not Found', /no rule/));
    const { text } = await asked(t, ports.l, { method: 'POST', headers: { 'x-bar': 'Me' } }, 'body');
    assert.equal(text, 'body');
    await proxy.noSession('l');
  });

  test('because the cluster is not there is a 404, until it is', async (t) => {
    const { proxy, ports } = await startProxy(t, ['l'], ({ l }) => ({
      listeners: [listener('l', { protocol: 'HTTP', port: l, address: HOST }, { destination: 'late' })],
    }));
    isProblem(await asked(t, ports.l), problem(404, 'Not Found', /^E_NO_ROUTE: no rule leads/));
    await proxy.ok('POST', 'clusters', { cluster: { name: 'late', ...ECHO } });
    assert.equal((await asked(t, ports.l, { method: 'POST' }, 'body')).text, 'body');
  });

  test('because the endpoint refuses is a 502', async (t) => {
    const { port } = await serveHttp(t, to('TCP', await freePort()));
    isProblem(await asked(t, port), problem(502, 'Bad Gateway', /^E_CONNECT: the service cannot be reached$/));
  });

  test('because the cluster has no endpoint that takes sessions is a 503', async (t) => {
    const { port } = await serveHttp(t, {
      spec: { protocol: 'TCP', port: 9 },
      endpoints: [{ spec: { address: HOST }, weight: 0 }],
    });
    isProblem(await asked(t, port), problem(503, 'Service Unavailable', /no endpoint/));
  });

  test('because there are too many is a 429 that says when to come again', async (t) => {
    const { server, port } = await serveHttpOnTcp(t, {}, { more: { options: { max_sessions: 1 } } });
    const { req } = request(t, port, { method: 'POST' });
    req.flushHeaders();
    await until(() => server.peers[0], 'the first one');
    const answer = await asked(t, port);
    isProblem(answer, problem(429, 'Too Many Requests', /too many/));
    assert.equal(answer.headers['retry-after'], '1');
  });

  test('because the endpoint does not answer in time is a 504', async (t) => {
    // It takes the connection, and never answers the handshake.
    const mute = await serveStream(t, MUTE);
    const { port } = await serveHttp(t, to('WebSocket', mute.port), { route: { retry: { timeout: 50 } } });
    isProblem(await asked(t, port), problem(504, 'Gateway Timeout', /^E_TIMEOUT: /));
  });

  test('because nothing has come for the idle timeout is a 504', async (t) => {
    const options = { more: { options: { idle_timeout: 50 } } };
    const { port } = await serveHttpOnTcp(t, { ...MUTE, allowHalfOpen: true }, options);
    isProblem(await asked(t, port), problem(504, 'Gateway Timeout', /idle/));
  });

  test('because the endpoint breaks before it answers is a 502', async (t) => {
    const { port } = await serveHttpOnTcp(t, { reply: (_data, peer) => void peer.reset() });
    isProblem(await asked(t, port, { method: 'POST' }, 'body'), problem(502, 'Bad Gateway', /^E_DISCONNECT: /));
  });

  test('because its session is deleted is a 503', async (t) => {
    const { proxy, port, server } = await serveHttpOnTcp(t, MUTE);
    const { req, answer } = request(t, port, { method: 'POST' });
    req.flushHeaders();
    const { name } = await proxy.session('l');
    await proxy.ok('DELETE', `sessions/${encodeURIComponent(name)}`);
    isProblem(await answer, problem(503, 'Service Unavailable', /deleted/));
    await until(() => server.peers[0]?.closed, 'the endpoint is told');
  });

  test('because it is for another path than the listener’s is a 404', async (t) => {
    const { port } = await serveHttp(t, ECHO, { spec: { path: '/here' } });
    for (const path of ['/', '/here/', '/Here', '/there?/here']) {
      isProblem(await asked(t, port, { path }), problem(404, 'Not Found', /\/here/));
    }
    assert.equal((await asked(t, port, { path: '/here?x=1', method: 'POST' }, 'body')).text, 'body');
  });
});

/** Waits for the first piece of the answer's body. */
function firstPiece(req: http.ClientRequest): Promise<http.IncomingMessage> {
  return new Promise((resolve) => {
    req.on('response', (res) => res.once('data', () => resolve(res)));
  });
}

const digest = (data: Buffer) => createHash('sha256').update(data).digest('hex');

describe('an HTTP session', () => {
  test('ends, with its connection to the endpoint, when the client goes away', async (t) => {
    const { proxy, port, server } = await serveHttpOnTcp(t);
    const { req } = request(t, port, { method: 'POST' });
    req.on('error', () => {});
    req.write('begun');
    await until(() => server.peers[0]?.messages.length, 'the beginning');
    req.destroy();
    await until(() => server.peers[0]?.closed, 'the endpoint is told');
    await proxy.noSession('l');
  });

  test('whose client goes away while the answer comes ends', async (t) => {
    const onPeer: ServerOptions['onPeer'] = (peer) => peer.send('welcome');
    const { proxy, port, server } = await serveHttpOnTcp(t, { onPeer, allowHalfOpen: true });
    const { req } = request(t, port);
    const begun = firstPiece(req);
    req.on('error', () => {});
    req.end();
    await begun;
    req.destroy();
    // Node does not look at a socket whose peer has ended before it writes to it.
    await until(() => {
      server.peers[0]?.send('more');
      return server.peers[0]?.closed;
    }, 'the endpoint is told');
    await proxy.noSession('l');
  });

  test('whose endpoint breaks in the middle of the answer does not look whole', async (t) => {
    const { proxy, port, server } = await serveHttpOnTcp(t);
    const { req, answer } = request(t, port, { method: 'POST' });
    const begun = firstPiece(req);
    req.write('half of it');
    const res = await begun;
    server.peers[0]?.reset();
    await assert.rejects(answer, { code: 'ECONNRESET' });
    assert.equal(res.complete, false);
    await proxy.noSession('l');
  });

  test('holds the client up while the endpoint does not read, and loses nothing', async (t) => {
    const data = randomBytes(64 << 20);
    const { proxy, port, server } = await serveHttpOnTcp(t, { ...MUTE, allowHalfOpen: true });
    const { req, answer } = request(t, port, { method: 'POST' });
    req.flushHeaders();
    const peer = await until(() => server.peers[0], 'the connection');
    peer.pause(true);
    req.end(data);
    let before = -1;
    const taken = await until(async () => {
      const now = (await proxy.sessions('l'))[0].source.bytes.in;
      const still = now > 0 && now === before;
      before = now;
      return still && now;
    }, 'it is held up');
    assert.ok(taken < data.length / 2, `${taken} bytes were taken`);
    peer.pause(false);
    await until(() => peer.ended, 'the end of it');
    assert.equal(digest(bytes(peer)), digest(data));
    peer.end();
    assert.equal((await answer).status, 200);
  });
});
