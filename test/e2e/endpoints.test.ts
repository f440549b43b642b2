/** Which endpoint a session gets when some cannot be reached: within a round of attempts, and between sessions. */
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { type TestContext, test } from 'node:test';
import { freePort } from '../../src/testing/ports.ts';
import { until } from '../../src/testing/until.ts';
import { type TestLog, testLog } from '../support/log.ts';
import { ask, connectStream, connectWebSocket, received, serveStream, serveWebSocket } from '../support/peers.ts';
import { listener, PLANES, request, startProxy, THREADS } from '../support/proxy.ts';

const [LIVE, DEAD, OTHER] = ['127.0.0.1', '127.0.0.2', '127.0.0.3'];

/** Longer than any test waits: what passes does not wait for it. */
const NEVER = 3_600_000;

interface Cluster {
  readonly protocol?: string;
  readonly port: number;
  readonly endpoints: string[];
  readonly policy?: string;
  readonly retry?: object;
  readonly options?: object;
  readonly log?: TestLog;
  readonly threads?: number;
}

/** A proxy whose listener `l` leads to a cluster `c` with endpoints `e0`, `e1`, … on one port. */
function start(t: TestContext, { protocol = 'TCP', port, endpoints, policy, retry, options, log, threads }: Cluster) {
  const destination = {
    name: 'c',
    spec: { protocol, port },
    endpoints: endpoints.map((address, n) => ({ name: `e${n}`, spec: { address } })),
    ...(policy !== undefined && { loadbalancer: { policy } }),
    options: { connect_timeout: 10_000, fail_timeout: NEVER / 16, ...options },
  };
  return startProxy(t, ['l'], ({ l }) => ({
    admin: { ...log?.admin, ...(threads !== undefined && { threads }) },
    listeners: [listener('l', { protocol, port: l }, { destination, retry }, { options: { track: 60 } })],
  }));
}

// biome-ignore lint/suspicious/noExplicitAny: as the API shows them.
const failuresOf = (sessions: any[]) =>
  sessions.flatMap(({ events }) => events.filter(({ message }: { message: string }) => message.startsWith('stage c')));

// -------------------------------------------------------------------- rounds

for (const retry_on of ['connect-failure', 'always']) {
  test(`endpoints that were not tried are tried at once, whatever the wait (${retry_on})`, async (t) => {
    const server = await serveStream(t);
    const endpoints = [DEAD, OTHER, LIVE];
    const retry = { retry_on, num_retries: 2, timeout: NEVER };
    const { ports } = await start(t, { port: server.port, endpoints, retry });
    const client = await connectStream(t, { port: ports.l });
    assert.equal(await ask(client, 'x'), 'x');
  });
}

test('an attempt that runs out of time is followed by another endpoint at once', async (t) => {
  const port = await freePort();
  await serveStream(t, { port, host: DEAD, reply: () => undefined });
  await serveWebSocket(t, { port });
  const retry = { retry_on: 'always', num_retries: 1, timeout: NEVER };
  // The second attempt has as little time as the first one.
  const options = { connect_timeout: 1000 };
  const { ports } = await start(t, { protocol: 'WebSocket', port, endpoints: [DEAD, LIVE], retry, options });
  const client = await connectWebSocket(t, ports.l);
  assert.equal(await ask(client, 'x'), 'x');
});

test('an attempt that takes its time is joined by one at another endpoint, and the first answer counts', async (t) => {
  const port = await freePort();
  let answers = false;
  const slow = await serveStream(t, {
    port,
    host: DEAD,
    reply: () => (answers ? 'HTTP/1.1 503 No\r\n\r\n' : undefined),
  });
  await serveWebSocket(t, { port });
  const log = await testLog(t, 'warn');
  const { proxy, ports } = await start(t, {
    protocol: 'WebSocket',
    port,
    endpoints: [DEAD, LIVE],
    retry: { retry_on: 'connect-failure', num_retries: 1, timeout: NEVER },
    options: { connect_timeout: NEVER },
    log,
    threads: Math.min(1, THREADS.threads),
  });
  const client = await connectWebSocket(t, ports.l);
  assert.equal(await ask(client, 'x'), 'x');
  assert.equal((await proxy.session('l', 'CONNECTED')).destination.endpoint.name, 'e1');
  // What becomes of the slow one is no matter of the session, and known to the next ones.
  answers = true;
  for (const peer of slow.peers) peer.send('HTTP/1.1 503 No\r\n\r\n');
  await until(async () => (await log.lines()).length > 0, 'the line');
  assert.match((await log.lines())[0] ?? '', /endpoint e0 .* is down: .*503/);
  assert.equal(await ask(client, 'y'), 'y');
});

