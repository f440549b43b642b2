import assert from 'node:assert/strict';
import * as http2 from 'node:http2';
import { describe, test } from 'node:test';
import { closed, echoing, ended, standing } from '../../../../../test/support/accepted.ts';
import { listenTo } from '../../../../../test/support/http.ts';
import {
  ask,
  codeOf,
  connectTo,
  END_HEADERS,
  END_STREAM,
  FramePeer,
  frame,
  PREFACE,
  request,
  TYPES,
} from '../../../../../test/support/http2.ts';
import { L7mpError } from '../../../../core/errors.ts';
import { Collector } from '../../../../testing/collector.ts';
import { turn, until } from '../../../../testing/until.ts';
import { websocket } from '../../../websocket/index.ts';
import { CANCEL, HTTP_1_1_REQUIRED, INTERNAL_ERROR, REFUSED_STREAM } from '../../codes.ts';
import { http } from '../../index.ts';

const { NGHTTP2_CANCEL, NGHTTP2_NO_ERROR } = http2.constants;

describe('an HTTP listener whose client speaks HTTP/2', () => {
  test('makes a session of a stream, and streams both bodies', async (t) => {
    const { host, port } = await listenTo(t, http);
    const { stream, answer } = ask(connectTo(t, port), { ':method': 'POST', ':path': '/a' });
    stream.write('ques');
    stream.end('tion');
    const session = standing(await host.next());
    await ended(session);
    assert.equal(session.bytes.toString(), 'question');
    session.write('answer');
    session.channel.end();
    const { status, text, headers, code } = await answer;
    const type = headers['content-type'];
    assert.deepEqual([status, text, type, code], [200, 'answer', 'application/octet-stream', NGHTTP2_NO_ERROR]);
    session.channel.close({ kind: 'end', message: 'over' });
  });

  test('describes the request as HTTP/1.1 would: pseudo-headers are no headers, the authority is the host', async (t) => {
    const { host, port } = await listenTo(t, http);
    const client = connectTo(t, port);
    ask(client, { ':path': '/a/b?x=1', ':authority': 'h:80', cookie: ['a=1', 'b=2'], 'x-bar': 'Me' }, '');
    const channel = await host.next();
    const { IP, TCP, HTTP } = channel.describe() as Record<string, Record<string, unknown>>;
    assert.deepEqual(IP, { src_addr: '127.0.0.1', dst_addr: '127.0.0.1' });
    const src_port = client.socket.localPort;
    assert.deepEqual(TCP, { src_port, dst_port: port });
    const href = 'http://h:80/a/b?x=1';
    const url = { url: '/a/b?x=1', href, protocol: 'http:', host: 'h', port: 80, path: '/a/b?x=1', query: 'x=1' };
    const headers = { host: 'h:80', cookie: 'a=1; b=2', 'x-bar': 'Me' };
    assert.deepEqual(HTTP, { version: '2.0', method: 'GET', url, headers });
    const name = http.listener?.sessionName({ listener: 'l', n: 3, metadata: channel.describe() });
    assert.equal(name, `HTTP:127.0.0.1:${src_port}-127.0.0.1:${port}-3`);
  });

  test('knows it by its preface in pieces', async (t) => {
    const { host, port } = await listenTo(t, http, { begin: echoing });
    const peer = new FramePeer(t, port);
    for (const byte of Buffer.from(PREFACE)) {
      peer.send(Buffer.of(byte));
      await turn(2);
    }
    peer.send(frame(TYPES.settings, 0, 0));
    await peer.frame(TYPES.settings);
    assert.equal(host.channels.length, 0);
  });

  test('serves many streams of a connection at once', async (t) => {
    const { host, port } = await listenTo(t, http);
    const client = connectTo(t, port);
    const answers = ['0', '1', '2'].map((n) => ask(client, { ':path': `/${n}` }, '').answer);
    const sessions = [standing(await host.next()), standing(await host.next()), standing(await host.next())];
    for (const { channel, write } of sessions.reverse()) {
      const { HTTP } = channel.describe() as { HTTP: { url: { path: string } } };
      channel.write(Buffer.from(HTTP.url.path));
      channel.end();
      assert.ok(write);
    }
    const texts = (await Promise.all(answers)).map(({ text }) => text);
    assert.deepEqual(texts, ['/0', '/1', '/2']);
  });

  test('passes trailers both ways', async (t) => {
    const { host, port } = await listenTo(t, http);
    const client = connectTo(t, port);
    const stream = client.request({ ':method': 'POST', te: 'trailers' }, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers({ 'x-sum': '6' }));
    const trailers = new Promise((resolve) => stream.once('trailers', ({ 'grpc-status': status }) => resolve(status)));
    stream.end('body');
    const session = standing(await host.next());
    assert.deepEqual(await ended(session), { 'x-sum': '6' });
    session.channel.head({ status: 200, headers: { 'content-type': 'application/grpc' } });
    session.write('x');
    session.channel.end({ 'grpc-status': '0' });
    stream.resume();
    assert.equal(await trailers, '0');
  });

  test('a head with nothing behind it ends the stream', async (t) => {
    const { host, port } = await listenTo(t, http);
    const { answer } = ask(connectTo(t, port), {}, '');
    const session = standing(await host.next());
    session.channel.head({ status: 200, headers: { 'grpc-status': '12' } });
    session.channel.end();
    const { headers, whole } = await answer;
    assert.deepEqual([headers['grpc-status'], whole], ['12', true]);
  });

  test('asks for the body of an expecting client once the session stands', async (t) => {
    const { host, port } = await listenTo(t, http);
    const { stream, answer } = ask(connectTo(t, port), { ':method': 'POST', expect: '100-continue' });
    const told = new Promise((resolve) => stream.once('continue', () => resolve(true)));
    const session = standing(await host.next());
    await told;
    stream.end('one');
    await ended(session);
    session.channel.end();
    assert.equal((await answer).status, 200);
  });

  test('passes informational answers on, but for those about the connection', async (t) => {
    const { host, port } = await listenTo(t, http);
    const { stream, answer } = ask(connectTo(t, port), {}, '');
    const told: unknown[] = [];
    stream.on('headers', ({ ':status': status, link }) => told.push([status, link]));
    const { channel } = standing(await host.next());
    for (const status of [100, 101, 103]) channel.head({ status, headers: { link: 'x', connection: 'a' } });
    channel.head({ status: 200 });
    channel.end();
    assert.equal((await answer).status, 200);
    assert.deepEqual(told, [[103, 'x']]);
  });

  test('answers HEAD, 204 and 304 without a body', async (t) => {
    const { host, port } = await listenTo(t, http);
    const client = connectTo(t, port);
    for (const [method, status] of [
      ['HEAD', 200],
      ['GET', 204],
      ['GET', 304],
    ] as const) {
      const { answer } = ask(client, { ':method': method }, '');
      const { channel } = standing(await host.next());
      channel.head({ status, headers: { 'content-length': '5' } });
      channel.write(Buffer.from('12345'));
      channel.end();
      channel.close({ kind: 'end', message: 'over' });
      const { status: given, text, code } = await answer;
      assert.deepEqual([given, text, code], [status, '', NGHTTP2_NO_ERROR], method);
    }
  });

  test('refuses a session with a status and a JSON body, and wants no more of the request', async (t) => {
    const { host, port } = await listenTo(t, http);
    const { answer } = ask(connectTo(t, port), { ':method': 'POST' });
    (await host.next()).refuse(new L7mpError('E_NO_ROUTE', 'no rule'));
    const { status, text, headers, code } = await answer;
    assert.deepEqual([status, code, headers['content-type']], [404, NGHTTP2_NO_ERROR, 'application/json']);
    assert.match(JSON.parse(text).content, /no rule/);
  });

  test('answers a path that is not served, and a session that is one too many', async (t) => {
    const { host, port } = await listenTo(t, http, { admit: () => false }, { path: '/api' });
    const client = connectTo(t, port);
    assert.equal((await ask(client, { ':path': '/api/v1' }, '').answer).status, 404);
    const { status, headers } = await ask(client, { ':path': '/api' }, '').answer;
    assert.deepEqual([status, headers['retry-after']], [429, '1']);
    assert.deepEqual(host.rejects, ['wrong-path']);
  });

  test('a client that was not told to send its body is told that nobody waits for it', async (t) => {
    const { host, port } = await listenTo(t, http);
    const { answer } = ask(connectTo(t, port), { ':method': 'POST', expect: '100-continue' });
    const channel = await host.next();
    const session = new Collector(channel).read();
    channel.routed();
    channel.accept({ status: 417 });
    channel.end();
    const { status, code } = await answer;
    assert.deepEqual([status, code], [417, NGHTTP2_NO_ERROR]);
    assert.deepEqual([(await closed(session)).kind, session.ends], ['end', 1]);
  });

  test('an early answer tells the client to stop sending, whenever the session ends', async (t) => {
    const { host, port } = await listenTo(t, http);
    const peer = new FramePeer(t, port).hello().send(frame(TYPES.headers, END_HEADERS, 1, request()));
    const { channel } = standing(await host.next());
    channel.head({ status: 413 });
    channel.write(Buffer.from('large'));
    channel.end();
    await until(() => peer.frames.some(({ id, flags }) => id === 1 && (flags & END_STREAM) !== 0), 'the end');
    channel.close({ kind: 'end', message: 'over' });
    assert.equal(codeOf(await peer.frame(TYPES.reset, 1)), NGHTTP2_NO_ERROR);
  });

  test('an early answer with trailers tells the client to stop sending', async (t) => {
    const { host, port } = await listenTo(t, http);
    const { stream, answer } = ask(connectTo(t, port), { ':method': 'POST', te: 'trailers' });
    stream.write('part');
    const { channel } = standing(await host.next());
    channel.head({ status: 413 });
    channel.end({ 'x-why': 'large' });
    channel.close({ kind: 'end', message: 'over' });
    const { status, trailers, code } = await answer;
    assert.deepEqual([status, trailers?.['x-why'], code], [413, 'large', NGHTTP2_NO_ERROR]);
  });
});

