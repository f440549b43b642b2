/** What passes through HTTP clusters. */
import assert from 'node:assert/strict';
import type * as http from 'node:http';
import { describe, test } from 'node:test';
import { until } from '../../src/testing/until.ts';
import { Raw, request } from '../support/http.ts';
import { bytes, connectStream, connectWebSocket } from '../support/peers.ts';
import { answerWhole, echo, OK, proxyTo, rawUpstream, upstream } from '../support/upstreams.ts';

/** Node's own fields of a request are no matter here. */
function fields({ headers }: http.IncomingMessage): http.IncomingHttpHeaders {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !name.startsWith('x-forwarded')));
}

describe('a request through an HTTP cluster', () => {
  test('comes with its method, path, query and fields, but for those of one hop', async (t) => {
    const { port: up, requests } = await upstream(t, (_req, res) => res.end('ok'));
    const { port } = await proxyTo(t, [up]);
    const headers = {
      host: 'example.org',
      'x-one': 'a',
      connection: 'x-hop, keep-alive',
      'x-hop': '1',
      'keep-alive': 'timeout=1',
      'proxy-connection': 'keep-alive',
      te: 'trailers',
      cookie: 'a=1; b=2',
    };
    const { req, answer } = request(t, port, { method: 'DELETE', path: '/a/b?c=%20d&e', headers });
    req.end();
    assert.equal((await answer).text, 'ok');
    assert.equal(requests[0]?.method, 'DELETE');
    assert.equal(requests[0]?.url, '/a/b?c=%20d&e');
    const expected = { host: 'example.org', 'x-one': 'a', cookie: 'a=1; b=2', connection: 'keep-alive' };
    assert.deepEqual(fields(requests[0] as http.IncomingMessage), expected);
  });

  test('is answered with the upstream’s status and fields, but for those of one hop', async (t) => {
    const { port: up } = await upstream(t, (_req, res) => {
      res.writeHead(418, [
        ...['X-One', 'a', 'Set-Cookie', 'a=1', 'Set-Cookie', 'b=2'],
        ...['Connection', 'x-hop', 'X-Hop', '1', 'Content-Length', '3', 'Keep-Alive', 'timeout=77'],
      ]);
      res.end('tea');
    });
    const { port } = await proxyTo(t, [up]);
    const { req, answer } = request(t, port);
    req.end();
    const { status, headers, text } = await answer;
    assert.deepEqual([status, text], [418, 'tea']);
    assert.equal(headers['x-one'], 'a');
    assert.deepEqual(headers['set-cookie'], ['a=1', 'b=2']);
    assert.equal(headers['content-length'], '3');
    assert.equal(headers['x-hop'], undefined);
    assert.notEqual(headers['keep-alive'], 'timeout=77');
  });

  test('has its body while it comes, and the answer’s too, each with its trailers', async (t) => {
    let got: NodeJS.Dict<string> = {};
    const { port: up } = await upstream(t, (req, res) => {
      req.on('data', (data) => res.write(data));
      req.on('end', () => {
        got = req.trailers;
        res.addTrailers({ 'x-after': 'b' });
        res.end();
      });
      res.flushHeaders();
    });
    const { port } = await proxyTo(t, [up]);
    const raw = new Raw(t, port).send('POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n');
    await raw.until(/\r\n3\r\none\r\n$/);
    raw.send('3\r\ntwo\r\n');
    await raw.until(/\r\n3\r\ntwo\r\n$/);
    raw.send('0\r\nX-Before: a\r\n\r\n');
    await raw.until(/\r\n0\r\nx-after: b\r\n\r\n$/i);
    assert.deepEqual({ ...got }, { 'x-before': 'a' });
  });

  test('with a length has the same at the upstream; without a body it has none', async (t) => {
    const { port: up, requests } = await upstream(t, answerWhole);
    const { port } = await proxyTo(t, [up]);
    const raw = new Raw(t, port).send('PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello');
    await raw.until(/hello/);
    raw.send('POST / HTTP/1.1\r\nHost: h\r\n\r\n');
    await until(() => requests.length === 2, 'the second request');
    raw.send('GET / HTTP/1.1\r\nHost: h\r\n\r\n');
    await until(() => requests.length === 3, 'the third request');
    const framing = requests.map(({ headers }) => [headers['content-length'], headers['transfer-encoding']]);
    assert.deepEqual(framing, [
      ['5', undefined],
      ['0', undefined],
      [undefined, undefined],
    ]);
  });

  test('that is HEAD, or is answered 204 or 304, has no body behind its head', async (t) => {
    const { port: up } = await upstream(t, (req, res) => {
      const status = Number(req.url?.slice(1));
      res.writeHead(status, status === 204 ? {} : { 'content-length': '5', etag: '"x"' });
      res.end(status === 200 && req.method === 'GET' ? 'hello' : undefined);
    });
    const { port } = await proxyTo(t, [up]);
    const raw = new Raw(t, port);
    raw.send('HEAD /200 HTTP/1.1\r\nHost: h\r\n\r\n');
    assert.match(await raw.until(/\r\n\r\n$/), /^HTTP\/1\.1 200 OK\r\ncontent-length: 5\r\n/i);
    raw.text = '';
    raw.send('GET /304 HTTP/1.1\r\nHost: h\r\n\r\n');
    assert.match(await raw.until(/\r\n\r\n$/), /^HTTP\/1\.1 304 Not Modified\r\n/);
    raw.text = '';
    raw.send('GET /204 HTTP/1.1\r\nHost: h\r\n\r\n');
    assert.doesNotMatch(await raw.until(/\r\n\r\n$/), /content-length|transfer-encoding/i);
    raw.text = '';
    raw.send('GET /200 HTTP/1.1\r\nHost: h\r\n\r\n');
    assert.match(await raw.until(/hello$/), /^HTTP\/1\.1 200 OK\r\n/);
  });

  test('is what the rules make of it', async (t) => {
    const { port: up, requests } = await upstream(t, echo);
    const { port } = await proxyTo(t, [up], {
      rewrite: [
        { path: '/HTTP/method', value: 'PUT' },
        { path: '/HTTP/url/path', value: '/new?x=1' },
        { path: '/HTTP/headers/x-added', value: 'yes' },
        { path: '/HTTP/headers/host', value: 'other.example' },
      ],
    });
    const { req, answer } = request(t, port, { method: 'POST', path: '/old' });
    req.end('body');
    assert.equal((await answer).text, 'body');
    const [{ method, url, headers }] = requests as [http.IncomingMessage];
    const seen = [method, url, headers['x-added'], headers.host, headers['x-forwarded-host']];
    assert.deepEqual(seen, ['PUT', '/new?x=1', 'yes', 'other.example', 'other.example']);
  });

  test('is sent anew through a transform with the framing that suits', async (t) => {
    const { port: up, requests } = await upstream(t, answerWhole);
    const encap = { name: 'encap', spec: { protocol: 'JSONEncap' } };
    const decap = { spec: { protocol: 'JSONDecap' } };
    const { port } = await proxyTo(t, [up], { route: { ingress: [encap], egress: [decap] } });
    const { req, answer } = request(t, port, { method: 'POST', headers: { 'content-length': 5 } });
    req.end('hello');
    assert.equal((await answer).text, 'hello');
    assert.equal(requests[0]?.headers['transfer-encoding'], 'chunked');
  });

  for (const [host, expected] of [
    ['client', 'example.org:8'],
    ['endpoint', /^127\.0\.0\.1:\d+$/],
    ['backend.internal', 'backend.internal'],
  ] as const) {
    test(`is for the host that options.host says: ${host}`, async (t) => {
      const { port: up, requests } = await upstream(t, echo);
      const { port } = await proxyTo(t, [up], { options: { host } });
      const { req, answer } = request(t, port, { headers: { host: 'example.org:8' } });
      req.end();
      await answer;
      const got = requests[0]?.headers.host ?? '';
      if (typeof expected === 'string') assert.equal(got, expected);
      else assert.match(got, expected);
    });
  }
});

