import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { closed, echoing, standing, texts } from '../../../../test/support/accepted.ts';
import { listenTo, Raw, request } from '../../../../test/support/http.ts';
import { fakeHost } from '../../../testing/fake-host.ts';
import { http } from '../index.ts';

const GET = 'GET / HTTP/1.1\r\nHost: h\r\n\r\n';
const CONTENT = (status: number, message: string, content: string) => JSON.stringify({ status, message, content });

describe('what is not taken', () => {
  test('another path than the one served is a 404', async (t) => {
    const { host, port } = await listenTo(t, http, {}, { path: '/api' });
    for (const path of ['/', '/api/', '/api/x', '/API']) {
      const { req, answer } = request(t, port, { path });
      req.end();
      assert.equal((await answer).status, 404, path);
    }
    const { req } = request(t, port, { path: '/api?x' });
    req.on('error', () => {}).end();
    await host.next();
    assert.equal(host.channels.length, 1);
    req.destroy();
  });

  test('one session too many is a 429 that says when to come again', async (t) => {
    const { host, port } = await listenTo(t, http, { admit: () => false });
    const { req, answer } = request(t, port, { method: 'POST' });
    req.end('body');
    const { status, headers, text } = await answer;
    assert.deepEqual([status, headers['retry-after']], [429, '1']);
    assert.equal(text, CONTENT(429, 'Too Many Requests', 'too many sessions'));
    assert.equal(host.channels.length, 0);
  });

  for (const [what, text, status] of [
    ['nonsense', 'what is this\r\n\r\n', 400],
    ['TLS', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', 400],
    ['two lengths', 'POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n', 400],
    [
      'a length and chunks',
      'POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n',
      400,
    ],
    ['a head without end', `GET / HTTP/1.1\r\nHost: h\r\nX: ${'x'.repeat(70_000)}`, 431],
  ] as const) {
    test(`${what} is a ${status}`, async (t) => {
      const { host, port } = await listenTo(t, http);
      const raw = new Raw(t, port).send(text);
      const answer = await raw.untilEnd();
      assert.ok(answer.startsWith(`HTTP/1.1 ${status} `) && answer.includes(`{"status":${status},`), answer);
      assert.deepEqual(host.rejects, ['bad-request']);
      assert.equal(host.channels.length, 0);
    });
  }

  test('a request that turns into nonsense is a 400, and fails its session', async (t) => {
    const { host, port } = await listenTo(t, http);
    const head = 'POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n';
    const raw = new Raw(t, port).send(`${head}3\r\none\r\n`);
    const session = standing(await host.next());
    await texts(session, 1);
    raw.send('nonsense\r\n');
    assert.equal((await closed(session)).kind, 'error');
    assert.match(await raw.untilEnd(), /^HTTP\/1\.1 400 /);
  });

  test('nonsense behind a request is not taken for its answer', async (t) => {
    const { host, port } = await listenTo(t, http);
    const raw = new Raw(t, port).send(`${GET}nonsense\r\n\r\n`);
    assert.equal(await raw.untilEnd(), '');
    assert.deepEqual(host.rejects, ['bad-request']);
  });

  test('a tunnel is a 400', async (t) => {
    const { port } = await listenTo(t, http);
    const raw = new Raw(t, port).send('CONNECT h:443 HTTP/1.1\r\nHost: h:443\r\n\r\n');
    assert.match(await raw.untilEnd(), /^HTTP\/1\.1 400 /);
  });

  test('an upgrade is ignored, and its request served', async (t) => {
    const { port } = await listenTo(t, http, { begin: echoing });
    const { req, answer } = request(t, port, { method: 'POST', headers: { connection: 'upgrade', upgrade: 'h2c' } });
    req.end('body');
    assert.equal((await answer).text, 'body');
  });

  test('a port in use is an E_BIND', async (t) => {
    const { port } = await listenTo(t, http);
    await assert.rejects(async () => http.listener?.listen({ port, address: '127.0.0.1' }, fakeHost()), {
      code: 'E_BIND',
    });
  });
});