test('no session waits for an endpoint that could not be reached, or fails because of it, while there are others', async (t) => {
  const server = await serveStream(t);
  const { ports } = await start(t, {
    port: server.port,
    endpoints: [DEAD, LIVE],
    options: { fail_timeout: 1 },
    threads: Math.min(1, THREADS.threads),
  });
  const first = await connectStream(t, { port: ports.l });
  await until(() => first.closed !== undefined || first.ended, 'it is refused');
  for (let n = 0; n < 20; n++) assert.equal(await ask(await connectStream(t, { port: ports.l }), 'x'), 'x');
});

test('a session whose endpoint breaks goes to one that it has not tried at once', async (t) => {
  const port = await freePort();
  await serveStream(t, { port, host: OTHER, reply: (_data, peer) => void peer.reset() });
  const server = await serveStream(t, { port });
  const retry = { retry_on: 'disconnect', num_retries: 3, timeout: NEVER };
  const { proxy, ports } = await start(t, { port, endpoints: [OTHER, DEAD, LIVE], retry });
  const client = await connectStream(t, { port: ports.l });
  client.send('x');
  await until(() => server.peers.length === 1, 'it is connected to the one that is left');
  await proxy.session('l');
  client.send('y');
  assert.equal((await received(client, 1)).toString(), 'y');
});

test('rounds are the wait apart, also where every endpoint takes connections only to drop them', async (t) => {
  const port = await freePort();
  const drop = { port, onPeer: (peer: { reset(): void }) => peer.reset() };
  const servers = [await serveStream(t, drop), await serveStream(t, { ...drop, host: OTHER })];
  const retry = { retry_on: 'always', num_retries: 1000, timeout: NEVER };
  const { proxy, ports } = await start(t, { port, endpoints: [LIVE, OTHER], retry });
  await connectStream(t, { port: ports.l });
  const tried = () => servers.map(({ peers }) => peers.length);
  await until(() => tried().every((n) => n > 0), 'each was tried');
  await until(async () => (await proxy.sessions('l'))[0].destination.status === 'RETRYING', 'it waits');
  assert.deepEqual(tried(), [1, 1]);
});

// -------------------------------------------------------------------- memory

for (const policy of ['LeastSessions', 'RoundRobin', 'Random', 'ConsistentHash', 'Trivial']) {
  test(`${policy}: what one session could not reach is no candidate for the next ones`, async (t) => {
    const server = await serveStream(t);
    const retry = { retry_on: 'connect-failure', num_retries: 1, timeout: NEVER };
    const { proxy, ports } = await start(t, { port: server.port, endpoints: [DEAD, LIVE], policy, retry });
    for (let n = 0; n < 20; n++) {
      const client = await connectStream(t, { port: ports.l });
      assert.equal(await ask(client, 'x'), 'x');
    }
    assert.ok(failuresOf(await proxy.sessions('l')).length <= PLANES);
  });
}

test('where all have failed, all are candidates', async (t) => {
  const port = await freePort();
  const { proxy, ports } = await start(t, { port, endpoints: [LIVE, DEAD], policy: 'LeastSessions' });
  for (let n = 0; n < 2; n++) {
    const client = await connectStream(t, { port: ports.l });
    await until(() => client.closed !== undefined || client.ended, 'it is refused');
  }
  await serveStream(t, { port });
  await serveStream(t, { port, host: DEAD });
  const client = await connectStream(t, { port: ports.l });
  assert.equal(await ask(client, 'x'), 'x');
  assert.equal(failuresOf(await proxy.sessions('l')).length, 2);
});

