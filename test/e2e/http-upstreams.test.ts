/** HTTP clusters’ connections, and what becomes of them when an upstream fails. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type * as http from 'node:http';
import * as http2 from 'node:http2';
import type { AddressInfo } from 'node:net';
import { describe, type TestContext, test } from 'node:test';
import { freePort } from '../../src/testing/ports.ts';
import { until } from '../../src/testing/until.ts';
import { Raw, request } from '../support/http.ts';
import { ask as askOf, connectTo } from '../support/http2.ts';
import { metricsAt } from '../support/metrics.ts';
import { bytes, connectStream } from '../support/peers.ts';
import { answerWhole, echo, OK, proxyTo, rawUpstream, upstream } from '../support/upstreams.ts';

/** Each worker has connections of its own. */
const ALONE = { admin: { threads: 0 } };

describe('connections to an upstream', () => {
  test('are used again', async (t) => {
    const { port: up, connections } = await upstream(t, echo);
    const { port } = await proxyTo(t, [up], ALONE);
    for (let n = 0; n < 5; n++) {
      const { req, answer } = request(t, port, { method: 'POST' });
      req.end(`${n}`);
      assert.equal((await answer).text, `${n}`);
    }
    assert.equal(connections(), 1);
  });

  test('are no more than allowed: further requests wait for one', async (t) => {
    const held: http.ServerResponse[] = [];
    const { port: up, connections } = await upstream(t, (_req, res) => void held.push(res));
    const { port } = await proxyTo(t, [up], { ...ALONE, options: { pool: { max_connections: 2, max_waiting: 2 } } });
    const all = [1, 2, 3, 4].map(() => {
      const { req, answer } = request(t, port);
      req.end();
      return answer;
    });
    await until(() => held.length === 2, 'two of them');
    await until(async () => {
      const { req, answer } = request(t, port);
      req.end();
      return (await answer).status === 503;
    }, 'one too many is answered 503');
    for (let n = 0; n < 4; n++) {
      const res = await until(() => held[n], 'the next one');
      res.end('ok');
    }
    for (const answer of all) assert.equal((await answer).status, 200);
    assert.equal(connections(), 2);
  });

  test('that are idle are closed in time, or earlier where the upstream says so', async (t) => {
    const { server, port: up } = await upstream(t, echo);
    server.keepAliveTimeout = 60_000;
    const { port } = await proxyTo(t, [up], { ...ALONE, options: { pool: { idle_timeout: 50 } } });
    const { req, answer } = request(t, port);
    req.end();
    await answer;
    const open = () => new Promise<number>((resolve) => server.getConnections((_error, n) => resolve(n)));
    await until(async () => (await open()) === 0, 'none is open');
  });

  test('on which something comes unasked are not used again', async (t) => {
    const { port: up, sockets } = await rawUpstream(t, (socket) => {
      socket.write(OK);
    });
    const { port } = await proxyTo(t, [up], ALONE);
    const get = async () => {
      const { req, answer } = request(t, port);
      req.end();
      return (await answer).text;
    };
    assert.equal(await get(), 'ok');
    sockets[0]?.write('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil');
    await until(() => sockets[0]?.closed, 'the proxy closes it');
    assert.equal(await get(), 'ok');
    assert.equal(sockets.length, 2);
  });

  test('are made for one session only where what is below tells of the session', async (t) => {
    const heads: string[] = [];
    const { port: up, sockets } = await rawUpstream(t, (socket, text) => {
      if (!text.endsWith('\r\n\r\n')) return;
      heads.push(text.split('\r\n')[0] as string);
      socket.write(OK);
    });
    const { port } = await proxyTo(t, [up], { ...ALONE, spec: { proxy_protocol: 'v1' } });
    for (let n = 0; n < 2; n++) {
      const { req, answer } = request(t, port);
      req.end();
      assert.equal((await answer).text, 'ok');
    }
    assert.equal(sockets.length, 2);
    for (const head of heads) assert.match(head, /^PROXY TCP4 127\.0\.0\.1 127\.0\.0\.1 \d+ \d+$/);
    assert.notEqual(heads[0], heads[1]);
  });
});

