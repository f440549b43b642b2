/** Messages that are lost: told while the session lives, in its events, in the log and in the metrics. */
import assert from 'node:assert/strict';
import * as dgram from 'node:dgram';
import { once } from 'node:events';
import { type TestContext, test } from 'node:test';
import { until } from '../../src/testing/until.ts';
import { type TestLog, testLog } from '../support/log.ts';
import { connectDatagram, connectWebSocket, next, serveDatagram, serveStream } from '../support/peers.ts';
import { listener, request, startProxy, type TestProxy } from '../support/proxy.ts';

const to = (spec: object) => ({ name: 'c', spec, endpoints: [{ spec: { address: '127.0.0.1' } }] });

/** A proxy with one listener, `l`, with its log at `info`, and with its metrics. */
async function start(t: TestContext, spec: object, route: object, options: object = {}) {
  const log = await testLog(t, 'info');
  const started = await startProxy(t, ['l', 'metrics'], ({ l, metrics }) => ({
    admin: log.admin,
    listeners: [
      listener('l', { port: l, ...spec }, route, { options }),
      listener('metrics', { protocol: 'HTTP', port: metrics, address: '127.0.0.1' }, { destination: PROMETHEUS }),
    ],
  }));
  return { ...started, log };
}

const PROMETHEUS = { spec: { protocol: 'Prometheus' } };

/** The session lives, and says once what it has lost; so do the log and the metrics. */
async function told(proxy: TestProxy, metrics: number, log: TestLog, where: string, reason: string, count: number) {
  const seen = async () =>
    (await proxy.sessions('l'))[0]?.events.filter(({ event }: { event: string }) => event === 'WARNING');
  // Without a look at its counters: the event is there before.
  await until(async () => (await log.lines()).some((line) => line.includes('are dropped')), 'the line in the log');
  const events = await seen();
  assert.deepEqual(
    events.map(({ message }: { message: string }) => message),
    [`${where}: messages are dropped (${reason})`],
  );
  const lines = (await log.lines()).filter((line) => line.includes('are dropped'));
  assert.equal(lines.length, 1);
  assert.match(lines[0] ?? '', /^info \S+: WARNING: /);
  const text = `l7mp_messages_dropped_total{reason="${reason}"} ${count}`;
  await until(async () => (await request({ port: metrics })).text.includes(text), text);
}

test('a message that is too large for UDP is told once, and the others pass', async (t) => {
  const server = await serveDatagram(t);
  const { proxy, ports, log } = await start(
    t,
    { protocol: 'WebSocket' },
    { destination: to({ protocol: 'UDP', port: server.port }) },
  );
  const client = await connectWebSocket(t, ports.l);
  for (let n = 0; n < 3; n++) client.send(Buffer.alloc(70_000));
  client.send('next');
  assert.equal(await next(client), 'next');
  await told(proxy, ports.metrics, log, 'stage c', 'too-large', 3);
  assert.equal((await proxy.session('l')).status, 'CONNECTED');
});

test('a datagram of IPv6 that is too large for IPv4 is told once, where no message passes through JavaScript', async (t) => {
  const server = await serveDatagram(t);
  const { proxy, ports, log } = await start(
    t,
    { protocol: 'UDP', address: '::1' },
    { destination: to({ protocol: 'UDP', port: server.port }) },
  );
  const client = dgram.createSocket('udp6');
  t.after(() => client.close());
  const send = (bytes: string | Uint8Array) =>
    new Promise<void>((sent, failed) =>
      client.send(bytes, ports.l, '::1', (error) => (error ? failed(error) : sent())),
    );
  const answer = once(client, 'message');
  await send('hello');
  assert.equal(String((await answer)[0]), 'hello');
  // RFC 8200: a length of 16 bits without the header; in IPv4 it counts the header of 20 bytes.
  for (let n = 0; n < 3; n++) await send(Buffer.alloc(65_527));
  await told(proxy, ports.metrics, log, 'stage c', 'too-large', 3);
});

test('datagrams that do not fit the queue while the session is set up are told at once', async (t) => {
  const mute = await serveStream(t, { reply: () => undefined });
  const { proxy, ports, log } = await start(
    t,
    { protocol: 'UDP' },
    { destination: to({ protocol: 'WebSocket', port: mute.port }), retry: { timeout: 3_600_000 } },
    { queue_messages: 2 },
  );
  const client = await connectDatagram(t, ports.l);
  for (let n = 0; n < 5; n++) client.send(`${n}`);
  await told(proxy, ports.metrics, log, 'client', 'queue-full', 3);
  assert.equal((await proxy.sessions('l'))[0].status, 'INIT');
});

test('what a transform does not take is told', async (t) => {
  const { proxy, ports, log } = await start(
    t,
    { protocol: 'WebSocket' },
    { ingress: [{ name: 'decap', spec: { protocol: 'JSONDecap' } }], destination: { spec: { protocol: 'Echo' } } },
  );
  const client = await connectWebSocket(t, ports.l);
  for (let n = 0; n < 3; n++) client.send('no JSON');
  await told(proxy, ports.metrics, log, 'stage decap', 'invalid', 3);
});
