/** One proxy whose native I/O has two threads: every session's data are right, and the sessions are spread. */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { engines } from '../../src/io/testing.ts';
import { until } from '../../src/testing/until.ts';
import { Command, L7MP } from '../support/command.ts';
import {
  bytes,
  connectDatagram,
  connectStream,
  type Peer,
  received,
  serveDatagram,
  serveStream,
} from '../support/peers.ts';
import { listener, request, startProxy } from '../support/proxy.ts';

const skip = engines().find(({ name }) => name === 'native')?.skip ?? false;
const HOST = '127.0.0.1';
const CLIENTS = 30;
const DATAGRAMS = 20;

const hash = (data: Uint8Array): string => createHash('sha256').update(data).digest('hex');
const to = (spec: object, address: string) => ({ destination: { spec, endpoints: [{ spec: { address } }] } });
const many = <T>(make: () => Promise<T>): Promise<T[]> => Promise.all(Array.from({ length: CLIENTS }, make));

/** Sends a stream's worth through an echo, in pieces that wait for nothing. */
async function checkStream(peer: Peer): Promise<void> {
  const data = randomBytes(200_000);
  for (let at = 0; at < data.length; at += 7001) peer.send(data.subarray(at, at + 7001));
  assert.equal(hash(await received(peer, data.length)), hash(data));
  peer.end();
  await until(() => peer.ended, 'the end comes back');
}

/** Each datagram waits for the one before, since what comes too fast may be lost. */
async function checkDatagrams(peer: Peer): Promise<void> {
  const sent = Array.from({ length: DATAGRAMS }, (_, n) => randomBytes(100 + n));
  for (const [n, data] of sent.entries()) {
    peer.send(data);
    await until(() => peer.messages.length > n, 'a datagram comes back');
  }
  assert.equal(hash(bytes(peer)), hash(Buffer.concat(sent)));
}

test('two threads share the sessions of TCP, UDP and UNIX sockets', { skip }, async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'l7mp-threads-'));
  t.after(() => rm(folder, { recursive: true }));
  const paths = { listener: join(folder, 'listener'), server: join(folder, 'server') };
  const tcp = await serveStream(t, { allowHalfOpen: false });
  const udp = await serveDatagram(t);
  await serveStream(t, { path: paths.server, allowHalfOpen: false });
  const { proxy, ports } = await startProxy(t, ['tcp', 'udp', 'metrics'], (ports) => ({
    admin: { io: 'native', threads: 2 },
    listeners: [
      listener(
        'metrics',
        { protocol: 'HTTP', port: ports.metrics },
        { destination: { spec: { protocol: 'Prometheus' } } },
      ),
      listener(
        'tcp',
        { protocol: 'TCP', port: ports.tcp, address: HOST },
        to({ protocol: 'TCP', port: tcp.port }, HOST),
      ),
      listener('udp', { protocol: 'UDP', port: ports.udp }, to({ protocol: 'UDP', port: udp.port }, HOST)),
      listener(
        'unix',
        { protocol: 'UnixDomainSocket', filename: paths.listener },
        to({ protocol: 'UnixDomainSocket' }, paths.server),
      ),
    ],
  }));
  const { threads, io_status: status } = await proxy.ok('GET', 'admin');
  assert.equal(threads, 2);
  assert.deepEqual(status, { engine: 'native', threads: 2 });
  const sockets = async (): Promise<number[]> => {
    const { text } = await request({ port: ports.metrics });
    return [...text.matchAll(/^l7mp_io_sockets\{thread="\d"\} (\d+)$/gm)].map(([, count]) => Number(count));
  };
  const idle = await sockets();
  assert.equal(idle.length, 2);

  const streams = [
    ...(await many(() => connectStream(t, { port: ports.tcp }))),
    ...(await many(() => connectStream(t, { path: paths.listener }))),
  ];
  const datagrams = await many(() => connectDatagram(t, ports.udp));
  for (const peer of datagrams) peer.send('hello');
  await until(() => datagrams.every(({ messages }) => messages.length === 1), 'each has a session');
  for (const { messages } of datagrams) messages.pop();
  for (const name of ['tcp', 'udp', 'unix']) {
    const sessions = await proxy.sessions(name);
    assert.equal(sessions.length, CLIENTS);
    assert.ok(sessions.every(({ pipes }) => pipes.every((rung: string) => rung === 'native')));
  }
  const gained = (await sockets()).map((count, n) => count - (idle[n] as number));
  // The kernel chooses a peer's thread by its port; of the streams, each thread has half.
  assert.ok(
    gained.every((count) => count > CLIENTS),
    `${gained}`,
  );

  await Promise.all([...streams.map(checkStream), ...datagrams.map(checkDatagrams)]);
  assert.equal((await proxy.sessions('udp')).length, CLIENTS);
  await proxy.noSession('tcp');
  await proxy.noSession('unix');
});

test('the portable engine says that it has no threads', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'l7mp-threads-'));
  t.after(() => rm(folder, { recursive: true }));
  const file = join(folder, 'config.json');
  await writeFile(file, JSON.stringify({ admin: { log_level: 'notice', io: 'node' } }));
  const command = new Command(t, L7MP, ['-c', file, '--threads', '2']);
  await until(() => command.output.includes('version') || command.over, 'it runs');
  assert.match(command.output, /the node engine has no I\/O threads: `threads` does nothing/);
});