describe('a connection that the upstream has closed meanwhile', () => {
  /** The first connection is broken off with its second request; later ones answer. */
  const stale = (t: TestContext) =>
    rawUpstream(t, (socket, text, n) => {
      const requests = text.match(/ HTTP\/1\.1\r\n/g)?.length ?? 0;
      if (n === 0 && requests === 2) socket.resetAndDestroy();
      else if (/\r\n\r\n/.test(text)) socket.write(OK);
    });

  test('costs a request nothing that may be asked twice', async (t) => {
    const { port: up, heard } = await stale(t);
    const { port } = await proxyTo(t, [up], ALONE);
    for (let n = 0; n < 2; n++) {
      const { req, answer } = request(t, port, { path: `/${n}` });
      req.end();
      assert.equal((await answer).text, 'ok');
    }
    assert.match(heard[1] ?? '', /^GET \/1 /);
  });

  for (const [what, method, body] of [
    ['a method that may do something twice', 'POST', ''],
    ['a body', 'PUT', 'body'],
  ] as const) {
    test(`is a 502 for ${what}, which is not sent again`, async (t) => {
      const { port: up, heard } = await stale(t);
      const { port } = await proxyTo(t, [up], ALONE);
      const first = request(t, port);
      first.req.end();
      await first.answer;
      const { req, answer } = request(t, port, { method });
      req.end(body);
      assert.equal((await answer).status, 502);
      assert.equal(heard.length, 1);
    });
  }
});

