/** What a proxy refuses when it is full, and what it still does then. */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import * as net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { WebSocket } from 'ws';
import { engines } from '../../src/io/testing.ts';
import { readSystem } from '../../src/limits/system.ts';
import { until } from '../../src/testing/until.ts';
import { ask, connectDatagram, connectStream } from '../support/peers.ts';
import { listener, request, startProxy, type TestProxy } from '../support/proxy.ts';

const HOST = '127.0.0.1';
const { descriptors } = readSystem();
const noDescriptors = Number.isFinite(descriptors) ? false : 'the system does not say how many descriptors there are';

/** Descriptors that traffic has in these tests, beside those that the process has open. */
const ROOM = 100;

const open = (): number => readdirSync('/proc/self/fd').length;

/** The settings that leave few descriptors to traffic. */
const few = () => ({ limits: { reserved_descriptors: descriptors - open() - ROOM } });

const to = (transport: object) => ({ spec: transport, endpoints: [{ spec: { address: HOST } }] });
const echo = { destination: { spec: { protocol: 'Echo' } } };

/** The value of a metric; 0 where there is none. */
async function metric(port: number, series: string): Promise<number> {
  const { text } = await request({ port, path: '/metrics' });
  const line = text.split('\n').find((one) => one.startsWith(`${series} `));
  return line === undefined ? 0 : Number(line.slice(series.length + 1));
}

const metrics = (port: number): object =>
  listener('metrics', { protocol: 'HTTP', port, address: HOST }, { destination: { spec: { protocol: 'Prometheus' } } });

/** More connections than any of these tests lets in. */
const MANY = 2000;

/** Connections that say nothing, one after the other, until one is closed. */
async function fill(t: TestContext, port: number): Promise<net.Socket[]> {
  const sockets: net.Socket[] = [];
  t.after(() => {
    for (const socket of sockets) socket.destroy();
  });
  while (!sockets.some(({ destroyed }) => destroyed)) {
    assert.ok(sockets.length < MANY, 'all are taken');
    const socket = net.connect({ host: HOST, port });
    socket.on('error', () => {});
    // Who does not read does not see an end.
    socket.resume();
    sockets.push(socket);
    await new Promise((resolve) => socket.once('connect', resolve).once('close', resolve));
  }
  return sockets;
}

/** The status that answers a WebSocket handshake. */
async function upgradeStatus(port: number): Promise<number | undefined> {
  const socket = new WebSocket(`ws://${HOST}:${port}`);
  socket.on('error', () => {});
  const status = await new Promise<number | undefined>((resolve) => {
    socket.once('unexpected-response', (_req, { statusCode }) => resolve(statusCode));
  });
  socket.terminate();
  return status;
}

/** Waits until a listener has refused something, whyever. */
async function refuses(proxy: TestProxy, port: number, name: string): Promise<void> {
  const series = `listener_rejects_total{listenerName="${name}"`;
  const refused = async (): Promise<boolean> => (await request({ port, path: '/metrics' })).text.includes(series);
  const failed = async (): Promise<boolean> => (await metric(port, 'l7mp_refused_total{reason="descriptors"}')) > 0;
  await until(async () => (await refused()) || (await failed()), `${name} refuses, or a connection for it`);
  assert.equal((await proxy.api('GET', 'admin')).status, 200);
}

const LOOPS: Record<string, { spec: (port: number) => object; begin: (t: TestContext, port: number) => void }> = {
  UDP: {
    spec: (port) => ({ protocol: 'UDP', port }),
    begin: async (t, port) => (await connectDatagram(t, port)).send('round'),
  },
  TCP: {
    spec: (port) => ({ protocol: 'TCP', port }),
    begin: async (t, port) => (await connectStream(t, { port })).send('round'),
  },
  WebSocket: {
    spec: (port) => ({ protocol: 'WebSocket', port }),
    begin: (t, port) => {
      const socket = new WebSocket(`ws://${HOST}:${port}`);
      socket.on('error', () => {});
      t.after(() => socket.terminate());
    },
  },
  'JSONSocket over TCP': {
    spec: (port) => ({ protocol: 'JSONSocket', transport: { protocol: 'TCP', port } }),
    begin: async (t, port) => (await connectStream(t, { port })).send('{"JSONSocketVersion":1}\n'),
  },
  'JSONSocket over UDP': {
    spec: (port) => ({ protocol: 'JSONSocket', transport: { protocol: 'UDP', port } }),
    begin: async (t, port) => (await connectDatagram(t, port)).send('{"JSONSocketVersion":1}'),
  },
};

