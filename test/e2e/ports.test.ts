/** One listener on many ports: sessions are as ever, and have the port that was hit. */
import assert from 'node:assert/strict';
import * as dgram from 'node:dgram';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import { engines } from '../../src/io/testing.ts';
import { freePort, freePorts } from '../../src/testing/ports.ts';
import { until } from '../../src/testing/until.ts';
import { Command, L7MP, writeConfig } from '../support/command.ts';
import { failing, failsAt, makeFail } from '../support/failing.ts';
import { ask, connectDatagram, connectStream, connectWebSocket, type Peer } from '../support/peers.ts';
import { listener, request, startProxy, type TestProxy } from '../support/proxy.ts';

const HOST = '127.0.0.1';
const ECHO = { destination: { spec: { protocol: 'Echo' } } };
const COUNT = 16;

const range = (first: number, count = COUNT): string => `${first}-${first + count - 1}`;
const onRange = (protocol: string, ports: string, more: object = {}) => ({ protocol, ports, address: HOST, ...more });
const skipOf = (io: string) => engines().find(({ name }) => name === io)?.skip ?? false;

/** Takes a UDP port as another program would. */
async function occupy(t: TestContext, port: number): Promise<dgram.Socket> {
  const socket = dgram.createSocket('udp4').bind({ port, address: HOST, exclusive: true });
  await once(socket, 'listening');
  t.after(() => new Promise<void>((done) => socket.close(done)).catch(() => {}));
  return socket;
}

async function isFree(t: TestContext, port: number): Promise<boolean> {
  try {
    const socket = await occupy(t, port);
    await new Promise<void>((done) => socket.close(done));
    return true;
  } catch {
    return false;
  }
}

/** The ports that sessions of a listener have hit. */
async function hits(proxy: TestProxy, name: string, transport: string): Promise<number[]> {
  const sessions = await proxy.sessions(name);
  return sessions.map(({ metadata }) => metadata[transport].dst_port).sort((a, b) => a - b);
}

for (const io of ['native', 'node']) {
  for (const threads of [0, 2]) {
    const options = { skip: skipOf(io) };
    const where = `${io}, ${threads} workers`;

    test(`UDP, TCP, HTTP and WebSocket are served on many ports (${where})`, options, async (t) => {
      const [udp, tcp, http, ws] = [await freePorts(COUNT), await freePorts(4), await freePorts(4), await freePorts(4)];
      const { proxy } = await startProxy(t, [], () => ({
        admin: { io, threads },
        listeners: [
          listener('udp', onRange('UDP', range(udp)), ECHO),
          listener('tcp', onRange('TCP', range(tcp, 4)), ECHO),
          listener('http', onRange('HTTP', range(http, 4)), ECHO),
          listener('ws', onRange('WebSocket', range(ws, 4)), ECHO),
        ],
      }));
      const peers: Peer[] = [];
      for (let n = 0; n < COUNT; n++) peers.push(await connectDatagram(t, udp + n));
      for (let n = 0; n < 4; n++) {
        peers.push(await connectStream(t, { port: tcp + n }), await connectWebSocket(t, ws + n));
        assert.equal((await request({ port: http + n, method: 'POST' }, 'hello')).text, 'hello');
      }
      for (const [n, peer] of peers.entries()) assert.equal(await ask(peer, `hello ${n}`), `hello ${n}`);
      const ports = (first: number, count: number) => Array.from({ length: count }, (_, n) => first + n);
      assert.deepEqual(await hits(proxy, 'udp', 'UDP'), ports(udp, COUNT));
      assert.deepEqual(await hits(proxy, 'tcp', 'TCP'), ports(tcp, 4));
      assert.deepEqual(await hits(proxy, 'ws', 'TCP'), ports(ws, 4));
      const { spec } = await proxy.ok('GET', 'listeners/udp');
      assert.deepEqual(spec, { protocol: 'UDP', ports: range(udp), address: HOST });
    });

    test(`a range changes: what both have goes on with its sessions (${where})`, options, async (t) => {
      const first = await freePorts(COUNT);
      const half = COUNT / 2;
      const { proxy } = await startProxy(t, [], () => ({
        admin: { io, threads },
        listeners: [listener('l', onRange('UDP', range(first)), ECHO)],
      }));
      const [gone, kept] = [await connectDatagram(t, first), await connectDatagram(t, first + half)];
      for (const peer of [gone, kept]) assert.equal(await ask(peer, 'one'), 'one');
      const before = await proxy.sessions('l');
      await proxy.ok('PUT', 'listeners/l', {
        listener: listener('l', onRange('UDP', range(first + half, half)), ECHO),
      });
      for (const peer of [gone, kept]) assert.equal(await ask(peer, 'two'), 'two');
      assert.deepEqual(
        (await proxy.sessions('l')).map(({ name }) => name),
        before.map(({ name }) => name),
      );
      assert.equal(await isFree(t, first + 1), true);
      assert.equal(await ask(await connectDatagram(t, first + half), 'new'), 'new');
      await proxy.ok('PUT', 'listeners/l', {
        listener: listener('l', { protocol: 'UDP', port: first + half, address: HOST }, ECHO),
      });
      const more = await Promise.all(Array.from({ length: 12 }, () => connectDatagram(t, first + half)));
      for (const peer of [kept, ...more]) assert.equal(await ask(peer, 'three'), 'three');
      await proxy.ok('PUT', 'listeners/l', { listener: listener('l', onRange('UDP', range(first)), ECHO) });
      for (const peer of [gone, kept, ...more]) assert.equal(await ask(peer, 'four'), 'four');
      const others = await Promise.all(Array.from({ length: 12 }, () => connectDatagram(t, first + half)));
      for (const peer of others) assert.equal(await ask(peer, 'five'), 'five');
    });

    test(`a taken port is named, and nothing has changed (${where})`, options, async (t) => {
      const first = await freePorts(COUNT);
      await occupy(t, first + 5);
      const { proxy } = await startProxy(t, [], () => ({
        admin: { io, threads },
        listeners: [listener('l', onRange('UDP', range(first, 4)), ECHO)],
      }));
      const peer = await connectDatagram(t, first);
      assert.equal(await ask(peer, 'one'), 'one');
      const refused = `cannot listen on ${HOST}:${first + 5}: the address is in use`;
      const created = await proxy.api('POST', 'listeners', {
        listener: listener('new', onRange('UDP', range(first + 4, 8)), ECHO),
      });
      assert.equal(created.status, 400);
      assert.match(created.text, new RegExp(refused));
      const changed = await proxy.api('PUT', 'listeners/l', {
        listener: listener('l', onRange('UDP', range(first)), ECHO),
      });
      assert.equal(changed.status, 400);
      assert.match(changed.text, new RegExp(refused));
      assert.equal((await proxy.ok('GET', 'listeners/l')).spec.ports, range(first, 4));
      assert.equal((await proxy.api('GET', 'listeners/new')).status, 404);
      for (const port of [first + 4, first + 6, first + COUNT - 1])
        assert.equal(await isFree(t, port), true, `${port} is free`);
      assert.equal(await ask(peer, 'two'), 'two');
      assert.equal(await ask(await connectDatagram(t, first + 3), 'new'), 'new');
    });
  }
}