test('an endpoint that is back is found by one session at a time, when its time is over', async (t) => {
  const server = await serveStream(t);
  const { proxy, ports } = await start(t, {
    port: server.port,
    endpoints: [DEAD, LIVE],
    retry: { retry_on: 'connect-failure', num_retries: 1, timeout: NEVER },
    options: { fail_timeout: 1 },
  });
  assert.equal(await ask(await connectStream(t, { port: ports.l }), 'x'), 'x');
  await serveStream(t, { port: server.port, host: DEAD, reply: () => 'back' });
  await until(async () => (await ask(await connectStream(t, { port: ports.l }), 'x')) === 'back', 'it is used again');
  // From then on the first endpoint has them all.
  assert.equal(await ask(await connectStream(t, { port: ports.l }), 'x'), 'back');
  assert.ok(failuresOf(await proxy.sessions('l')).length >= 1);
});

test('LeastSessions counts those that are connecting', async (t) => {
  const port = await freePort();
  const handshakes: string[] = [];
  // Neither answers the handshake: nothing is ever connected.
  for (const host of [LIVE, OTHER]) {
    await serveStream(t, { port, host, reply: () => void handshakes.push(host) });
  }
  const { proxy, ports } = await start(t, {
    protocol: 'WebSocket',
    port,
    endpoints: [LIVE, OTHER],
    policy: 'LeastSessions',
    options: { connect_timeout: NEVER },
  });
  // The next one takes the endpoint with fewer, whose turn it is not.
  await connectWebSocket(t, ports.l);
  const second = await connectWebSocket(t, ports.l);
  await until(() => handshakes.length === 2, 'two are connecting');
  assert.deepEqual(handshakes.toSorted(), [LIVE, OTHER]);
  second.reset();
  await proxy.session('l', 'DESTROYED');
  await connectWebSocket(t, ports.l);
  await until(() => handshakes.length === 3, 'another one');
  assert.deepEqual(handshakes.toSorted(), [LIVE, OTHER, OTHER]);
});

for (const [what, answer, avoided] of [
  ['answers 404', 'HTTP/1.1 404 No\r\n\r\n', false],
  ['answers 503', 'HTTP/1.1 503 No\r\n\r\n', true],
  ['closes without an answer', '', true],
] as const) {
  test(`a WebSocket endpoint that ${what} is ${avoided ? 'avoided' : 'used as before'}`, async (t) => {
    const port = await freePort();
    const refusing = createServer().on('upgrade', (_req, socket) => socket.end(answer));
    refusing.listen(port, OTHER);
    t.after(() => refusing.close());
    await serveWebSocket(t, { port });
    const { proxy, ports } = await start(t, {
      protocol: 'WebSocket',
      port,
      endpoints: [OTHER, LIVE],
      retry: { retry_on: 'connect-failure', num_retries: 1, timeout: NEVER },
    });
    for (let n = 0; n < 3; n++) assert.equal(await ask(await connectWebSocket(t, ports.l), 'x'), 'x');
    const failures = failuresOf(await proxy.sessions('l')).length;
    assert.ok(avoided ? failures >= 1 && failures <= PLANES : failures === 3, `${failures} failures`);
  });
}

// -------------------------------------------------------------------- the log