for (const { name, admin, skip } of engines()) {
  describe(`a proxy on the ${name} engine`, { skip: skip || noDescriptors, timeout: 600_000 }, () => {
    for (const [protocol, { spec, begin }] of Object.entries(LOOPS)) {
      test(`whose ${protocol} listener routes to itself keeps descriptors for the API`, async (t) => {
        const { proxy, ports } = await startProxy(t, ['l', 'm'], ({ l, m }) => ({
          admin: { ...admin, ...few() },
          listeners: [metrics(m), listener('l', spec(l), { destination: to(spec(l)) })],
        }));
        await begin(t, ports.l);
        await refuses(proxy, ports.m, 'l');
        assert.equal((await proxy.api('DELETE', 'listeners/l?recursive=true')).status, 200);
      });
    }

    test('whose descriptors are taken by silent clients closes more at once, and answers the API', async (t) => {
      const { proxy, ports } = await startProxy(t, ['l', 'h', 'm'], ({ l, h, m }) => ({
        admin: { ...admin, ...few() },
        listeners: [
          metrics(m),
          listener('l', { protocol: 'TCP', port: l }, echo, { options: { max_sessions_per_source: MANY } }),
          listener('h', { protocol: 'HTTP', port: h }, echo),
        ],
      }));
      const tcp = await fill(t, ports.l);
      await fill(t, ports.h);
      const series = `listener_rejects_total{listenerName="l",protocol="TCP",reason="descriptors"}`;
      await until(async () => (await metric(ports.m, series)) > 0, 'the listener counts it');
      assert.equal((await proxy.api('GET', 'listeners')).status, 200);
      for (const socket of tcp) socket.destroy();
      await until(async () => {
        const client = await connectStream(t, { port: ports.l });
        client.send('again');
        await until(() => client.messages.length > 0 || client.ended || client.closed, 'an answer, or an end');
        return client.messages.join('') === 'again';
      }, 'there is room again');
    });

    test('is reached by others, and by the API, while one client fills it with silent connections', async (t) => {
      const { proxy, ports } = await startProxy(t, ['j', 'h', 'm'], ({ j, h, m }) => ({
        admin: { ...admin, ...few() },
        listeners: [
          metrics(m),
          listener('j', { protocol: 'JSONSocket', transport: { protocol: 'TCP', port: j } }, echo),
          listener('h', { protocol: 'HTTP', port: h }, echo),
        ],
      }));
      const http = (port: number, path = '/'): Promise<number | undefined> =>
        request({ port, path }).then(
          ({ status }) => status,
          () => undefined,
        );
      const shake = async (): Promise<string> => {
        const client = await connectStream(t, { port: ports.j });
        client.send('{"JSONSocketVersion":1}\n');
        await until(() => client.messages.length > 0 || client.ended || client.closed, 'an answer, or an end');
        client.close();
        return client.messages.join('');
      };
      for (const port of [ports.j, ports.h, proxy.port]) {
        await fill(t, port);
        // The clients have their descriptors in this process too, and close them when they see the end.
        await until(async () => (await shake()).includes('"JSONSocketStatus":200'), 'a JSONSocket client is taken');
        await until(async () => (await http(ports.h)) === 200, 'an HTTP client is taken');
        await until(async () => (await http(proxy.port, '/api/v1/admin')) === 200, 'the API answers');
      }
    });

    test('counts its connections, refuses more than it may have, and forgets those that are gone', async (t) => {
      const options = { max_sessions_per_source: 100 };
      const { proxy, ports } = await startProxy(t, ['l', 'm', 'u'], ({ l, m, u }) => ({
        admin: { ...admin, limits: { max_connections: 8 } },
        listeners: [
          metrics(m),
          listener('l', { protocol: 'TCP', port: l }, { destination: to({ protocol: 'TCP', port: u }) }, { options }),
          listener('u', { protocol: 'TCP', port: u }, echo, { options }),
        ],
      }));
      const clients = await fill(t, ports.l);
      assert.ok((await metric(ports.m, 'l7mp_refused_total{reason="max-connections"}')) > 0);
      for (const socket of clients) socket.destroy();
      await proxy.noSession('l');
      // That of the question itself is left, and that of the one before perhaps.
      await until(async () => (await metric(ports.m, 'l7mp_connections')) <= 2, 'all are gone');
      const client = await connectStream(t, { port: ports.l });
      assert.equal(await ask(client, 'hello'), 'hello');
    });

    test('lets UDP sessions that nobody was heard of again give way to new peers', async (t) => {
      const { proxy, ports } = await startProxy(t, ['l', 'm'], ({ l, m }) => ({
        admin,
        listeners: [metrics(m), listener('l', { protocol: 'UDP', port: l }, echo, { options: { max_sessions: 4 } })],
      }));
      const live = await connectDatagram(t, ports.l);
      assert.equal(await ask(live, 'one'), 'one');
      assert.equal(await ask(live, 'two'), 'two');
      for (let n = 0; n < 3; n++) assert.equal(await ask(await connectDatagram(t, ports.l), 'gone'), 'gone');
      const late = await connectDatagram(t, ports.l);
      await until(() => {
        late.send('let me in');
        return late.messages.length > 0;
      }, 'it is answered');
      const reason = 'listener_rejects_total{listenerName="l",protocol="UDP",reason="max-sessions"}';
      assert.ok((await metric(ports.m, reason)) > 0);
      assert.equal(await metric(ports.m, 'l7mp_sessions_evicted_total'), 1);
      assert.equal(await ask(live, 'three'), 'three');
      assert.equal((await proxy.sessions('l')).length, 4);
    });

    test('counts the sessions of an address, and takes those of others', async (t) => {
      const options = { max_sessions_per_source: 2 };
      const { ports } = await startProxy(t, ['t', 'u', 'm'], ({ t: tcp, u, m }) => ({
        admin,
        listeners: [
          metrics(m),
          listener('t', { protocol: 'TCP', port: tcp }, echo, { options }),
          listener('u', { protocol: 'UDP', port: u }, echo, { options }),
        ],
      }));
      const from = async (localAddress: string): Promise<net.Socket> => {
        const socket = net.connect({ host: HOST, port: ports.t, localAddress });
        socket.on('error', () => {});
        t.after(() => socket.destroy());
        socket.write('hello');
        await new Promise((resolve) => socket.once('data', resolve).once('close', resolve));
        return socket;
      };
      const all = [await from('127.0.0.2'), await from('127.0.0.2'), await from('127.0.0.2'), await from('127.0.0.3')];
      assert.deepEqual(
        all.map(({ bytesRead }) => bytesRead),
        [5, 5, 0, 5],
      );
      all[0]?.destroy();
      await until(async () => (await from('127.0.0.2')).bytesRead > 0, 'there is room for one more');
      for (let n = 0; n < 2; n++) assert.equal(await ask(await connectDatagram(t, ports.u), 'hello'), 'hello');
      (await connectDatagram(t, ports.u)).send('hello');
      for (const [name, protocol] of [
        ['t', 'TCP'],
        ['u', 'UDP'],
      ]) {
        const series = `listener_rejects_total{listenerName="${name}",protocol="${protocol}",reason="max-sessions-per-source"}`;
        await until(async () => (await metric(ports.m, series)) > 0, `a refusal of ${name}`);
      }
    });
  });
}

