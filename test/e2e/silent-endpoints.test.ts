/** Endpoints that can be connected to, and do not serve: the log names them, and others take their sessions. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { freePort } from '../../src/testing/ports.ts';
import { until } from '../../src/testing/until.ts';
import { Authority, texts } from '../support/certificates.ts';
import { testLog } from '../support/log.ts';
import { ask, connectDatagram, connectStream, serveDatagram, serveSecure, serveStream } from '../support/peers.ts';
import { listener, request, startProxy, THREADS } from '../support/proxy.ts';

const HOST = '127.0.0.1';

/** Longer than any test waits. */
const LONG = 600_000;

interface Setting {
  readonly spec: object;
  readonly source?: object;
  /** Ports of 127.0.0.1. */
  readonly endpoints?: readonly number[];
  readonly options?: object;
  /** Of the route's retry: what has stood for so many milliseconds is not broken at once. */
  readonly wait?: number;
}

/** A proxy whose listener leads to the endpoints, one after the other; the lines of the log about them. */
async function start(t: TestContext, { spec, source, endpoints, options, wait = LONG }: Setting) {
  const log = await testLog(t, 'warn');
  const destination = {
    name: 'c',
    spec,
    ...(endpoints && { endpoints: endpoints.map((port, n) => ({ name: `e${n}`, spec: { address: HOST, port } })) }),
    loadbalancer: { policy: 'RoundRobin' },
    options: { fail_timeout: LONG, ...options },
  };
  // Each worker finds out by itself.
  const threads = Math.min(1, THREADS.threads);
  const { ports } = await startProxy(t, ['l'], ({ l }) => ({
    admin: { ...log.admin, threads },
    listeners: [listener('l', { protocol: 'TCP', port: l, ...source }, { destination, retry: { timeout: wait } })],
  }));
  const lines = async () => (await log.lines()).filter((line) => line.startsWith('warn c:'));
  const told = (what: string) => until(async () => (await lines()).length > 0 && lines(), what);
  return { port: ports.l, lines, told };
}

/** A session that is over. */
async function tried(t: TestContext, port: number): Promise<void> {
  const client = await connectStream(t, { port });
  client.send('x');
  await until(() => client.closed !== undefined || client.ended, 'it is over');
}

test('a TCP endpoint that resets what it has accepted', async (t) => {
  const live = await serveStream(t);
  const resets = await serveStream(t, { reply: (_data, peer) => void peer.reset() });
  const { port, lines, told } = await start(t, {
    spec: { protocol: 'TCP', port: 1 },
    endpoints: [resets.port, live.port],
  });
  await until(async () => {
    const client = await connectStream(t, { port });
    client.send('x');
    await until(() => client.closed !== undefined || client.ended || client.messages.length > 0, 'something');
    client.close();
    return (await lines()).length > 0;
  }, 'the line');
  const [line = ''] = await told('the line');
  assert.match(
    line,
    new RegExp(`endpoint e0 \\(127\\.0\\.0\\.1, port ${resets.port}\\) is down: .*ECONNRESET \\(3 times`),
  );
  for (let n = 0; n < 4; n++) assert.equal(await ask(await connectStream(t, { port }), 'x'), 'x');
  assert.equal((await lines()).length, 1);
});

test('an HTTP endpoint that does not answer; it is back with its first answer, not with a connection', async (t) => {
  let serves = false;
  const answer = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
  const hangs = await serveStream(t, { reply: () => (serves ? answer : undefined) });
  const { port, lines } = await start(t, {
    source: { protocol: 'HTTP' },
    spec: { protocol: 'HTTP', port: 1 },
    endpoints: [hangs.port],
    options: { response_timeout: 20, connect_timeout: LONG, fail_timeout: 1 },
    wait: 1,
  });
  const get = async () => (await request({ port, path: '/' })).status;
  for (let n = 0; n < 5; n++) assert.equal(await get(), 504);
  await until(async () => (await lines()).length > 0, 'the first line');
  assert.match((await lines())[0] ?? '', /e0 .* is down: no answer within the response timeout \(3 times/);
  serves = true;
  await until(async () => (await get()) === 200, 'it answers');
  await until(async () => (await lines()).length > 1, 'the second line');
  assert.match((await lines())[1] ?? '', /endpoint e0 .* answers again/);
  assert.equal((await lines()).length, 2);
});

test('a UDP endpoint that is not there', async (t) => {
  const live = await serveDatagram(t);
  const dead = await freePort();
  const { port, lines } = await start(t, {
    source: { protocol: 'UDP' },
    spec: { protocol: 'UDP', port: 1 },
    endpoints: [dead, live.port],
    options: { fail_timeout: 1 },
  });
  // A session that is not answered goes on: the endpoint may come back.
  const alone = await connectDatagram(t, port);
  await until(async () => {
    alone.send('x');
    return (await lines()).length > 0;
  }, 'the line');
  assert.match((await lines())[0] ?? '', /endpoint e0 .* is down: .*ECONNREFUSED \(3 times/);
  await serveDatagram(t, { port: dead });
  await until(async () => {
    alone.send('x');
    const client = await connectDatagram(t, port);
    client.send('x');
    return (await lines()).length > 1;
  }, 'it is back');
  assert.match((await lines())[1] ?? '', /endpoint e0 .* answers again/);
});

test('an endpoint whose certificate does not hold', async (t) => {
  const authority = await Authority.make((end) => t.after(end));
  const live = await serveSecure(t, texts(await authority.issue()));
  const { port, told } = await start(t, {
    spec: { protocol: 'TCP', port: live.port, tls: true },
    endpoints: [live.port],
  });
  await tried(t, port);
  const [line = ''] = await told('the line');
  assert.match(line, /endpoint e0 .* is down: 127\.0\.0\.1: TLS: .*certificate/);
});

for (const [what, command, text] of [
  ['cannot be run', ['/nonexistent/program'], /is down: cannot run \/nonexistent\/program: ENOENT/],
  ['fails', ['/bin/false'], /is down: child \d+ has exited with status 1 \(3 times/],
] as const) {
  test(`a program that ${what}`, async (t) => {
    const { port, lines, told } = await start(t, { spec: { protocol: 'STDIO-fork', command } });
    for (let n = 0; n < 5; n++) await tried(t, port);
    const [line = ''] = await told('the line');
    assert.match(line, text);
    assert.equal((await lines()).length, 1);
  });
}
