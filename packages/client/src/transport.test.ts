/** Failures that a real proxy does not have on demand. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import * as http from 'node:http';
import * as net from 'node:net';
import { type TestContext, test } from 'node:test';
import { freePort } from '../../../src/testing/ports.ts';
import { AnswerError, Client, type ClientOptions, UnreachableError } from './index.ts';

const OK = 'HTTP/1.1 200 OK\r\ncontent-length: 15\r\netag: "a-1"\r\n\r\n{"status":"ok"}';
const cluster = { spec: { protocol: 'TCP' as const, port: 80 } };

/** A server that does with each request, counted from 1, what it is told; and what it has got. */
async function standIn(
  t: TestContext,
  serve: (socket: net.Socket, n: number) => void,
  more: Partial<ClientOptions> = {},
) {
  const requests: string[] = [];
  const sockets = new Set<net.Socket>();
  const server = net.createServer((socket) => {
    sockets.add(socket.on('error', () => {}));
    socket.on('data', (data) => {
      // A request of these tests is one piece: the loopback's is larger than each.
      requests.push(String(data));
      serve(socket, requests.length);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = new Client({ base: `http://127.0.0.1:${(server.address() as net.AddressInfo).port}`, ...more });
  t.after(async () => {
    client.close();
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
  return { client, requests, sockets };
}

const unreachable = (code: string, unsent: boolean) => (error: unknown) => {
  assert.ok(error instanceof UnreachableError, String(error));
  assert.deepEqual([error.code, error.unsent], [code, unsent]);
  return true;
};

test('connections are kept', async (t) => {
  const { client, sockets } = await standIn(t, (socket) => socket.write(OK));
  for (let n = 0; n < 3; n++) await client.get('/healthz');
  assert.equal(sockets.size, 1);
});

test('a kept connection that has ended meanwhile costs a second attempt, not an error', async (t) => {
  const { client, requests } = await standIn(
    t,
    (socket, n) => (n === 2 ? socket.resetAndDestroy() : socket.write(OK)),
    {
      retries: 0,
    },
  );
  await client.get('/healthz');
  await client.delete('/clusters/{name}', { params: { name: 'c' }, ifMatch: '"a-1"' });
  assert.equal(requests.length, 3);
});

test('a POST on such a connection is not sent twice', async (t) => {
  const { client, requests } = await standIn(t, (socket, n) => (n === 2 ? socket.resetAndDestroy() : socket.write(OK)));
  await client.get('/healthz');
  const add = client.post('/clusters', { body: { cluster: { name: 'c', ...cluster } } });
  await assert.rejects(add, unreachable('ECONNRESET', false));
  assert.equal(requests.length, 2);
});

test('reads and changes that can be repeated are, after a broken connection', async (t) => {
  const { client, requests } = await standIn(t, (socket, n) => (n % 2 ? socket.resetAndDestroy() : socket.write(OK)));
  await client.get('/clusters');
  await client.put('/clusters/{name}', { params: { name: 'c' }, body: { cluster } });
  assert.deepEqual(
    requests.map((text) => text.slice(0, 3)),
    ['GET', 'GET', 'PUT', 'PUT'],
  );
});

test('a change on a condition is not repeated: nobody could tell what the second answer means', async (t) => {
  const { client, requests } = await standIn(t, (socket) => socket.resetAndDestroy());
  const put = client.put('/clusters/{name}', { params: { name: 'c' }, body: { cluster }, ifMatch: '"a-1"' });
  await assert.rejects(put, unreachable('ECONNRESET', false));
  assert.equal(requests.length, 1);
});

test('nobody listens: the request has certainly not arrived', async () => {
  const client = new Client({ base: `http://127.0.0.1:${await freePort()}`, retries: 1 });
  const add = client.post('/clusters', { body: { cluster: { name: 'c', ...cluster } } });
  await assert.rejects(add, unreachable('ECONNREFUSED', true));
  const local = new Client({ base: 'unix:/nowhere/at/all' });
  await assert.rejects(local.get('/healthz', { retries: 0 }), unreachable('ENOENT', true));
});

test('the time is over where nothing is answered, or only half of it', async (t) => {
  const halves = ['', 'HTTP/1.1 200 OK\r\n', 'HTTP/1.1 200 OK\r\ncontent-length: 15\r\n\r\n{"status'];
  const { client, sockets } = await standIn(t, (socket, n) => socket.write(halves[n - 1] ?? ''), { timeout: 50 });
  for (const _ of halves) await assert.rejects(client.get('/healthz'), unreachable('ETIMEDOUT', false));
  await Promise.all([...sockets].map((socket) => socket.closed || once(socket, 'close')));
});

test('an answer that ends too early is no answer', async (t) => {
  const { client } = await standIn(t, (socket) => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{"sta'), {
    retries: 0,
  });
  await assert.rejects(client.get('/healthz'), unreachable('ECONNRESET', false));
});

test('what is no HTTP, no JSON, or too long, is an error', async (t) => {
  const endless = `HTTP/1.1 200 OK\r\n\r\n${'x'.repeat(2000)}`;
  const answers = ['SSH-2.0-x\r\n\r\n', OK.replace('{', '<').replace('etag', 'connection: close\r\netag'), endless];
  const { client } = await standIn(t, (socket, n) => socket.end(answers[n - 1] ?? ''), { retries: 0, maxAnswer: 1000 });
  await assert.rejects(client.get('/healthz'), UnreachableError);
  await assert.rejects(client.get('/healthz'), AnswerError);
  await assert.rejects(client.get('/healthz'), /the answer is longer than 1000 bytes/);
});

test('a signal ends a request, its wait for the next attempt, and gives its reason', async (t) => {
  const { client, sockets } = await standIn(t, () => {});
  const reason = new Error('enough');
  const controller = new AbortController();
  const request = client.get('/healthz', { signal: controller.signal });
  setImmediate(() => controller.abort(reason));
  await assert.rejects(request, reason);
  await Promise.all([...sockets].map((socket) => socket.closed || once(socket, 'close')));
  const waits = new Client({ base: `http://127.0.0.1:${await freePort()}`, retries: 1000, timeout: 60_000 });
  const signal = AbortSignal.timeout(50);
  await assert.rejects(waits.get('/healthz', { signal }), { name: 'TimeoutError' });
});

test('who closes the client ends what is under way', async (t) => {
  const { client, requests } = await standIn(t, (socket, n) => n === 1 && socket.write(OK));
  await client.get('/healthz');
  const request = client.get('/healthz');
  while (requests.length < 2) await new Promise((resolve) => setImmediate(resolve));
  client.close();
  await assert.rejects(request, unreachable('ECONNRESET', false));
  assert.equal(requests.length, 2);
});

test('a base is an address and nothing else', () => {
  for (const base of ['127.0.0.1:1234', 'ftp://a', 'https://a/b', 'http://a/api/v1', 'http://u:p@a', 'unix:', ''])
    assert.throws(() => new Client({ base }), { name: 'TypeError', message: /^base: / }, base);
});

test('an IPv6 address is reached', async (t) => {
  const server = http.createServer((_, response) => response.end('{"status":"ok"}')).listen(0, '::1');
  await once(server, 'listening');
  t.after(() => server.close());
  const client = new Client({ base: `http://[::1]:${(server.address() as net.AddressInfo).port}` });
  t.after(() => client.close());
  assert.equal((await client.get('/healthz')).body.status, 'ok');
});
