import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { closed, echoing, standing } from '../../../../../test/support/accepted.ts';
import { listenTo, Raw } from '../../../../../test/support/http.ts';
import {
  ACK,
  ask,
  block,
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
import { turn, until } from '../../../../testing/until.ts';
import { CANCEL, ENHANCE_YOUR_CALM, REFUSED_STREAM } from '../../codes.ts';
import { http } from '../../index.ts';

const WHOLE = END_STREAM | END_HEADERS;
const GET = request();
const MAX_STREAMS = 100;

describe('what a client of HTTP/2 may send', () => {
  test('a stream more than may be open is refused, and the others go on', async (t) => {
    const { host, port } = await listenTo(t, http);
    const peer = new FramePeer(t, port).hello();
    for (let n = 0; n <= MAX_STREAMS; n++) peer.send(frame(TYPES.headers, WHOLE, 2 * n + 1, GET));
    assert.equal(codeOf(await peer.frame(TYPES.reset)), REFUSED_STREAM);
    assert.equal(host.channels.length, MAX_STREAMS);
    const { channel } = standing(host.channels[0] as (typeof host.channels)[0]);
    channel.end();
    await peer.frame(TYPES.headers, 1);
  });

  test('streams that are opened and taken back end the connection, and cost no session each', async (t) => {
    const { host, port } = await listenTo(t, http);
    const peer = new FramePeer(t, port).hello();
    const pairs = Array.from({ length: 5000 }, (_, n) => [
      frame(TYPES.headers, WHOLE, 2 * n + 1, GET),
      frame(TYPES.reset, 0, 2 * n + 1, '\0\0\0\x08'),
    ]);
    peer.send(...pairs.flat());
    await peer.untilClosed();
    assert.ok(host.channels.length < 1000, `${host.channels.length} sessions`);
  });

  test('requests that are taken back before their answer, one by one, end the connection too', async (t) => {
    const { host, port } = await listenTo(t, http);
    const peer = new FramePeer(t, port).hello();
    await peer.frame(TYPES.settings);
    let n = 0;
    for (; n < 1000 && !peer.socket.closed; n++) {
      const id = 2 * n + 1;
      peer.send(frame(TYPES.headers, WHOLE, id, GET));
      await until(() => host.channels.length > n || peer.socket.closed, 'the session');
      peer.send(frame(TYPES.reset, 0, id, Buffer.of(0, 0, 0, CANCEL)));
    }
    await peer.untilClosed();
    assert.ok(n >= 100, `after ${n} requests`);
  });

  test('a head without an end is cut off', async (t) => {
    const { host, port } = await listenTo(t, http);
    const peer = new FramePeer(t, port).hello().send(frame(TYPES.headers, END_STREAM, 1, GET));
    for (let n = 0; n < 100; n++) peer.send(frame(TYPES.continuation, 0, 1, block([[`x-${n}`, 'y'.repeat(100)]])));
    await peer.untilClosed();
    assert.equal(host.channels.length, 0);
  });

  test('a head that is too large is a 431, one that is much too large a reset', async (t) => {
    const { host, port } = await listenTo(t, http);
    const client = connectTo(t, port);
    const { status } = await ask(client, { 'x-a': 'y'.repeat(17 << 10) }, '').answer;
    assert.equal(status, 431);
    const fields = Object.fromEntries(Array.from({ length: 3000 }, (_, n) => [`x-${n}`, 'y']));
    const { status: none, code } = await ask(client, fields, '').answer;
    assert.deepEqual([none, code], [undefined, ENHANCE_YOUR_CALM]);
    assert.equal(host.channels.length, 0);
  });

  test('a tunnel and an unknown expectation are refused', async (t) => {
    const { host, port } = await listenTo(t, http);
    const client = connectTo(t, port);
    const tunnel = client.request({ ':method': 'CONNECT', ':authority': 'h:80' });
    tunnel.on('error', () => {});
    const status = await new Promise((resolve) => tunnel.once('response', (head) => resolve(head[':status'])));
    assert.equal(status, 400);
    assert.equal((await ask(client, { expect: 'much' }, '').answer).status, 417);
    assert.deepEqual(host.rejects, ['bad-request', 'bad-request']);
  });

  test('pings and settings whose answers nobody reads are bounded', async (t) => {
    const { port } = await listenTo(t, http);
    for (const flood of [frame(TYPES.ping, 0, 0, '12345678'), frame(TYPES.settings, 0, 0)]) {
      const peer = new FramePeer(t, port).hello();
      await peer.frame(TYPES.settings);
      peer.socket.pause();
      const many = Buffer.concat(Array.from({ length: 10_000 }, () => flood));
      let over = false;
      peer.socket.on('close', () => {
        over = true;
      });
      while (!over) {
        if (peer.socket.destroyed || peer.socket.writableEnded) break;
        peer.socket.write(many);
        await turn();
      }
    }
  });

  for (const [what, flood] of [
    ['PRIORITY', frame(TYPES.priority, 0, 1, Buffer.of(0, 0, 0, 0, 16))],
    ['PING', frame(TYPES.ping, 0, 0, '12345678')],
    ['answers to PING', frame(TYPES.ping, ACK, 0, '12345678')],
    ['SETTINGS', frame(TYPES.settings, 0, 0)],
    ['WINDOW_UPDATE', frame(TYPES.windowUpdate, 0, 0, Buffer.of(0, 0, 0, 1))],
    ['unknown frames', frame(0x77, 0, 0)],
  ] as const) {
    test(`${what} without end, whose answers are read, do not stall others, and are no sessions`, async (t) => {
      const { host, port } = await listenTo(t, http, { begin: echoing });
      const { socket } = new FramePeer(t, port).hello();
      const block = Buffer.concat(new Array(4000).fill(flood));
      const pump = (): void => {
        while (!socket.destroyed && socket.write(block)) {
          // Until the listener is slower.
        }
        if (!socket.destroyed) socket.once('drain', pump);
      };
      pump();
      for (let n = 0; n < 3; n++) assert.equal((await ask(connectTo(t, port), {}, '').answer).status, 200);
      assert.equal(host.channels.length, 3);
    });
  }

  test('empty frames without end are cut off', async (t) => {
    const { host, port } = await listenTo(t, http, { begin: echoing });
    const peer = new FramePeer(t, port).hello().send(frame(TYPES.headers, END_HEADERS, 1, GET));
    await host.next();
    peer.send(...Array.from({ length: 5000 }, () => frame(TYPES.data, 0, 1)));
    await peer.untilClosed();
    assert.equal(host.channels.length, 1);
  });

  test('what is no HTTP/2 ends the connection', async (t) => {
    const { host, port } = await listenTo(t, http);
    const raw = new Raw(t, port).send(`${PREFACE}GET / HTTP/1.1\r\nHost: h\r\n\r\n`);
    await raw.untilEnd();
    const peer = new FramePeer(t, port).hello().send(frame(TYPES.headers, WHOLE, 2, GET));
    await peer.untilClosed();
    assert.equal(host.channels.length, 0);
  });

  test('a request that is malformed is no session', async (t) => {
    const { host, port } = await listenTo(t, http);
    const heads = [
      [[':authority', '']],
      [['connection', 'close']],
      [['transfer-encoding', 'chunked']],
      [['host', 'other']],
      [['X-Upper', 'a']],
      [['te', 'gzip']],
      [[':path', '/other']],
      [['content-length', '5']],
    ] as const;
    for (const more of heads) {
      const peer = new FramePeer(t, port).hello().send(frame(TYPES.headers, WHOLE, 1, request(more)));
      await until(() =>
        peer.frames.some(({ type, id }) => id === 1 && (type === TYPES.reset || type === TYPES.headers)),
      );
    }
    assert.equal(host.channels.length, 0);
  });

  test('a body longer than its length is a reset', async (t) => {
    const { host, port } = await listenTo(t, http);
    const head = request([['content-length', '3']]);
    const peer = new FramePeer(t, port).hello().send(frame(TYPES.headers, END_HEADERS, 1, head));
    const session = standing(await host.next());
    peer.send(frame(TYPES.data, 0, 1, '12'), frame(TYPES.data, 0, 1, '34'));
    assert.equal((await closed(session)).kind, 'reset');
    await peer.frame(TYPES.goaway);
  });

  test('a field with a line end in it is left out', async (t) => {
    const { host, port } = await listenTo(t, http);
    const head = request([
      ['x-a', 'b\r\nc: d'],
      ['x-b', 'e'],
    ]);
    new FramePeer(t, port).hello().send(frame(TYPES.headers, WHOLE, 1, head));
    const { HTTP } = (await host.next()).describe() as { HTTP: { headers: object } };
    assert.deepEqual(HTTP.headers, { host: 'h', 'x-b': 'e' });
  });
});

describe('the time that a client of HTTP/2 has', () => {
  test('a connection without a stream is closed', async (t) => {
    const { port } = await listenTo(t, http, { options: { header_timeout: 100 }, begin: echoing });
    const silent = new FramePeer(t, port).hello();
    const served = new FramePeer(t, port).hello().send(frame(TYPES.headers, WHOLE, 1, GET));
    await served.frame(TYPES.headers, 1);
    await Promise.all([silent.frame(TYPES.goaway), served.frame(TYPES.goaway)]);
    await Promise.all([silent.untilClosed(), served.untilClosed()]);
  });

  test('a preface that does not become whole is a 408', async (t) => {
    const { host, port } = await listenTo(t, http, { options: { header_timeout: 100 } });
    const raw = new Raw(t, port).send(PREFACE.slice(0, 20));
    assert.match(await raw.untilEnd(), /^HTTP\/1\.1 408 /);
    assert.deepEqual(host.rejects, ['request-timeout']);
  });

  test('a connection with a stream is not late', async (t) => {
    const { host, port } = await listenTo(t, http, { options: { header_timeout: 50 } });
    const peer = new FramePeer(t, port).hello().send(frame(TYPES.headers, WHOLE, 1, GET));
    const { channel } = standing(await host.next());
    const other = new FramePeer(t, port).hello();
    await other.untilClosed();
    channel.end();
    await peer.frame(TYPES.headers, 1);
  });

  test('a body that does not come is a 408, and fails its session', async (t) => {
    const { host, port } = await listenTo(t, http, { options: { body_timeout: 100 } });
    const { stream, answer } = ask(connectTo(t, port), { ':method': 'POST' });
    stream.write('part');
    const session = standing(await host.next());
    assert.equal((await closed(session)).kind, 'error');
    assert.equal((await answer).status, 408);
    assert.deepEqual(host.rejects, ['request-timeout']);
  });

  test('a body is not late once the answer has begun, nor while nobody takes it', async (t) => {
    const { host, port } = await listenTo(t, http, { options: { body_timeout: 50 } });
    const client = connectTo(t, port);
    const open = ask(client, { ':method': 'POST' });
    standing(await host.next()).channel.head({ status: 200 });
    const held = ask(client, { ':method': 'POST' });
    await host.next();
    const late = ask(client, { ':method': 'POST' });
    standing(await host.next());
    assert.equal((await late.answer).status, 408);
    assert.deepEqual([open.stream.closed, held.stream.closed], [false, false]);
  });
});

describe('back-pressure on HTTP/2', () => {
  test('a stream that nobody takes is held, and stalls no other one', async (t) => {
    const { host, port } = await listenTo(t, http);
    const client = connectTo(t, port);
    const held = ask(client, { ':method': 'POST' });
    const chunk = Buffer.alloc(64 << 10);
    await host.next();
    let sent = 0;
    const more = () => {
      while (held.stream.write(chunk)) sent += chunk.length;
    };
    held.stream.on('drain', more);
    more();
    const other = ask(client, { ':method': 'POST' });
    echoing(await host.next());
    const echoed = 4 << 20;
    other.stream.end(Buffer.alloc(echoed));
    const { text } = await other.answer;
    assert.equal(text.length, echoed);
    assert.ok(sent < 2 << 20, `${sent} bytes were taken`);
  });

  test('a client that does not read holds the session, and stalls no other one', async (t) => {
    const { host, port } = await listenTo(t, http);
    const client = connectTo(t, port);
    const slow = client.request({ ':path': '/slow' });
    slow.on('error', () => {});
    const session = standing(await host.next());
    let written = 0;
    while (session.channel.write(Buffer.alloc(64 << 10), undefined, true)) written += 64 << 10;
    assert.ok(written < 2 << 20, `${written} bytes were taken`);
    const { answer } = ask(client, {}, '');
    const other = standing(await host.next());
    other.write('other');
    other.channel.end();
    assert.equal((await answer).text, 'other');
    slow.resume();
    await until(() => session.drains > 0, 'room');
  });

  test('a head that an endpoint answers while the request is still held tells the client at once', async (t) => {
    const { host, port } = await listenTo(t, http);
    const { stream } = ask(connectTo(t, port), { ':method': 'POST' });
    const head = new Promise((resolve) => stream.once('response', resolve));
    const channel = await host.next();
    channel.routed();
    channel.accept();
    channel.head({ status: 200 });
    await head;
    stream.close(CANCEL);
  });
});