describe('a stream of HTTP/2 that breaks', () => {
  test('is a reset with the client’s code, held or not', async (t) => {
    const { host, port } = await listenTo(t, http);
    const { stream } = ask(connectTo(t, port), { ':method': 'POST' });
    stream.write('part');
    const session = standing(await host.next());
    session.channel.pause();
    stream.close(NGHTTP2_CANCEL);
    const { kind, code } = await closed(session);
    assert.deepEqual([kind, code, session.ends], ['reset', CANCEL, 0]);
  });

  test('is no end of the request, whatever its code', async (t) => {
    const { host, port } = await listenTo(t, http);
    for (const code of [0, 2, 8]) {
      const peer = new FramePeer(t, port).hello();
      peer.send(frame(TYPES.headers, END_HEADERS, 1, request()), frame(TYPES.data, 0, 1, 'part'));
      const session = standing(await host.next());
      await until(() => session.bytes.length > 0, 'the part');
      peer.send(frame(TYPES.reset, 0, 1, Buffer.of(0, 0, 0, code)));
      assert.deepEqual([(await closed(session)).kind, session.ends], ['reset', 0], String(code));
    }
  });

  test('is told to the client by the code that the endpoint has given', async (t) => {
    const { host, port } = await listenTo(t, http);
    const client = connectTo(t, port);
    const reasons = [
      [{ kind: 'reset', message: 'gone' }, INTERNAL_ERROR],
      [{ kind: 'reset', code: CANCEL, message: 'gone' }, CANCEL],
      [{ kind: 'reset', code: REFUSED_STREAM, message: 'gone' }, INTERNAL_ERROR],
      [{ kind: 'idle', message: 'idle' }, CANCEL],
    ] as const;
    for (const [reason, code] of reasons) {
      const { answer } = ask(client, {}, '');
      const { channel } = standing(await host.next());
      channel.write(Buffer.from('half'));
      channel.close(reason);
      assert.equal((await answer).code, code, JSON.stringify(reason));
    }
  });

  test('before its answer has begun is answered with a status', async (t) => {
    const { host, port } = await listenTo(t, http);
    const client = connectTo(t, port);
    for (const [kind, status] of [
      ['reset', 502],
      ['idle', 504],
      ['shutdown', 503],
    ] as const) {
      const { answer } = ask(client, {}, '');
      standing(await host.next()).channel.close({ kind, message: 'gone' });
      assert.equal((await answer).status, status);
    }
  });

  test('does not touch the other streams; a connection that is gone takes all', async (t) => {
    const { host, port } = await listenTo(t, http);
    const client = connectTo(t, port);
    const first = ask(client, { ':method': 'POST' });
    const one = standing(await host.next());
    const second = ask(client, { ':method': 'POST' });
    const two = standing(await host.next());
    first.stream.close(NGHTTP2_CANCEL);
    await closed(one);
    second.stream.write('still');
    await until(() => two.bytes.toString() === 'still', 'the other stream');
    client.destroy();
    const { kind, code } = await closed(two);
    assert.deepEqual([kind, code, two.ends], ['reset', undefined, 0]);
  });

  test('an answer that is longer or shorter than its head has promised is broken', async (t) => {
    const { host, port } = await listenTo(t, http);
    const client = connectTo(t, port);
    for (const body of ['123456', '1234']) {
      const { answer } = ask(client, {}, '');
      const { channel } = standing(await host.next());
      channel.head({ status: 200, headers: { 'content-length': '5' } });
      channel.write(Buffer.from(body));
      channel.end();
      assert.notEqual((await answer).code, NGHTTP2_NO_ERROR, body);
    }
  });

  test('an answer that cannot be sent is a 502, and the process lives', async (t) => {
    const { host, port } = await listenTo(t, http);
    const client = connectTo(t, port);
    for (const headers of [{ 'x-a': 'b\r\nc: d' }, { ':status': '200' }, { 'a b': 'c' }]) {
      const { answer } = ask(client, {}, '');
      const session = standing(await host.next());
      session.channel.head({ status: 200, headers: headers as Record<string, string> });
      assert.equal((await answer).status, 502);
      assert.equal((await closed(session)).kind, 'error');
    }
    const { answer } = ask(client, {}, '');
    const { channel } = standing(await host.next());
    const own = {
      connection: 'x-hop',
      'x-hop': '1',
      'http2-settings': 'AAA',
      upgrade: 'h2c',
      'keep-alive': '5',
      te: 'x',
    };
    channel.head({ status: 200, headers: { ...own, 'x-end': '2' } });
    channel.end();
    const { headers } = await answer;
    assert.deepEqual([headers['x-end'], headers['x-hop']], ['2', undefined]);
  });
});

