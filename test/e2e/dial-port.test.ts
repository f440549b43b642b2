/** A cluster's port that is taken from the session's metadata: ranges of ports are mapped one to one. */
import assert from 'node:assert/strict';
import * as http from 'node:http';
import { type TestContext, test } from 'node:test';
import { engines } from '../../src/io/testing.ts';
import { openOffload } from '../../src/offload/open.ts';
import { freePorts } from '../../src/testing/ports.ts';
import { until } from '../../src/testing/until.ts';
import { refused } from '../support/config.ts';
import { ask, connectDatagram, connectStream, serveDatagram, serveStream, serveWebSocket } from '../support/peers.ts';
import { listener, request, startProxy, THREADS } from '../support/proxy.ts';

const HOST = '127.0.0.1';
const COUNT = 8;

/** Ports of a listener, and as many of servers, each of which answers with its number. */
async function ranges(t: TestContext, serve: (t: TestContext, port: number, name: string) => Promise<unknown>) {
  const [own, first] = [await freePorts(COUNT), await freePorts(COUNT)];
  for (let n = 0; n < COUNT; n++) await serve(t, first + n, `server ${n}`);
  return { own, ports: `${own}-${own + COUNT - 1}`, offset: first - own };
}

const mapped = (protocol: string, transport: string, offset: number) => ({
  destination: {
    spec: { protocol, port: { path: `/${transport}/dst_port`, offset } },
    endpoints: [{ spec: { address: HOST } }],
  },
});

async function whyNoOffload(): Promise<string | false> {
  const offload = openOffload({ interfaces: ['lo'] });
  const { on, why } = offload.status();
  await offload.close();
  return on ? false : `no kernel offload here: ${why}`;
}

const noOffload = await whyNoOffload();
const noNative = engines().find(({ name }) => name === 'native')?.skip ?? false;

const RUNGS = [
  { rung: 'userspace', admin: { io: 'node' }, skip: false },
  { rung: 'native', admin: { io: 'native' }, skip: noNative },
  { rung: 'native', admin: { io: 'native', threads: 2 }, skip: noNative },
  { rung: 'kernel', admin: { io: 'native', offload: 'init', offload_ifs: 'lo' }, skip: noNative || noOffload },
] as const;

for (const { rung, admin, skip } of RUNGS) {
  test(`a range of UDP ports is mapped one to one by one rule, on the ${rung} rung (${JSON.stringify(admin)})`, {
    skip,
  }, async (t) => {
    const { own, ports, offset } = await ranges(t, (t, port, name) =>
      serveDatagram(t, { port, reply: (bytes: Buffer) => `${name}: ${bytes}` }),
    );
    const { proxy } = await startProxy(t, [], () => ({
      admin,
      listeners: [listener('rtp', { protocol: 'UDP', ports, address: HOST }, mapped('UDP', 'UDP', offset))],
    }));
    const clients = [];
    for (let n = 0; n < COUNT; n++) clients.push(await connectDatagram(t, own + n));
    for (let round = 0; round < 3; round++)
      for (const [n, client] of clients.entries()) assert.equal(await ask(client, `${round}`), `server ${n}: ${round}`);
    const sessions = await proxy.sessions('rtp');
    assert.deepEqual(
      sessions.map(({ metadata }) => metadata.UDP.dst_port).sort((a, b) => a - b),
      clients.map((_, n) => own + n),
    );
    for (const { pipes } of sessions) assert.deepEqual(pipes, [rung, rung]);
    assert.equal(
      (await proxy.ok('GET', 'rules')).filter(({ name }: { name: string }) => name.startsWith('rtp')).length,
      1,
    );
  });
}