describe('what is said before the answer', () => {
  const EXPECTS = 'POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n';

  test('100 (Continue) comes from the upstream, not from the proxy', async (t) => {
    const {
      port: up,
      heard,
      sockets,
    } = await rawUpstream(t, (socket, text) => {
      if (text.endsWith('body')) socket.write(OK);
    });
    const { port } = await proxyTo(t, [up]);
    const raw = new Raw(t, port).send(EXPECTS);
    await until(() => /expect: 100-continue\r\n[\s\S]*\r\n\r\n$/.test(heard[0] ?? ''), 'the head');
    assert.equal(raw.text, '');
    sockets[0]?.write('HTTP/1.1 100 Continue\r\n\r\n');
    await raw.until(/^HTTP\/1\.1 100 Continue\r\n\r\n$/);
    raw.send('body');
    await raw.until(/\r\n\r\nHTTP\/1\.1 200 OK\r\n[\s\S]*\r\n\r\nok$/);
  });

  test('a body that is not wanted is never sent', async (t) => {
    const { port: up, heard } = await rawUpstream(t, (socket, text) => {
      if (text.endsWith('\r\n\r\n')) socket.write('HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n');
    });
    const { port } = await proxyTo(t, [up]);
    const raw = new Raw(t, port).send(EXPECTS);
    assert.match(await raw.until(/\r\n\r\n$/), /^HTTP\/1\.1 401 Unauthorized\r\n[\s\S]*connection: close\r\n/i);
    assert.doesNotMatch(heard[0] ?? '', /body/);
  });

  test('other informational answers are passed on to who knows them', async (t) => {
    const { port: up } = await rawUpstream(t, (socket) => {
      socket.write('HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n');
      socket.write(`HTTP/1.1 102 Processing\r\n\r\n${OK}`);
    });
    const { port } = await proxyTo(t, [up]);
    const raw = new Raw(t, port).send('GET / HTTP/1.1\r\nHost: h\r\n\r\n');
    const hints =
      /^HTTP\/1\.1 103 Early Hints\r\nlink: <\/a\.css>; rel=preload\r\n\r\nHTTP\/1\.1 102 Processing\r\n\r\n/i;
    assert.match(await raw.until(/ok$/), hints);
    const older = new Raw(t, port).send('GET / HTTP/1.0\r\nHost: h\r\n\r\n');
    assert.match(await older.untilEnd(), /^HTTP\/1\.1 200 OK\r\n/);
  });
});

