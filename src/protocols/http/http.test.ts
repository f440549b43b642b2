import assert from 'node:assert/strict';
import * as nodeHttp from 'node:http';
import * as net from 'node:net';
import { describe, type TestContext, test } from 'node:test';
import { L7mpError } from '../../core/errors.ts';
import { type FakeHost, type FakeHostOptions, fakeHost, listenSomewhere } from '../../../test/support/fake-host.ts';
import { echo, Probe } from '../../../test/support/probe.ts';
import { http } from './index.ts';

interface Fixture {
  readonly host: FakeHost;
  readonly port: number;
  readonly close: () => Promise<void>;
}

async function listening(t: TestContext, options?: FakeHostOptions, fields = {}): Promise<Fixture> {
  const host = fakeHost(options);
  const { port, listening: server } = await listenSomewhere(http, host, fields);
  t.after(() => server.close());
  return { host, port, close: () => server.close() };
}

interface Answer {
  readonly status: number | undefined;
  readonly headers: nodeHttp.IncomingHttpHeaders;
  readonly trailers: NodeJS.Dict<string>;
  readonly text: string;
}

/** A request; its answer comes when it is whole. */
function request(port: number, options: nodeHttp.RequestOptions = {}) {
  const req = nodeHttp.request({ host: '127.0.0.1', port, agent: false, ...options });
  const answer = new Promise<Answer>((resolve, reject) => {
    req.on('error', reject);
    req.on('response', (res) => {
      const parts: Buffer[] = [];
      res.on('error', reject);
      res.on('data', (part: Buffer) => parts.push(part));
      res.on('end', () => {
        const text = Buffer.concat(parts).toString();
        resolve({ status: res.statusCode, headers: res.headers, trailers: res.trailers, text });
      });
    });
  });
  return { req, answer };
}

/** A raw connection. */
class Raw {
  readonly socket: net.Socket;
  text = '';
  #wake: () => void = () => {};

