import assert from 'node:assert/strict';
import * as nodeHttp from 'node:http';
import { describe, test } from 'node:test';
import { closed, echoing, ended, standing } from '../../../test/support/accepted.ts';
import { fakeHost } from '../../../test/support/fake-host.ts';
import { listenTo, Raw, request } from '../../../test/support/http.ts';
import { L7mpError } from '../../core/errors.ts';
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
    new Raw(t, port).send('GET http://other:8080?q HTTP/1.1\r\nHost: h\r\n\r\n');
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

  test('answers pipelined requests in their order', async (t) => {
    const { host, port } = await listenTo(t, http);
    const raw = new Raw(t, port).send(GET + GET + GET);
    const sessions = [await host.next(), await host.next(), await host.next()].map(standing);
    for (const n of [2, 1, 0]) {
      sessions[n]?.write(`answer ${n};`);
      sessions[n]?.channel.end();
    }
    const text = await raw.until(/answer 2;\r\n0\r\n\r\n$/);
    assert.deepEqual(text.match(/answer \d/g), ['answer 0', 'answer 1', 'answer 2']);
    for (const session of sessions) assert.equal((await closed(session)).kind, 'end');
  });

  test('tells every pipelined request that the connection is gone', async (t) => {
    const { host, port } = await listenTo(t, http);
    const raw = new Raw(t, port).send(GET + GET + GET);
    const sessions = [await host.next(), await host.next(), await host.next()].map(standing);
    await Promise.all(sessions.map((session) => ended(session)));
    raw.socket.destroy();
    for (const session of sessions) assert.equal((await closed(session)).kind, 'reset');
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

  test('answers a later request on a connection that was busy with 503', async (t) => {
    const { host, port, close } = await listenTo(t, http);
    const raw = new Raw(t, port).send(GET);
    const session = standing(await host.next());
    session.write('one');
    await raw.until(/one\r\n$/);
    await close();
    raw.send('POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\ntwo');
    // A connection that is refused afterwards: the request has arrived by then.
    const other = new Raw(t, port);
    await other.untilEnd();
    session.channel.end();
    assert.match(await raw.untilEnd(), /one\r\n0\r\n\r\n(HTTP\/1\.1 503 .*\r\nconnection: close[\s\S]*)$/i);
    assert.equal(host.channels.length, 1);
  });
});
