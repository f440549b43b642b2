import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { closed, ended, standing, texts } from '../../../../test/support/accepted.ts';
import { listenTo, Raw, request } from '../../../../test/support/http.ts';
import type { Channel } from '../../../core/channel.ts';
import { L7mpError } from '../../../core/errors.ts';
import { Collector } from '../../../testing/collector.ts';
import { until } from '../../../testing/until.ts';
import { http } from '../index.ts';

const GET = 'GET / HTTP/1.1\r\nHost: h\r\n\r\n';
const CONTENT = (status: number, message: string, content: string) => JSON.stringify({ status, message, content });

describe('the head of a response', () => {
  test('is the one that the answering side gives', async (t) => {
    const { host, port } = await listenTo(t, http);
    const { req, answer } = request(t, port);
    req.end();
    const session = standing(await host.next());
    session.channel.head({
      status: 201,
      headers: { 'X-Two': ['1', '2'], 'content-length': '4', connection: 'x-gone', 'x-gone': '1' },
    });
    session.write('body');
    session.channel.end();
    const { status, headers, text } = await answer;
    assert.deepEqual([status, headers['x-two'], headers['content-length'], text], [201, '1, 2', '4', 'body']);
    assert.deepEqual([headers['x-gone'], headers['transfer-encoding']], [undefined, undefined]);
  });

  test('goes out before the first byte of the body', async (t) => {
    const { host, port } = await listenTo(t, http);
    const raw = new Raw(t, port).send(GET);
    const session = standing(await host.next());
    session.channel.head({ status: 202 });
    await raw.until(/^HTTP\/1\.1 202 Accepted\r\n[\s\S]*\r\n\r\n$/);
  });

  test('is not begun by the answer of a protocol without statuses', async (t) => {
    const { host, port } = await listenTo(t, http);
    const { req, answer } = request(t, port);
    req.end();
    const channel = await host.next();
    channel.accept({ protocol: 'chat' });
    channel.refuse(new L7mpError('E_DISCONNECT', 'gone'));
    assert.equal((await answer).status, 502);
  });

  test('is a 502 where a header cannot be sent', async (t) => {
    const { host, port } = await listenTo(t, http);
    const { req, answer } = request(t, port);
    req.end();
    const session = standing(await host.next());
    session.channel.head({ headers: { 'x-bad': 'a\r\nx-injected: b' } });
    const { status, headers } = await answer;
    assert.deepEqual([status, headers['x-injected']], [502, undefined]);
    assert.equal((await closed(session)).kind, 'error');
  });

  test('that promises less than the body brings breaks the response off', async (t) => {
    const { host, port } = await listenTo(t, http);
    const raw = new Raw(t, port).send(GET);
    const session = standing(await host.next());
    session.channel.head({ headers: { 'content-length': '3' } });
    session.write('one');
    session.write('HTTP/1.1 200 OK');
    assert.match(await raw.untilEnd(), /\r\n\r\none$/);
    assert.equal((await closed(session)).kind, 'reset');
  });

  test('that promises more than the body brings breaks the response off', async (t) => {
    const { host, port } = await listenTo(t, http);
    const { req, answer } = request(t, port);
    req.end();
    const session = standing(await host.next());
    session.channel.head({ headers: { 'content-length': '30' } });
    session.write('one');
    session.channel.end();
    await assert.rejects(answer, { code: 'ECONNRESET' });
  });
});