test('TCP, WebSocket and HTTP clusters take the port from the session, too', async (t) => {
  const tcp = await ranges(t, (t, port, name) => serveStream(t, { port, reply: () => name }));
  const ws = await ranges(t, (t, port, name) => serveWebSocket(t, { port, reply: () => name }));
  const web = await ranges(t, async (t, port, name) => {
    const server = http.createServer((req, res) => res.end(`${name} ${req.headers.host}`)).listen(port, HOST);
    t.after(() => server.close().closeAllConnections());
    await until(() => server.listening, 'it listens');
  });
  await startProxy(t, [], () => ({
    listeners: [
      listener('tcp', { protocol: 'TCP', ports: tcp.ports, address: HOST }, mapped('TCP', 'TCP', tcp.offset)),
      listener('ws', { protocol: 'TCP', ports: ws.ports, address: HOST }, mapped('WebSocket', 'TCP', ws.offset)),
      listener('web', { protocol: 'HTTP', ports: web.ports, address: HOST }, mapped('HTTP', 'TCP', web.offset)),
    ],
  }));
  for (let round = 0; round < 2; round++) {
    for (let n = 0; n < COUNT; n++) {
      for (const { own } of [tcp, ws]) {
        const client = await connectStream(t, { port: own + n });
        assert.equal(await ask(client, 'x'), `server ${n}`);
        client.close();
      }
      assert.match((await request({ port: web.own + n })).text, new RegExp(`^server ${n} `));
    }
  }
});

test('the port of an endpoint comes first', async (t) => {
  const server = await serveDatagram(t, { reply: () => 'mine' });
  const { ports } = await startProxy(t, ['l'], ({ l }) => ({
    listeners: [
      listener(
        'l',
        { protocol: 'UDP', port: l, address: HOST },
        {
          destination: {
            spec: { protocol: 'UDP', port: { path: '/UDP/dst_port' } },
            endpoints: [{ spec: { address: HOST, port: server.port } }],
          },
        },
      ),
    ],
  }));
  assert.equal(await ask(await connectDatagram(t, ports.l), 'x'), 'mine');
});

test('a session without such a port fails at once, says why, and is not held against the endpoint', async (t) => {
  const server = await serveDatagram(t);
  const { proxy, ports } = await startProxy(t, ['l', 'other'], ({ l, other }) => ({
    admin: { threads: Math.min(1, THREADS.threads) },
    listeners: [
      listener(
        'l',
        { protocol: 'HTTP', port: l, address: HOST },
        {
          destination: 'c',
          retry: { retry_on: 'always', num_retries: 3, timeout: 60_000 },
        },
        { options: { track: 10_000 } },
      ),
      listener('other', { protocol: 'UDP', port: other, address: HOST }, { destination: 'c' }),
    ],
    clusters: [
      {
        name: 'c',
        spec: { protocol: 'UDP', port: { path: '/UDP/dst_port', offset: server.port - other } },
        endpoints: [{ name: 'e', spec: { address: HOST } }],
      },
    ],
  }));
  const { status } = await request({ port: ports.l, method: 'POST' }, 'x');
  assert.equal(status, 502);
  const [session] = await proxy.sessions('l');
  assert.match(
    JSON.stringify(session.events),
    /the session's metadata have nothing at \/UDP\/dst_port, where the port should be/,
  );
  const other = await connectDatagram(t, ports.other);
  assert.equal(await ask(other, 'x'), 'x');
});

test('a port that is neither a number nor a place in the metadata is refused', async (t) => {
  const { proxy } = await startProxy(t, [], () => ({}));
  const cluster = (port: unknown) => ({ cluster: { name: 'c', spec: { protocol: 'UDP', port }, endpoints: [] } });
  for (const port of [0, 65_536, 'x', {}, { path: 1 }, { path: '/a', offset: 0.5 }, { path: '/a', more: 1 }])
    assert.match(await refused(proxy, 422, 'POST', 'clusters', cluster(port)), /\/cluster\/spec\/port/);
  assert.match(await refused(proxy, 422, 'POST', 'clusters', cluster({ path: '/~' })), /\/cluster\/spec\/port\/path: /);
  await proxy.ok('POST', 'clusters', cluster({ path: '/UDP/dst_port', offset: -5 }));
  assert.deepEqual((await proxy.ok('GET', 'clusters/c')).spec.port, { path: '/UDP/dst_port', offset: -5 });
});
