/** Two workers act as one proxy: nobody sees which of them has a session, but for its `worker`. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { lstat, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { mapped } from '../../src/io/native/system/testing-mapped.ts';
import { until } from '../../src/testing/until.ts';
import { failing, failsAt, makeFail } from '../support/failing.ts';
import { ask, bytes, connectDatagram, connectStream, serveDatagram, serveStream } from '../support/peers.ts';
import { listener, request, startProxy, type TestProxy } from '../support/proxy.ts';

const HOST = '127.0.0.1';
const CLIENTS = 16;

for (const io of ['native', 'node'] as const) {
  test(`two workers share the sessions of TCP, UDP, UNIX sockets and HTTP (${io})`, async (t) => {
    const folder = await mkdtemp(join(tmpdir(), 'l7mp-workers-'));
    t.after(() => rm(folder, { recursive: true }));
    const path = join(folder, 'listener');
    const tcp = await serveStream(t, { allowHalfOpen: false });
    const udp = await serveDatagram(t);
    const to = (spec: object) => ({ destination: { spec, endpoints: [{ spec: { address: HOST } }] } });
    const echo = { destination: { spec: { protocol: 'Echo' } } };
    const { proxy, ports } = await startProxy(t, ['tcp', 'udp', 'http'], (ports) => ({
      admin: { io, threads: 2 },
      listeners: [
        listener('tcp', { protocol: 'TCP', port: ports.tcp }, to({ protocol: 'TCP', port: tcp.port })),
        listener('udp', { protocol: 'UDP', port: ports.udp }, to({ protocol: 'UDP', port: udp.port })),
        listener('unix', { protocol: 'UnixDomainSocket', filename: path, file_mode: '0600' }, echo),
        listener('http', { protocol: 'HTTP', port: ports.http }, echo),
      ],
    }));
    const { threads, io_status: status } = await proxy.ok('GET', 'admin');
    assert.deepEqual([threads, status], [2, { engine: io, threads: 2 }]);

    assert.equal((await lstat(path)).mode & 0o777, 0o600);
    const streams = [...(await many(t, { port: ports.tcp })), ...(await many(t, { path }))];
    const peers = await Promise.all(Array.from({ length: CLIENTS }, () => connectDatagram(t, ports.udp)));
    for (const [n, peer] of [...streams, ...peers].entries()) {
      const text = `hello ${n}`;
      peer.send(text);
      await until(() => bytes(peer).toString() === text, 'it comes back');
    }
    for (const name of ['tcp', 'unix', 'udp']) assert.equal((await proxy.sessions(name)).length, CLIENTS);
    const { text } = await request({ port: ports.http, method: 'POST' }, 'hello');
    assert.equal(text, 'hello');
    assert.deepEqual([...(await workersOf(proxy, 'tcp'))].sort(), [0, 1]);
    await proxy.ok('DELETE', 'listeners/unix');
    assert.equal(existsSync(path), false);
  });
}

test('a worker that fails takes its own sessions with it, and another one takes its place', async (t) => {
  const { proxy, ports } = await startProxy(
    t,
    ['tcp', 'fails', 'metrics'],
    (ports) => ({
      admin: { threads: 2, log_level: 'silent' },
      listeners: [
        listener('tcp', { protocol: 'TCP', port: ports.tcp }, { destination: { spec: { protocol: 'Echo' } } }),
        failsAt(ports.fails),
        listener(
          'metrics',
          { protocol: 'HTTP', port: ports.metrics },
          { destination: { spec: { protocol: 'Prometheus' } } },
        ),
      ],
    }),
    { plugins: [await failing(t)] },
  );
  const peers = await many(t, { port: ports.tcp });
  for (const peer of peers) assert.equal(await ask(peer, 'x'), 'x');
  const before = await proxy.sessions('tcp');
  const { arenas } = mapped();
  await makeFail(ports.fails);
  const restarts = async (): Promise<string | undefined> => {
    const { text } = await request({ port: ports.metrics });
    return /^l7mp_worker_restarts_total (\d+)$/m.exec(text)?.[1];
  };
  await until(async () => (await restarts().catch(() => '')) === '1', 'it is started again');
  await until(() => mapped().arenas === arenas, 'the memory of its sockets is given back');
  const after = await proxy.sessions('tcp');
  const [lost] = before.map(({ worker }) => worker).filter((worker) => !after.some((left) => left.worker === worker));
  const names = (sessions: { name: string }[]): string[] => sessions.map(({ name }) => name).sort();
  assert.deepEqual(names(after), names(before.filter(({ worker }) => worker !== lost)));
  await until(() => peers.filter(({ closed }) => closed !== undefined).length === before.length - after.length, 'cut');
  for (const peer of peers) if (peer.closed === undefined) assert.equal(await ask(peer, 'still there'), 'still there');
  const later = await many(t, { port: ports.tcp });
  for (const peer of later) assert.equal(await ask(peer, 'y'), 'y');
  assert.equal((await workersOf(proxy, 'tcp')).size, 2);
});

async function many(t: TestContext, to: { port: number } | { path: string }) {
  return Promise.all(Array.from({ length: CLIENTS }, () => connectStream(t, to)));
}

async function workersOf(proxy: TestProxy, name: string): Promise<Set<number>> {
  return new Set((await proxy.sessions(name)).map(({ worker }) => worker));
}