describe('a connection of HTTP/2', () => {
  test('is told that no more is taken when its listener closes, and goes on with what it has', async (t) => {
    const { host, port, close } = await listenTo(t, http);
    const client = connectTo(t, port);
    const { answer } = ask(client, {}, '');
    const { channel } = standing(await host.next());
    const gone = new Promise<number>((resolve) => client.once('goaway', resolve));
    await close();
    assert.equal(await gone, NGHTTP2_NO_ERROR);
    channel.write(Buffer.from('late'));
    channel.end();
    channel.close({ kind: 'end', message: 'over' });
    assert.equal((await answer).text, 'late');
    await until(() => client.closed && client.destroyed, 'the end of the connection');
  });

  test('that has no stream is closed when its listener closes', async (t) => {
    const { port, close } = await listenTo(t, http);
    const client = connectTo(t, port);
    await new Promise((resolve) => client.once('remoteSettings', resolve));
    await close();
    await until(() => client.destroyed, 'the end of the connection');
  });

  test('is not for WebSocket: clients are told to speak HTTP/1.1', async (t) => {
    const { host, port } = await listenTo(t, websocket);
    const client = connectTo(t, port);
    const code = await new Promise<number>((resolve) => client.once('goaway', resolve));
    assert.equal(code, HTTP_1_1_REQUIRED);
    assert.deepEqual(host.rejects, ['bad-request']);
  });
});