describe('a session that fails', () => {
  const ends: [string, (channel: Channel) => void, number, string, string][] = [
    ['without a route', (c) => c.refuse(new L7mpError('E_NO_ROUTE', 'no rule')), 404, 'Not Found', 'no rule'],
    ['without an endpoint', (c) => c.refuse(new L7mpError('E_CONNECT', 'no')), 502, 'Bad Gateway', 'no'],
    ['in time', (c) => c.refuse(new L7mpError('E_TIMEOUT', 'late')), 504, 'Gateway Timeout', 'late'],
    ['by a reset', (c) => c.close({ kind: 'reset', message: 'RST' }), 502, 'Bad Gateway', 'RST'],
    ['by silence', (c) => c.close({ kind: 'idle', message: 'idle' }), 504, 'Gateway Timeout', 'idle'],
    ['by deletion', (c) => c.close({ kind: 'deleted', message: 'x' }), 503, 'Service Unavailable', 'x'],
    ['by shutdown', (c) => c.close({ kind: 'shutdown', message: 'x' }), 503, 'Service Unavailable', 'x'],
  ];
  for (const [how, end, status, message, content] of ends) {
    test(`${how} is answered ${status}, and the connection goes on`, async (t) => {
      const { host, port } = await listenTo(t, http);
      const raw = new Raw(t, port).send('POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 6\r\n\r\none');
      end(standing(await host.next()).channel);
      const text = await raw.until(/\}$/);
      assert.ok(text.startsWith(`HTTP/1.1 ${status} ${message}\r\n`));
      assert.ok(text.endsWith(`\r\n\r\n${CONTENT(status, message, content)}`));
      raw.send(`two${GET}`);
      assert.equal(host.channels.indexOf(await host.next()), 1);
    });
  }

  test('with its response under way breaks that off', async (t) => {
    const { host, port } = await listenTo(t, http);
    const raw = new Raw(t, port).send(GET);
    const session = standing(await host.next());
    session.write('part');
    await raw.until(/part\r\n$/);
    session.channel.refuse(new L7mpError('E_DISCONNECT', 'gone'));
    assert.match(await raw.untilEnd(), /part\r\n$/);
  });

  test('after its end still delivers the response', async (t) => {
    const { host, port } = await listenTo(t, http);
    const { req, answer } = request(t, port);
    req.end();
    const session = standing(await host.next());
    session.channel.write(Buffer.alloc(4 << 20, 'x'));
    session.channel.end();
    session.channel.close({ kind: 'end', message: 'over' });
    assert.equal((await answer).text.length, 4 << 20);
  });

  test('is a reset where the client goes away', async (t) => {
    const { host, port } = await listenTo(t, http);
    const { req } = request(t, port, { method: 'POST' });
    req.write('one');
    const session = standing(await host.next());
    await texts(session, 1);
    req.destroy();
    assert.equal((await closed(session)).kind, 'reset');
  });

  test('is a reset where the client goes away before anybody reads', async (t) => {
    const { host, port } = await listenTo(t, http);
    const raw = new Raw(t, port).send(GET);
    const session = new Collector(await host.next());
    raw.socket.end();
    assert.equal((await closed(session)).kind, 'reset');
  });
});

describe('back-pressure on HTTP', () => {
  const chunk = Buffer.alloc(64 << 10, 'x');

  test('a slow reader of the request pauses the client', async (t) => {
    const { host, port } = await listenTo(t, http);
    const { req, answer } = request(t, port, { method: 'POST' });
    req.end(Buffer.alloc(32 << 20, 'x'));
    const channel = await host.next();
    const reader = standing(channel);
    let most = 0;
    channel.read({
      message: (bytes, attributes) => {
        most = Math.max(most, channel.queued);
        channel.pause();
        setImmediate(() => channel.resume());
        reader.message(bytes.subarray(0, 1), attributes, false);
      },
      end: () => reader.end(),
    });
    await ended(reader);
    assert.equal(channel.bytesIn, 32 << 20);
    // What node had parsed already of one piece that it read, 64 KiB.
    assert.ok(most < 16, `${most} pieces were waiting`);
    channel.end();
    assert.equal((await answer).status, 200);
  });

  test('a slow reader of the response pauses the writer', async (t) => {
    const { host, port } = await listenTo(t, http);
    const raw = new Raw(t, port).send(GET);
    raw.socket.pause();
    const session = standing(await host.next());
    let written = 0;
    const fill = (): void => {
      while (written < 256 << 20 && session.channel.write(chunk)) written += chunk.length;
    };
    fill();
    assert.ok(session.channel.full);
    raw.socket.resume();
    await until(() => session.drains > 0);
    session.channel.end();
    await raw.until(/\r\n0\r\n\r\n$/);
  });
});