describe('an upstream of HTTP/2 that takes fewer requests on a connection than are under way', () => {
  /** Answers so many on each connection, and does not look at what comes behind them. */
  async function taking(t: TestContext, each: number) {
    const server = http2.createServer();
    const bodies: string[] = [];
    server.on('session', (session) => {
      let last = 0;
      let taken = 0;
      session.on('error', () => {});
      session.on('stream', (stream) => {
        stream.on('error', () => {});
        if (++taken > each) return;
        last = stream.id as number;
        if (taken === each) session.goaway(0, last);
        const parts: Buffer[] = [];
        stream.on('data', (part: Buffer) => parts.push(part));
        stream.on('end', () => {
          bodies.push(Buffer.concat(parts).toString());
          stream.respond();
          stream.end('ok', () => stream.id === last && session.close());
        });
      });
      t.after(() => session.destroy());
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    t.after(() => server.close());
    return { port: (server.address() as AddressInfo).port, bodies };
  }

  for (const [method, body] of [
    ['GET', ''],
    ['POST', 'body'],
  ] as const) {
    test(`answers each ${method} once`, async (t) => {
      const { port: up, bodies } = await taking(t, 2);
      const { port } = await proxyTo(t, [up], { ...ALONE, spec: { version: '2' } });
      const client = connectTo(t, port);
      const all = Array.from({ length: 40 }, () => askOf(client, { ':method': method }, body).answer);
      const statuses = (await Promise.all(all)).map(({ status }) => status);
      assert.deepEqual(new Set(statuses), new Set([200]));
      assert.deepEqual(bodies, new Array(40).fill(body));
    });
  }
});

describe('an upstream that fails', () => {
  async function ask(t: TestContext, port: number, options: http.RequestOptions = {}) {
    const { req, answer } = request(t, port, options);
    req.end();
    const { status, headers, text } = await answer;
    return { status, type: headers['content-type'], body: JSON.parse(text) };
  }

  const json = (status: number, message: string, content: RegExp, got: Awaited<ReturnType<typeof ask>>) => {
    assert.deepEqual([got.status, got.type, got.body.status], [status, 'application/json', status]);
    assert.equal(got.body.message, message);
    assert.match(got.body.content, content);
  };

  test('cannot be reached: 502', async (t) => {
    const { port } = await proxyTo(t, [await freePort()]);
    json(502, 'Bad Gateway', /^E_CONNECT/, await ask(t, port));
  });

  test('is not there: 503', async (t) => {
    const { port } = await proxyTo(t, []);
    json(503, 'Service Unavailable', /^E_NO_ENDPOINT/, await ask(t, port));
  });

  test('breaks off before its answer: 502', async (t) => {
    const { port: up } = await rawUpstream(t, (socket) => socket.destroy());
    const { port } = await proxyTo(t, [up]);
    json(502, 'Bad Gateway', /^E_DISCONNECT/, await ask(t, port));
  });

  test('says nothing in time: 504', async (t) => {
    const { port: up, sockets } = await rawUpstream(t, () => {});
    const { proxy, port } = await proxyTo(t, [up], { options: { response_timeout: 100 } });
    json(504, 'Gateway Timeout', /no answer in time/, await ask(t, port));
    await until(() => sockets[0]?.closed, 'its connection is given up');
    const at = await freePort();
    await proxy.ok('POST', 'listeners', { listener: metricsAt(at) });
    const metrics = await fetch(`http://127.0.0.1:${at}/metrics`);
    assert.match(await metrics.text(), /^l7mp_sessions_ended_total\{outcome="timeout"\} 1$/m);
  });

  test('is silent until the session is idle: 504', async (t) => {
    const { port: up } = await rawUpstream(t, () => {});
    const { port } = await proxyTo(t, [up], { options: { idle_timeout: 100 } });
    json(504, 'Gateway Timeout', /./, await ask(t, port));
  });

  test('breaks off in the middle of its answer: so is the client’s', async (t) => {
    const { port: up } = await rawUpstream(t, (socket) => {
      socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n', () => socket.end());
    });
    const { port } = await proxyTo(t, [up]);
    const raw = new Raw(t, port).send('GET / HTTP/1.1\r\nHost: h\r\n\r\n');
    assert.match(await raw.untilEnd(), /\r\n3\r\none\r\n$/);
  });

  test('takes the place of one that cannot be reached, where the route says so', async (t) => {
    const { port: up, requests } = await upstream(t, answerWhole);
    const { port } = await proxyTo(t, [await freePort(), up], { route: { retry: { retry_on: 'connect-failure' } } });
    const { req, answer } = request(t, port, { method: 'POST' });
    req.end('hello');
    assert.equal((await answer).text, 'hello');
    assert.equal(requests.length, 1);
  });

  test('is not asked again once the head of its answer has come', async (t) => {
    const { port: up, heard } = await rawUpstream(t, (socket) => {
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n', () => setImmediate(() => socket.destroy()));
    });
    const { port } = await proxyTo(t, [up], { route: { retry: { retry_on: 'always', num_retries: 3, timeout: 50 } } });
    const raw = new Raw(t, port).send('GET / HTTP/1.1\r\nHost: h\r\n\r\n');
    await raw.untilEnd();
    assert.equal(heard.length, 1);
  });

  test('is not asked for the rest of a stream whose beginning another one has', async (t) => {
    const { port: up, heard } = await rawUpstream(t, (socket) => socket.end(`${OK}`));
    const route = { retry: { retry_on: 'always', num_retries: 3, timeout: 50 } };
    const { port } = await proxyTo(t, [up], { source: { protocol: 'TCP' }, route });
    const peer = await connectStream(t, { port });
    peer.send('begin');
    await until(() => peer.ended, 'the end of the answer');
    peer.send('rest');
    peer.end();
    await until(() => peer.closed !== undefined, 'the end');
    assert.equal(bytes(peer).toString(), 'ok');
    assert.equal(heard.length, 1);
  });

  test('is told that the client has gone', async (t) => {
    const { port: up, heard, sockets } = await rawUpstream(t, () => {});
    const { port } = await proxyTo(t, [up]);
    const raw = new Raw(t, port).send('POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nbegin');
    await until(() => heard[0]?.endsWith('begin'), 'a part of the request');
    raw.socket.destroy();
    await until(() => sockets[0]?.closed, 'the connection is closed');
  });

  test('answers before it has the whole request, and breaks off: the client has the answer', async (t) => {
    const { port: up } = await rawUpstream(t, (socket) => {
      socket.end('HTTP/1.1 413 No\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno');
    });
    const { port } = await proxyTo(t, [up]);
    const raw = new Raw(t, port).send('POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\nbegin');
    assert.match(await raw.until(/no$/), /^HTTP\/1\.1 413 /);
  });
});