const FULL: Record<string, object> = {
  'has as many sessions as it may': { max_sessions: 0 },
  'has no memory left': { memory: 1 << 20 },
};

for (const [state, limits] of Object.entries(FULL)) {
  test(`a proxy that ${state} tells clients so, and answers the API on the same listener`, async (t) => {
    const { proxy, ports } = await startProxy(t, ['both', 'h', 'w', 'j', 't', 'm'], ({ both, h, w, j, t: tcp, m }) => ({
      admin: { limits },
      listeners: [
        metrics(m),
        {
          name: 'both',
          spec: { protocol: 'HTTP', port: both },
          rules: [
            {
              match: { op: 'starts', path: '/HTTP/url/path', value: '/api' },
              action: { route: { destination: { spec: { protocol: 'L7mpController' } } } },
            },
            { action: { route: echo } },
          ],
        },
        listener('h', { protocol: 'HTTP', port: h }, echo),
        listener('w', { protocol: 'WebSocket', port: w }, echo),
        listener('j', { protocol: 'JSONSocket', transport: { protocol: 'TCP', port: j } }, echo),
        listener('t', { protocol: 'TCP', port: tcp }, echo),
      ],
    }));
    for (const port of [ports.h, ports.both]) {
      const { status, headers } = await request({ port, path: '/' });
      assert.deepEqual([status, port === ports.both || headers['retry-after'] !== undefined], [503, true]);
    }
    assert.equal(await upgradeStatus(ports.w), 503);
    const json = await connectStream(t, { port: ports.j });
    assert.match(await ask(json, '{"JSONSocketVersion":1}\n'), /"JSONSocketStatus":503/);
    const tcp = await connectStream(t, { port: ports.t });
    await until(() => tcp.ended || tcp.closed, 'it is closed at once');
    assert.equal((await request({ port: ports.both, path: '/api/v1/admin' })).status, 200);
    await Promise.all(Array.from({ length: 20 }, () => proxy.ok('GET', 'sessions')));
    const [reason] = Object.keys(limits).map((field) => field.replace('_', '-'));
    assert.ok((await metric(ports.m, `l7mp_refused_total{reason="${reason}"}`)) >= 5);
    await proxy.ok('POST', 'admin', { admin: { limits: { max_sessions: 100, memory: 2 ** 40 } } });
    assert.equal((await request({ port: ports.h, path: '/' })).status, 200);
  });
}