  constructor(t: TestContext, port: number) {
    this.socket = net.connect({ host: '127.0.0.1', port, allowHalfOpen: true });
    t.after(() => this.socket.destroy());
    this.socket.on('data', (bytes) => {
      this.text += bytes.toString('latin1');
      this.#wake();
    });
    this.socket.on('error', () => {});
    this.socket.on('end', () => this.#wake());
    this.socket.on('close', () => this.#wake());
  }

  send(text: string): this {
    this.socket.write(text, 'latin1');
    return this;
  }

  async until(what: RegExp): Promise<string> {
    while (!what.test(this.text)) {
      if (this.socket.closed) assert.fail(`closed before ${what}: ${this.text}`);
      await this.#change();
    }
    return this.text;
  }

  async untilEnd(): Promise<string> {
    while (!this.socket.readableEnded && !this.socket.closed) await this.#change();
    return this.text;
  }

  #change(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }
}

const GET = 'GET / HTTP/1.1\r\nHost: h\r\n\r\n';
const CONTENT = (status: number, message: string, content: string) => JSON.stringify({ status, message, content });

describe('an HTTP listener', () => {
  test('makes a session of a request, and streams both bodies', { timeout: 10_000 }, async (t) => {
    const { host, port } = await listening(t);
    const { req, answer } = request(port, { method: 'POST', path: '/a' });
    req.end('question');
    const probe = Probe.standing(await host.next());
    await probe.untilEnd();
    assert.equal(probe.text, 'question');
    probe.write('answer');
    probe.channel.end();
    const { status, text, headers } = await answer;
    assert.deepEqual([status, text, headers['content-type']], [200, 'answer', 'application/octet-stream']);
    assert.equal((await probe.untilClosed()).kind, 'end');
  });

  test('describes the request as metadata', { timeout: 10_000 }, async (t) => {
    const { host, port } = await listening(t);
    const { req } = request(port, { path: '/a/b?x=1', headers: { host: 'h:80', 'x-bar': 'Me' } });
    req.on('error', () => {}).end();
    const channel = await host.next();
    const { IP, TCP, HTTP } = channel.describe() as Record<string, Record<string, unknown>>;
    const src_port = req.socket?.localPort;
    assert.deepEqual(IP, { src_addr: '127.0.0.1', dst_addr: '127.0.0.1' });
    assert.deepEqual(TCP, { src_port, dst_port: port });
    const href = 'http://h:80/a/b?x=1';
    const url = { url: '/a/b?x=1', href, protocol: 'http:', host: 'h', port: 80, path: '/a/b?x=1', query: 'x=1' };
    const headers = { host: 'h:80', 'x-bar': 'Me', connection: 'close' };
    assert.deepEqual(HTTP, { version: '1.1', method: 'GET', url, headers });
    const name = http.listener?.sessionName({ listener: 'l', n: 3, metadata: channel.describe() });
    assert.equal(name, `HTTP:127.0.0.1:${src_port}-127.0.0.1:${port}-3`);
    req.destroy();
  });

  test('takes the authority of an absolute target for the host', { timeout: 10_000 }, async (t) => {
    const { host, port } = await listening(t);
    new Raw(t, port).send('GET http://other:8080?q HTTP/1.1\r\nHost: h\r\n\r\n');
    const { HTTP } = (await host.next()).describe() as { HTTP: { url: object } };
    const url = 'http://other:8080?q';
    const href = 'http://other:8080/?q';
    assert.deepEqual(HTTP.url, { url, href, protocol: 'http:', host: 'other', port: 8080, path: '/?q', query: 'q' });
  });

  test('keeps a header named __proto__ away from the prototype', { timeout: 10_000 }, async (t) => {
    const { host, port } = await listening(t);
    new Raw(t, port).send('GET / HTTP/1.1\r\nHost: h\r\n__proto__: x\r\nconstructor: y\r\n\r\n');
    const { HTTP } = (await host.next()).describe() as { HTTP: { headers: Record<string, unknown> } };
    assert.equal(Object.getPrototypeOf(HTTP.headers), Object.prototype);
    assert.equal(HTTP.headers['constructor'], 'y');
  });

  test('serves several sessions on one connection', { timeout: 10_000 }, async (t) => {
    const { host, port } = await listening(t, { begin: echo });
    const raw = new Raw(t, port).send('POST /1 HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\none');
    await raw.until(/\r\n0\r\n\r\n$/);
    raw.send('POST /2 HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nConnection: close\r\n\r\ntwo');
    assert.match(await raw.untilEnd(), /\r\n3\r\none\r\n0\r\n\r\nHTTP\/1\.1 200 OK\r\n[^]*\r\n3\r\ntwo\r\n0\r\n\r\n$/);
    assert.equal(host.channels.length, 2);
  });

  test('takes a chunked request with trailers', { timeout: 10_000 }, async (t) => {
    const { host, port } = await listening(t);
    const head = 'POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n';
    const raw = new Raw(t, port).send(`${head}3\r\none\r\n3\r\ntwo\r\n0\r\nX-Sum: 6\r\n\r\n`);
    const probe = Probe.standing(await host.next());
    assert.deepEqual(await probe.untilEnd(), { 'x-sum': '6' });
    assert.equal(probe.text, 'onetwo');
    probe.channel.end({ 'x-sum': '7' });
    assert.match(await raw.until(/\r\n\r\n0\r\n.*\r\n\r\n$/), /\r\n0\r\nx-sum: 7\r\n\r\n$/);
  });

  test('answers an HTTP/1.0 client without chunks', { timeout: 10_000 }, async (t) => {
    const { port } = await listening(t, { begin: echo });
    const raw = new Raw(t, port).send('POST / HTTP/1.0\r\nContent-Length: 3\r\n\r\none');
    assert.match(await raw.untilEnd(), /^HTTP\/1\.1 200 OK\r\n(?![^]*chunked)[^]*\r\n\r\none$/);
  });

  test('asks for the body of an expecting client once the session stands', { timeout: 10_000 }, async (t) => {
    const { host, port } = await listening(t);
    const head = 'POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n';
    const raw = new Raw(t, port).send(head);
    const channel = await host.next();
    assert.equal(raw.text, '');
    const probe = Probe.standing(channel);
    await raw.until(/^HTTP\/1\.1 100 Continue\r\n\r\n$/);
    raw.send('one');
    await probe.untilEnd();
    probe.channel.end();
    assert.match(await raw.until(/200 OK[^]*\r\n\r\n$/), /content-length: 0/i);
  });

  test('refuses an expecting client before it sends its body', { timeout: 10_000 }, async (t) => {
    const { host, port } = await listening(t);
    const head = 'POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n';
    const raw = new Raw(t, port).send(head);
    (await host.next()).refuse(new L7mpError('E_NO_ROUTE', 'no rule'));
    assert.match(await raw.untilEnd(), /^HTTP\/1\.1 404 Not Found\r\n[^]*connection: close\r\n/i);
  });

  test('answers pipelined requests in their order', { timeout: 10_000 }, async (t) => {
    const { host, port } = await listening(t);
    const raw = new Raw(t, port).send(GET + GET + GET);
    const probes = [await host.next(), await host.next(), await host.next()].map((channel) => Probe.standing(channel));
    for (const n of [2, 1, 0]) {
      probes[n]?.write(`answer ${n};`);
      probes[n]?.channel.end();
    }
    const text = await raw.until(/answer 2;\r\n0\r\n\r\n$/);
    assert.deepEqual(text.match(/answer \d/g), ['answer 0', 'answer 1', 'answer 2']);
    for (const probe of probes) assert.equal((await probe.untilClosed()).kind, 'end');
  });

  test('tells every pipelined request that the connection is gone', { timeout: 10_000 }, async (t) => {
    const { host, port } = await listening(t);
    const raw = new Raw(t, port).send(GET + GET + GET);
    const probes = [await host.next(), await host.next(), await host.next()].map((channel) => Probe.standing(channel));
    await Promise.all(probes.map((probe) => probe.untilEnd()));
    raw.socket.destroy();
    for (const probe of probes) assert.equal((await probe.untilClosed()).kind, 'reset');
  });

  test('streams the answer while the request goes up', { timeout: 10_000 }, async (t) => {
    const { port } = await listening(t, { begin: echo });
    const { req, answer } = request(port, { method: 'POST' });
    const parts = new Promise<AsyncIterator<Buffer>>((resolve) => {
      req.on('response', (res) => resolve(res[Symbol.asyncIterator]()));
    });
    answer.catch(() => {});
    for (const text of ['one', 'two', 'three']) {
      req.write(text);
      const { value } = await (await parts).next();
      assert.equal(String(value), text);
    }
    req.end();
    assert.equal((await (await parts).next()).done, true);
  });

  test('ends a response before its request has ended, and goes on with the request', { timeout: 10_000 }, async (t) => {
    const { host, port } = await listening(t);
    const raw = new Raw(t, port).send('POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 6\r\n\r\none');
    const probe = Probe.standing(await host.next());
    probe.write('early');
    probe.channel.end();
    await raw.until(/early\r\n0\r\n\r\n$/);
    assert.equal(probe.reason, undefined);
    raw.send('two');
    await probe.untilEnd();
    assert.equal(probe.text, 'onetwo');
    assert.equal((await probe.untilClosed()).kind, 'end');
  });
});

describe('the head of a response', () => {
  test('is the one that the answering side gives', { timeout: 10_000 }, async (t) => {
    const { host, port } = await listening(t);
    const { req, answer } = request(port);
    req.end();
    const probe = Probe.standing(await host.next());
    probe.channel.head({ status: 201, headers: { 'X-Two': ['1', '2'], 'content-length': '4', connection: 'x-gone', 'x-gone': '1' } });
    probe.write('body');
    probe.channel.end();
    const { status, headers, text } = await answer;
    assert.deepEqual([status, headers['x-two'], headers['content-length'], text], [201, '1, 2', '4', 'body']);
    assert.deepEqual([headers['x-gone'], headers['transfer-encoding']], [undefined, undefined]);
  });

  test('goes out before the first byte of the body', { timeout: 10_000 }, async (t) => {
    const { host, port } = await listening(t);
    const raw = new Raw(t, port).send(GET);
    const probe = Probe.standing(await host.next());
    probe.channel.head({ status: 202 });
    await raw.until(/^HTTP\/1\.1 202 Accepted\r\n[^]*\r\n\r\n$/);
  });

  test('is not begun by the answer of a protocol without statuses', { timeout: 10_000 }, async (t) => {
    const { host, port } = await listening(t);
    const { req, answer } = request(port);
    req.end();
    const channel = await host.next();
    channel.accept({ protocol: 'chat' });
    channel.refuse(new L7mpError('E_DISCONNECT', 'gone'));
    assert.equal((await answer).status, 502);
  });

  test('is a 502 where a header cannot be sent', { timeout: 10_000 }, async (t) => {
    const { host, port } = await listening(t);
    const { req, answer } = request(port);
    req.end();
    const probe = Probe.standing(await host.next());
    probe.channel.head({ headers: { 'x-bad': 'a\r\nx-injected: b' } });
    const { status, headers } = await answer;
    assert.deepEqual([status, headers['x-injected']], [502, undefined]);
    assert.equal((await probe.untilClosed()).kind, 'error');
  });

  test('that promises less than the body brings breaks the response off', { timeout: 10_000 }, async (t) => {
    const { host, port } = await listening(t);
    const raw = new Raw(t, port).send(GET);
    const probe = Probe.standing(await host.next());
    probe.channel.head({ headers: { 'content-length': '3' } });
    probe.write('one');
    probe.write('HTTP/1.1 200 OK');
    assert.match(await raw.untilEnd(), /\r\n\r\none$/);
    assert.equal((await probe.untilClosed()).kind, 'reset');
  });

  test('that promises more than the body brings breaks the response off', { timeout: 10_000 }, async (t) => {
    const { host, port } = await listening(t);
    const { req, answer } = request(port);
    req.end();
    const probe = Probe.standing(await host.next());
    probe.channel.head({ headers: { 'content-length': '30' } });
    probe.write('one');
    probe.channel.end();
    await assert.rejects(answer, { code: 'ECONNRESET' });
  });
});

describe('a session that fails', () => {
  const ends: [string, (probe: Probe) => void, number, string, string][] = [
    ['without a route', (p) => p.channel.refuse(new L7mpError('E_NO_ROUTE', 'no rule')), 404, 'Not Found', 'no rule'],
    ['without an endpoint', (p) => p.channel.refuse(new L7mpError('E_CONNECT', 'no')), 502, 'Bad Gateway', 'no'],
    ['in time', (p) => p.channel.refuse(new L7mpError('E_TIMEOUT', 'late')), 504, 'Gateway Timeout', 'late'],
    ['by a reset', (p) => p.channel.close({ kind: 'reset', message: 'RST' }), 502, 'Bad Gateway', 'RST'],
    ['by silence', (p) => p.channel.close({ kind: 'idle', message: 'idle' }), 504, 'Gateway Timeout', 'idle'],
    ['by deletion', (p) => p.channel.close({ kind: 'deleted', message: 'x' }), 503, 'Service Unavailable', 'x'],
    ['by shutdown', (p) => p.channel.close({ kind: 'shutdown', message: 'x' }), 503, 'Service Unavailable', 'x'],
  ];
  for (const [how, end, status, message, content] of ends) {
    test(`${how} is answered ${status}, and the connection goes on`, { timeout: 10_000 }, async (t) => {
      const { host, port } = await listening(t);
      const raw = new Raw(t, port).send('POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 6\r\n\r\none');
      end(Probe.standing(await host.next()));
      const text = await raw.until(/\}$/);
      assert.ok(text.startsWith(`HTTP/1.1 ${status} ${message}\r\n`));
      assert.ok(text.endsWith(`\r\n\r\n${CONTENT(status, message, content)}`));
      raw.send(`two${GET}`);
      assert.equal((await host.next()).describe()['HTTP'] !== undefined, true);
    });
  }

  test('with its response under way breaks that off', { timeout: 10_000 }, async (t) => {
    const { host, port } = await listening(t);
    const raw = new Raw(t, port).send(GET);
    const probe = Probe.standing(await host.next());
    probe.write('part');
    await raw.until(/part\r\n$/);
    probe.channel.refuse(new L7mpError('E_DISCONNECT', 'gone'));
    assert.match(await raw.untilEnd(), /part\r\n$/);
  });

  test('after its end still delivers the response', { timeout: 10_000 }, async (t) => {
    const { host, port } = await listening(t);
    const { req, answer } = request(port);
    req.end();
    const probe = Probe.standing(await host.next());
    probe.write(Buffer.alloc(4 << 20, 'x'));
    probe.channel.end();
    probe.channel.close({ kind: 'end', message: 'over' });
    assert.equal((await answer).text.length, 4 << 20);
  });

  test('is a reset where the client goes away', { timeout: 10_000 }, async (t) => {
    const { host, port } = await listening(t);
    const { req, answer } = request(port, { method: 'POST' });
    answer.catch(() => {});
    req.write('one');
    const probe = Probe.standing(await host.next());
    await probe.untilMessages(1);
    req.destroy();
    assert.equal((await probe.untilClosed()).kind, 'reset');
  });

  test('is a reset where the client goes away before anybody reads', { timeout: 10_000 }, async (t) => {
    const { host, port } = await listening(t);
    const raw = new Raw(t, port).send(GET);
    const probe = new Probe(await host.next());
    raw.socket.end();
    assert.equal((await probe.untilClosed()).kind, 'reset');
  });
});

describe('back-pressure on HTTP', () => {
  const chunk = Buffer.alloc(64 << 10, 'x');

  test('a slow reader of the request pauses the client', { timeout: 20_000 }, async (t) => {
    const { host, port } = await listening(t);
    const { req, answer } = request(port, { method: 'POST' });
    answer.catch(() => {});
    let sent = 0;
    while (req.write(chunk)) sent += chunk.length;
    const channel = await host.next();
    const full = Promise.withResolvers ? undefined : undefined;
    assert.equal(full, undefined);
    const probe = Probe.standing(channel);
    channel.pause();
    // What fits between the two: node's and the kernel's buffers, far less than this.
    const total = 64 << 20;
    const pump = (): void => {
      while (sent < total) {
        sent += chunk.length;
        if (!req.write(chunk)) {
          req.once('drain', pump);
          return;
        }
      }
      req.end();
    };
    req.once('drain', pump);
    await stalled(() => sent);
    assert.ok(sent < total);
    assert.ok(channel.queued * chunk.length < 1 << 20);
    channel.resume();
    await probe.untilEnd();
    assert.equal(probe.length, sent);
  });

  test('a slow reader of the response pauses the writer', { timeout: 20_000 }, async (t) => {
    const { host, port } = await listening(t);
    const raw = new Raw(t, port).send(GET);
    raw.socket.pause();
    const probe = Probe.standing(await host.next());
    let written = 0;
    const write = (): void => {
      do written += chunk.length;
      while (probe.write(chunk));
    };
    write();
    while (probe.drains > 0 && written < 256 << 20) write();
    assert.ok(probe.channel.full);
    raw.socket.resume();
    await probe.until(() => probe.drains > 0);
    probe.channel.end();
    await raw.until(/\r\n0\r\n\r\n$/);
  });
});

/** Resolves when the value has not changed for ten turns of the event loop through its timers and its I/O. */
async function stalled(value: () => number): Promise<void> {
  let last = -1;
  for (let same = 0; same < 10; same++) {
    await new Promise((resolve) => setTimeout(resolve, 20));
    if (value() !== last) same = 0;
    last = value();
  }
}

describe('what is not taken', () => {
  test('another path than the one served is a 404', { timeout: 10_000 }, async (t) => {
    const { host, port } = await listening(t, {}, { path: '/api' });
    for (const path of ['/', '/api/', '/api/x', '/API']) {
      const { req, answer } = request(port, { path });
      req.end();
      assert.equal((await answer).status, 404, path);
    }
    const { req } = request(port, { path: '/api?x' });
    req.on('error', () => {}).end();
    await host.next();
    assert.equal(host.channels.length, 1);
    req.destroy();
  });

  test('one session too many is a 503 that says when to come again', { timeout: 10_000 }, async (t) => {
    const { host, port } = await listening(t, { admit: () => false });
    const { req, answer } = request(port, { method: 'POST' });
    req.end('body');
    const { status, headers, text } = await answer;
    assert.deepEqual([status, headers['retry-after']], [503, '1']);
    assert.equal(text, CONTENT(503, 'Service Unavailable', 'too many sessions'));
    assert.equal(host.channels.length, 0);
  });

  for (const [what, text, status] of [
    ['nonsense', 'what is this\r\n\r\n', 400],
    ['TLS', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', 400],
    ['two lengths', 'POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n', 400],
    ['a length and chunks', 'POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n', 400],
    ['a head without end', `GET / HTTP/1.1\r\nHost: h\r\nX: ${'x'.repeat(70_000)}`, 431],
  ] as const) {
    test(`${what} is a ${status}`, { timeout: 10_000 }, async (t) => {
      const { host, port } = await listening(t);
      const raw = new Raw(t, port).send(text);
      assert.match(await raw.untilEnd(), new RegExp(`^HTTP/1\\.1 ${status} [^]*"status":${status},`));
      assert.deepEqual(host.rejects, ['bad-request']);
      assert.equal(host.channels.length, 0);
    });
  }

  test('a request that turns into nonsense is a 400, and fails its session', { timeout: 10_000 }, async (t) => {
    const { host, port } = await listening(t);
    const head = 'POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n';
    const raw = new Raw(t, port).send(`${head}3\r\none\r\n`);
    const probe = Probe.standing(await host.next());
    await probe.untilMessages(1);
    raw.send('nonsense\r\n');
    assert.equal((await probe.untilClosed()).kind, 'error');
    assert.match(await raw.untilEnd(), /^HTTP\/1\.1 400 /);
  });

  test('nonsense behind a request is not taken for its answer', { timeout: 10_000 }, async (t) => {
    const { host, port } = await listening(t);
    const raw = new Raw(t, port).send(`${GET}nonsense\r\n\r\n`);
    assert.equal(await raw.untilEnd(), '');
    assert.deepEqual(host.rejects, ['bad-request']);
  });

  test('a tunnel is a 400', { timeout: 10_000 }, async (t) => {
    const { port } = await listening(t);
    const raw = new Raw(t, port).send('CONNECT h:443 HTTP/1.1\r\nHost: h:443\r\n\r\n');
    assert.match(await raw.untilEnd(), /^HTTP\/1\.1 400 /);
  });

  test('an upgrade is ignored, and its request served', { timeout: 10_000 }, async (t) => {
    const { port } = await listening(t, { begin: echo });
    const { req, answer } = request(port, { method: 'POST', headers: { connection: 'upgrade', upgrade: 'h2c' } });
    req.end('body');
    assert.equal((await answer).text, 'body');
  });

  test('a port in use is an E_BIND', { timeout: 10_000 }, async (t) => {
    const { port } = await listening(t);
    await assert.rejects(async () => http.listener?.listen({ port, address: '127.0.0.1' }, fakeHost()), { code: 'E_BIND' });
  });
});

describe('a listener that closes', () => {
  test('lets go of idle connections and of its port, and lets running requests go on', { timeout: 10_000 }, async (t) => {
    const { host, port, close } = await listening(t);
    const idle = new Raw(t, port).send(GET);
    Probe.standing(await host.next()).channel.end();
    await idle.until(/\r\n\r\n$/);
    const running = new Raw(t, port).send(GET);
    const probe = Probe.standing(await host.next());
    probe.write('one');
    await running.until(/one\r\n$/);
    await close();
    await idle.untilEnd();
    const again = await http.listener?.listen({ port, address: '127.0.0.1' }, fakeHost());
    t.after(() => again?.close());
    probe.write('two');
    probe.channel.end();
    assert.match(await running.untilEnd(), /two\r\n0\r\n\r\n$/);
  });
});