test('ten thousand UDP ports have a descriptor each, however many workers there are, and are given back', {
  skip: skipOf('native'),
}, async (t) => {
  const address = '127.77.0.1';
  const { proxy } = await startProxy(t, [], () => ({ admin: { io: 'native', threads: 2 } }));
  const before = readdirSync('/proc/self/fd').length;
  const spec = { protocol: 'UDP', ports: '10000-19999', address };
  await proxy.ok('POST', 'listeners', { listener: listener('rtp', spec, ECHO) });
  const open = readdirSync('/proc/self/fd').length - before;
  // What tests before this one had may be closed meanwhile.
  assert.ok(open > 9900 && open < 10_100, `${open} descriptors`);
  const socket = dgram.createSocket('udp4').bind(0, address);
  t.after(() => socket.close());
  await once(socket, 'listening');
  for (let port = 10_000; port < 20_000; port += 357) {
    socket.send('hello', port, address);
    const [bytes, from] = await once(socket, 'message');
    assert.deepEqual([String(bytes), from.port], ['hello', port]);
  }
  const workers = new Set((await proxy.sessions('rtp')).map(({ worker }) => worker));
  assert.deepEqual([...workers].sort(), [0, 1]);
  for (const { name } of await proxy.sessions('rtp')) await proxy.ok('DELETE', `sessions/${encodeURIComponent(name)}`);
  await proxy.ok('DELETE', 'listeners/rtp');
  await until(() => readdirSync('/proc/self/fd').length < before + 100, 'they are closed');
});

test('who takes the place of a worker that has failed has its ports', { skip: skipOf('native') }, async (t) => {
  const first = await freePorts(COUNT);
  const { proxy, ports } = await startProxy(
    t,
    ['fails'],
    ({ fails }) => ({
      admin: { io: 'native', threads: 2, log_level: 'silent' },
      listeners: [listener('l', onRange('UDP', range(first)), ECHO), failsAt(fails)],
    }),
    { plugins: [await failing(t)] },
  );
  const peers = await Promise.all(Array.from({ length: COUNT }, (_, n) => connectDatagram(t, first + n)));
  for (const peer of peers) assert.equal(await ask(peer, 'one'), 'one');
  await makeFail(ports.fails);
  await until(async () => (await proxy.sessions('l').catch(() => [])).length < COUNT, 'sessions are lost');
  for (const [n, peer] of peers.entries()) {
    await until(
      async () => {
        peer.send('two');
        return peer.messages.length > 0;
      },
      `port ${first + n} answers`,
    );
  }
});

test('a process takes over the ports that are free, and each other one when its last session ends', {
  skip: skipOf('native'),
  timeout: 600_000,
}, async (t) => {
  const [api, first] = [await freePort(), await freePorts(COUNT)];
  const file = await writeConfig(t, {
    listeners: [
      listener(
        'api',
        { protocol: 'HTTP', port: api, address: HOST },
        { destination: { spec: { protocol: 'L7mpController' } } },
      ),
      listener('udp', onRange('UDP', range(first)), ECHO),
    ],
  });
  const options = ['-c', file, '--takeover', '--io', 'native', '--threads', '2', '--drain', '60000'];
  const before = await new Command(t, L7MP, options).running();
  const old = await connectDatagram(t, first + 3);
  assert.equal(await ask(old, 'one'), 'one');
  const after = await new Command(t, L7MP, options).running();
  before.child.kill('SIGTERM');
  const answers = async (port: number): Promise<void> => {
    const peer = await connectDatagram(t, port);
    await until(async () => {
      peer.send('new');
      return peer.messages.length > 0;
    }, `port ${port} answers`);
  };
  for (const n of [0, 1, 2, 4, COUNT - 1]) await answers(first + n);
  assert.equal(before.over, false);
  assert.equal(await ask(old, 'two'), 'two');
  before.child.kill('SIGTERM');
  await until(() => before.over, 'the first one ends');
  await answers(first + 3);
  assert.equal(after.over, false);
});