test('a listener that has too many sessions says so: 429 on HTTP, before the upgrade on WebSocket', async (t) => {
  const options = { max_sessions: 0 };
  const { ports } = await startProxy(t, ['h', 'w'], ({ h, w }) => ({
    listeners: [
      listener('h', { protocol: 'HTTP', port: h }, echo, { options }),
      listener('w', { protocol: 'WebSocket', port: w }, echo, { options }),
    ],
  }));
  const { status, headers } = await request({ port: ports.h, path: '/' });
  assert.deepEqual([status, headers['retry-after']], [429, '1']);
  assert.equal(await upgradeStatus(ports.w), 429);
});

test('limits are derived from the system, shown, and changed while the proxy runs', async (t) => {
  const { proxy } = await startProxy(t, [], () => ({}));
  const { limits } = await proxy.ok('GET', 'admin');
  const { memory } = readSystem();
  assert.equal(limits.memory, Math.floor(memory * 0.8));
  if (!noDescriptors) assert.equal(limits.max_connections + limits.reserved_descriptors, descriptors);
  await proxy.ok('POST', 'admin', { admin: { limits: { max_sessions: 7 } } });
  assert.deepEqual((await proxy.ok('GET', 'admin')).limits, { ...limits, max_sessions: 7 });
});

test('a thousand refusals are a line of the log', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'l7mp-limits-'));
  t.after(() => rm(folder, { recursive: true }));
  const log = join(folder, 'log');
  const { proxy, ports } = await startProxy(t, ['u'], ({ u }) => ({
    admin: { log_level: 'warn', log_file: log, limits: { max_sessions: 0 } },
    listeners: [listener('u', { protocol: 'UDP', port: u, address: HOST }, echo)],
  }));
  const client = await connectDatagram(t, ports.u);
  const refused = async (): Promise<number> =>
    (await readFile(log, 'utf8')).split('\n').filter((line) => line.includes('max-sessions')).length;
  for (let n = 0; n < 1000; n++) client.send('hello');
  await until(async () => (await refused()) > 0, 'it is said');
  await proxy.proxy.stop();
  assert.ok((await refused()) <= 2);
});
