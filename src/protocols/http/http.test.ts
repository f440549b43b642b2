import assert from 'node:assert/strict';
import * as nodeHttp from 'node:http';
import { describe, test } from 'node:test';
import { closed, echoing, ended, standing } from '../../../test/support/accepted.ts';
import { listenTo, Raw, request } from '../../../test/support/http.ts';
import { L7mpError } from '../../core/errors.ts';
import { fakeHost } from '../../testing/fake-host.ts';
import { turn, until } from '../../testing/until.ts';
import { http } from './index.ts';

const GET = 'GET / HTTP/1.1\r\nHost: h\r\n\r\n';

describe('an HTTP listener', () => {
  test('makes a session of a request, and streams both bodies', async (t) => {
    const { host, port } = await listenTo(t, http);
    const { req, answer } = request(t, port, { method: 'POST', path: '/a' });
    req.end('question');
    const session = standing(await host.next());
    await ended(session);
    assert.equal(session.bytes.toString(), 'question');
    session.write('answer');
    session.channel.end();
    const { status, text, headers } = await answer;
    assert.deepEqual([status, text, headers['content-type']], [200, 'answer', 'application/octet-stream']);
    assert.equal((await closed(session)).kind, 'end');
  });

  test('describes the request as metadata', async (t) => {
    const { host, port } = await listenTo(t, http);
    const { req } = request(t, port, { path: '/a/b?x=1', headers: { host: 'h:80', 'x-bar': 'Me' } });
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

  test('takes the authority of an absolute target for the host', async (t) => {
    const { host, port } = await listenTo(t, http);
    new Raw(t, port).send('GET http://other:8080?q HTTP/1.1\r\nHost: other:8080\r\n\r\n');
    const { HTTP } = (await host.next()).describe() as { HTTP: { url: object } };
    const url = 'http://other:8080?q';
    const href = 'http://other:8080/?q';
    assert.deepEqual(HTTP.url, { url, href, protocol: 'http:', host: 'other', port: 8080, path: '/?q', query: 'q' });
  });

  test('keeps a header named __proto__ away from the prototype', async (t) => {
    const { host, port } = await listenTo(t, http);
    new Raw(t, port).send('GET / HTTP/1.1\r\nHost: h\r\n__proto__: x\r\nconstructor: y\r\n\r\n');
    const { HTTP } = (await host.next()).describe() as { HTTP: { headers: Record<string, unknown> } };
    assert.equal(Object.getPrototypeOf(HTTP.headers), Object.prototype);
    assert.equal(HTTP.headers.constructor, 'y');
  });

  test('serves several sessions on one connection', async (t) => {
    const { host, port } = await listenTo(t, http, { begin: echoing });
    const raw = new Raw(t, port).send('POST /1 HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\none');
    await raw.until(/\r\n0\r\n\r\n$/);
    raw.send('POST /2 HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nConnection: close\r\n\r\ntwo');
    assert.match(
      await raw.untilEnd(),
      /\r\n3\r\none\r\n0\r\n\r\nHTTP\/1\.1 200 OK\r\n[\s\S]*\r\n3\r\ntwo\r\n0\r\n\r\n$/,
    );
    assert.equal(host.channels.length, 2);
  });

  test('takes a chunked request with trailers', async (t) => {
    const { host, port } = await listenTo(t, http);
    const head = 'POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n';
    const raw = new Raw(t, port).send(`${head}3\r\none\r\n3\r\ntwo\r\n0\r\nX-Sum: 6\r\n\r\n`);
    const session = standing(await host.next());
    assert.deepEqual(await ended(session), { 'x-sum': '6' });
    assert.equal(session.bytes.toString(), 'onetwo');
    session.channel.end({ 'x-sum': '7' });
    assert.match(await raw.until(/\r\n\r\n0\r\n.*\r\n\r\n$/), /\r\n0\r\nx-sum: 7\r\n\r\n$/);
  });

  test('answers an HTTP/1.0 client without chunks', async (t) => {
    const { port } = await listenTo(t, http, { begin: echoing });
    const raw = new Raw(t, port).send('POST / HTTP/1.0\r\nContent-Length: 3\r\n\r\none');
    assert.match(await raw.untilEnd(), /^HTTP\/1\.1 200 OK\r\n(?![\s\S]*chunked)[\s\S]*\r\n\r\none$/);
  });

  test('asks for the body of an expecting client once the session stands', async (t) => {
    const { host, port } = await listenTo(t, http);
    const head = 'POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n';
    const raw = new Raw(t, port).send(head);
    const channel = await host.next();
    assert.equal(raw.text, '');
    const session = standing(channel);
    await raw.until(/^HTTP\/1\.1 100 Continue\r\n\r\n$/);
    raw.send('one');
    await ended(session);
    session.channel.end();
    assert.match(await raw.until(/200 OK[\s\S]*\r\n\r\n$/), /content-length: 0/i);
  });

  test('refuses an expecting client before it sends its body', async (t) => {
    const { host, port } = await listenTo(t, http);
    const head = 'POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n';
    const raw = new Raw(t, port).send(head);
    (await host.next()).refuse(new L7mpError('E_NO_ROUTE', 'no rule'));
    assert.match(await raw.untilEnd(), /^HTTP\/1\.1 404 Not Found\r\n[\s\S]*connection: close\r\n/i);
  });

  test('answers pipelined requests in their order, one at a time', async (t) => {
    const { host, port } = await listenTo(t, http);
    const raw = new Raw(t, port).send(GET + GET + GET);
    for (const n of [0, 1, 2]) {
      const session = standing(await host.next());
      await turn(5);
      assert.equal(host.channels.length, n + 1);
      session.write(`answer ${n};`);
      session.channel.end();
      assert.equal((await closed(session)).kind, 'end');
    }
    const text = await raw.until(/answer 2;\r\n0\r\n\r\n$/);
    assert.deepEqual(text.match(/answer \d/g), ['answer 0', 'answer 1', 'answer 2']);
  });

  test('reads no further than a slice while a request is answered, however much is pipelined', async (t) => {
    const { host, port } = await listenTo(t, http);
    const raw = new Raw(t, port);
    const all = 16 << 20;
    raw.send(GET.repeat(Math.ceil(all / GET.length)));
    const session = standing(await host.next());
    let before = -1;
    // The kernel's buffers take some of it.
    await until(async () => {
      const same = raw.socket.writableLength === before;
      before = raw.socket.writableLength;
      await new Promise((resolve) => setTimeout(resolve, 20));
      return same && before > 0;
    });
    assert.ok(before > all / 4, `${before} bytes were not taken`);
    assert.equal(host.channels.length, 1);
    session.channel.end();
    await host.next();
    assert.equal(host.channels.length, 2);
  });

  test('a pipelined body behind a request waits for its turn', async (t) => {
    const { host, port } = await listenTo(t, http, { begin: echoing });
    const post = (body: string) => `POST / HTTP/1.1\r\nHost: h\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
    const bodies = ['a'.repeat(10_000), 'b', 'c'.repeat(5000), 'd'.repeat(4096)];
    const raw = new Raw(t, port).send(bodies.map(post).join(''));
    await raw.until(/d\r\n0\r\n\r\n$/);
    const sizes = bodies.map(({ length }) => length);
    assert.deepEqual(
      host.channels.map(({ bytesIn }) => bytesIn),
      sizes,
    );
    const letters = ['a', 'b', 'c', 'd'].map((one) => raw.text.split('\r\n\r\n').join('').split(one).length - 1);
    assert.ok(letters.every((count, n) => count >= (sizes[n] ?? 0)));
  });

  test('a pipelined request behind one whose client has gone becomes no session', async (t) => {
    const { host, port } = await listenTo(t, http);
    const raw = new Raw(t, port).send(GET + GET + GET);
    const session = standing(await host.next());
    await ended(session);
    raw.socket.destroy();
    assert.equal((await closed(session)).kind, 'reset');
    assert.equal(host.channels.length, 1);
  });

  test('holds a body of one-byte chunks that nobody takes in few pieces', async (t) => {
    const { host, port } = await listenTo(t, http);
    const size = 200_000;
    const head = 'POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n';
    new Raw(t, port).send(`${head}${'1\r\nx\r\n'.repeat(size)}0\r\n\r\n`);
    const channel = await host.next();
    await until(() => channel.queued > 0);
    await turn(20);
    assert.ok(channel.bytesIn < 4096, `${channel.bytesIn} bytes were parsed`);
    assert.ok(channel.queued < 20, `${channel.queued} pieces are waiting`);
    const session = standing(channel);
    await ended(session);
    assert.equal(channel.bytesIn, size);
  });

  test('streams the answer while the request goes up', async (t) => {
    const { port } = await listenTo(t, http, { begin: echoing });
    const req = nodeHttp.request({ host: '127.0.0.1', port, method: 'POST' });
    t.after(() => req.destroy());
    const parts = new Promise<AsyncIterator<Buffer>>((resolve) => {
      req.on('response', (res) => resolve(res[Symbol.asyncIterator]()));
    });
    for (const text of ['one', 'two', 'three']) {
      req.write(text);
      const { value } = await (await parts).next();
      assert.equal(String(value), text);
    }
    req.end();
    assert.equal((await (await parts).next()).done, true);
  });

  test('ends a response before its request has ended, and goes on with the request', async (t) => {
    const { host, port } = await listenTo(t, http);
    const raw = new Raw(t, port).send('POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 6\r\n\r\none');
    const session = standing(await host.next());
    session.write('early');
    session.channel.end();
    await raw.until(/early\r\n0\r\n\r\n$/);
    assert.equal(session.closings.length, 0);
    raw.send('two');
    await ended(session);
    assert.equal(session.bytes.toString(), 'onetwo');
    assert.equal((await closed(session)).kind, 'end');
  });
});

describe('a listener that closes', () => {
  test('lets go of idle connections and of its port, and lets running requests go on', {
    timeout: 10_000,
  }, async (t) => {
    const { host, port, close } = await listenTo(t, http);
    const idle = new Raw(t, port).send(GET);
    standing(await host.next()).channel.end();
    await idle.until(/\r\n\r\n$/);
    const running = new Raw(t, port).send(GET);
    const session = standing(await host.next());
    session.write('one');
    await running.until(/one\r\n$/);
    await close();
    await idle.untilEnd();
    const again = await http.listener?.listen({ port, address: '127.0.0.1' }, fakeHost());
    t.after(() => again?.close());
    session.write('two');
    session.channel.end();
    assert.match(await running.untilEnd(), /two\r\n0\r\n\r\n$/);
  });

  test('takes no later request on a connection that was busy, and delivers the answer', async (t) => {
    const { host, port, close } = await listenTo(t, http);
    const raw = new Raw(t, port).send(GET);
    const session = standing(await host.next());
    session.write('one');
    await raw.until(/one\r\n$/);
    await close();
    raw.send(`POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\n${'x'.repeat(1_000_000)}`);
    // A connection that is refused afterwards: the request has arrived by then.
    const other = new Raw(t, port);
    await other.untilEnd();
    session.write('x'.repeat(1_000_000));
    session.channel.end();
    assert.match(await raw.untilEnd(), /x\r\n0\r\n\r\n$/);
    assert.equal(host.channels.length, 1);
  });
});