test('an endpoint that goes down is one warning, and one when it answers again', async (t) => {
  const port = await freePort();
  const log = await testLog(t, 'warn');
  // Each worker tells of what it has found out.
  const threads = Math.min(1, THREADS.threads);
  const { ports } = await start(t, { port, endpoints: [LIVE], log, threads });
  for (let n = 0; n < 3; n++) {
    const client = await connectStream(t, { port: ports.l });
    await until(() => client.closed !== undefined || client.ended, 'it is refused');
  }
  const server = await serveStream(t, { port });
  for (let n = 0; n < 2; n++) assert.equal(await ask(await connectStream(t, { port: ports.l }), 'x'), 'x');
  await server.stop();
  await until(async () => {
    const client = await connectStream(t, { port: ports.l });
    await until(() => client.closed !== undefined || client.ended, 'it is refused');
    return (await log.lines()).length >= 3;
  }, 'the second warning');
  const text = (await log.lines()).filter((line) => line.startsWith('warn c:'));
  assert.equal(text.length, 3);
  assert.match(
    text[0] ?? '',
    /^warn c: endpoint e0 \(127\.0\.0\.1\) is down: .*ECONNREFUSED.*; 1 session affected, 0 still/,
  );
  assert.match(
    text[1] ?? '',
    /^warn c: endpoint e0 \(127\.0\.0\.1\) answers again after \d+\.\d s; 3 attempts failed$/,
  );
  assert.match(text[2] ?? '', /is down: .*ECONNREFUSED.*; [12] sessions? affected/);
});

test('at info a session that fails is one line, with the address once', async (t) => {
  const port = await freePort();
  const log = await testLog(t, 'info');
  const { proxy, ports } = await start(t, { port, endpoints: [LIVE], log });
  await connectStream(t, { port: ports.l });
  await proxy.session('l', 'DESTROYED');
  const told = async () => (await log.lines()).filter((line) => line.startsWith('info TCP:'));
  await until(async () => (await told()).length > 0, 'the line');
  const lines = await told();
  assert.equal(lines.length, 1);
  assert.match(lines[0] ?? '', /: ERROR: stage c: .*ECONNREFUSED/);
  assert.equal((lines[0] ?? '').split(`127.0.0.1:${port}`).length, 2);
});

// -------------------------------------------------------------------- metrics

test('failures, retries, bytes and state of each endpoint are metrics, while its sessions live and after', async (t) => {
  const server = await serveStream(t, { allowHalfOpen: false });
  const destination = {
    name: 'c',
    spec: { protocol: 'TCP', port: server.port },
    endpoints: [
      { name: 'dead', spec: { address: DEAD } },
      { name: 'live', spec: { address: LIVE } },
    ],
  };
  const retry = { retry_on: 'connect-failure', num_retries: 1, timeout: NEVER };
  const { proxy, ports } = await startProxy(t, ['l', 'metrics'], ({ l, metrics }) => ({
    listeners: [
      listener('l', { protocol: 'TCP', port: l }, { destination, retry }),
      listener(
        'metrics',
        { protocol: 'HTTP', port: metrics, address: LIVE },
        { destination: { spec: { protocol: 'Prometheus' } } },
      ),
    ],
  }));
  const client = await connectStream(t, { port: ports.l });
  assert.equal(await ask(client, 'hello'), 'hello');
  const expected = [
    'cluster_endpoint_failures_total{clusterName="c",endpointName="dead"} 1',
    'cluster_endpoint_failures_total{clusterName="c",endpointName="live"} 0',
    'cluster_endpoint_retries_total{clusterName="c",endpointName="live"} 1',
    'cluster_endpoint_bytes_total{clusterName="c",endpointName="live",direction="in"} 5',
    'cluster_endpoint_bytes_total{clusterName="c",endpointName="live",direction="out"} 5',
    'cluster_endpoint_bytes_total{clusterName="c",endpointName="dead",direction="in"} 0',
    'cluster_endpoint_up{clusterName="c",endpointName="dead"} 0',
    'cluster_endpoint_up{clusterName="c",endpointName="live"} 1',
    'cluster_failures_total{clusterName="c",protocol="TCP"} 1',
    'cluster_retries_total{clusterName="c",protocol="TCP"} 1',
    'cluster_bytes_total{clusterName="c",protocol="TCP",direction="out"} 5',
  ];
  const missing = async () => {
    const lines = (await request({ port: ports.metrics })).text.split('\n');
    return expected.filter((line) => !lines.includes(line));
  };
  assert.deepEqual(await missing(), []);
  client.end();
  await proxy.noSession('l');
  assert.deepEqual(await missing(), []);
});