describe('a session that is not HTTP’s', () => {
  test('is one POST: the stream is its body, the answer’s body the answer', async (t) => {
    const { port: up, requests } = await upstream(t, echo);
    const { port } = await proxyTo(t, [up], { source: { protocol: 'TCP' } });
    const peer = await connectStream(t, { port });
    peer.send('one');
    await until(() => bytes(peer).toString() === 'one', 'the echo while the body comes');
    peer.send('two');
    peer.end();
    await until(() => peer.ended, 'the end');
    assert.equal(bytes(peer).toString(), 'onetwo');
    const [{ method, url, headers }] = requests as [http.IncomingMessage];
    const seen = [method, url, headers.host, headers['transfer-encoding'], headers['x-forwarded-for']];
    assert.deepEqual(seen, ['POST', '/', `127.0.0.1:${up}`, 'chunked', '127.0.0.1']);
  });

  test('asks by the path and method of the cluster, or by those of rules', async (t) => {
    const { port: up, requests } = await upstream(t, echo);
    const spec = { path: '/in?a=1', method: 'PUT' };
    const plain = await proxyTo(t, [up], { source: { protocol: 'TCP' }, spec });
    const ruled = await proxyTo(t, [up], {
      source: { protocol: 'TCP' },
      spec,
      rewrite: [
        { path: '/HTTP/method', value: 'PATCH' },
        { path: '/HTTP/url/path', value: '/ruled' },
        { path: '/HTTP/headers/x-rule', value: '1' },
      ],
    });
    for (const { port } of [plain, ruled]) {
      const peer = await connectStream(t, { port });
      peer.send('x');
      peer.end();
      await until(() => peer.ended, 'the end');
    }
    const seen = requests.map(({ method, url, headers }) => [method, url, headers['x-rule']]);
    assert.deepEqual(seen, [
      ['PUT', '/in?a=1', undefined],
      ['PATCH', '/ruled', '1'],
    ]);
  });

  test('a WebSocket’s messages are the body, and its handshake’s fields stay behind', async (t) => {
    const { port: up, requests } = await upstream(t, echo);
    const { port } = await proxyTo(t, [up], { source: { protocol: 'WebSocket' } });
    const peer = await connectWebSocket(t, port, { path: '/ws?x=1', headers: { 'x-own': '1' } });
    peer.send('hello');
    await until(() => bytes(peer).toString() === 'hello', 'the echo');
    const [{ method, url, headers }] = requests as [http.IncomingMessage];
    assert.deepEqual(
      [method, url, headers['x-own'], headers['sec-websocket-key']],
      ['POST', '/ws?x=1', '1', undefined],
    );
    assert.equal(headers.upgrade, undefined);
  });
});
