/** A worker whose JavaScript heap is full is one that fails: the process, and the sessions of the others, go on. */
import assert from 'node:assert/strict';
import { readdirSync, readlinkSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { engines } from '../../src/io/testing.ts';
import { freePort } from '../../src/testing/ports.ts';
import { until } from '../../src/testing/until.ts';
import { Command, L7MP, writeConfig } from '../support/command.ts';
import { ask, connectStream, type Peer } from '../support/peers.ts';
import { listener, request } from '../support/proxy.ts';

const HOST = '127.0.0.1';
const CLIENTS = 16;

/** MiB of heap for each thread. */
const HEAP = 128;

/** Milliseconds that filling it may take. */
const PATIENCE = 120_000;

/** Keeps what it makes: at once until V8 ends its thread, or slowly when little is left, as what is forgotten adds up. */
const PLUGIN = `
import { defineProtocol, LocalChannel, strict } from 'l7mp';
import { getHeapStatistics } from 'node:v8';

const kept = [];
const keep = (count) => {
  for (let n = 0; n < count; n++) kept.push({ n, of: [n, n, n] });
};
const slowly = () => {
  keep(getHeapStatistics().used_heap_size < ${HEAP * 0.7} * 2 ** 20 ? 20_000 : 1000);
  setTimeout(slowly, 10);
};

class Hoard extends LocalChannel {
  work(bytes) {
    if (String(bytes) === 'slowly') slowly();
    else for (;;) keep(1);
  }
}

export default defineProtocol({
  name: 'Hoards',
  title: 'Gives nothing back.',
  cluster: { schema: strict({}), kind: 'same', virtual: true, open: (_spec, { limits }) => ({ dial: () => new Hoard(limits) }) },
});
`;

async function start(t: TestContext, io: string) {
  const folder = await mkdtemp(join(tmpdir(), 'l7mp-memory-'));
  t.after(() => rm(folder, { recursive: true }));
  await writeFile(join(folder, 'hoards.mjs'), PLUGIN);
  const ports = { api: await freePort(), metrics: await freePort(), echo: await freePort(), hoards: await freePort() };
  const to = (name: keyof typeof ports, protocol: string, cluster: string) =>
    listener(name, { protocol, port: ports[name], address: HOST }, { destination: { spec: { protocol: cluster } } });
  const config = {
    admin: { io, threads: 2 },
    plugins: [join(folder, 'hoards.mjs')],
    listeners: [
      to('api', 'HTTP', 'L7mpController'),
      to('metrics', 'HTTP', 'Prometheus'),
      to('echo', 'TCP', 'Echo'),
      to('hoards', 'TCP', 'Hoards'),
    ],
  };
  const environment = `NODE_OPTIONS=--max-old-space-size=${HEAP}`;
  const command = new Command(t, '/usr/bin/env', [environment, L7MP, '-c', await writeConfig(t, config)]);
  await command.running();
  return { command, ports };
}

/** Sends back whatever comes. */
function talk(peer: Peer & { readonly socket: Socket }): void {
  peer.socket.on('data', (bytes) => peer.socket.write(bytes));
  peer.send('x');
}

/** How many descriptors a process has; but for /dev/null, which libuv opens once for a loop when that has its first stream. */
function openOf(pid: number | undefined): number {
  const folder = `/proc/${pid}/fd`;
  return readdirSync(folder).filter((fd) => {
    try {
      return readlinkSync(`${folder}/${fd}`) !== '/dev/null';
    } catch {
      return false;
    }
  }).length;
}

interface Shown {
  readonly worker: number;
  readonly metadata: { readonly TCP: { readonly src_port: number } };
}

for (const [io, word] of [
  ['native', 'slowly'],
  ['node', 'slowly'],
  ['node', 'at once'],
] as const) {
  const { skip = false } = engines().find(({ name }) => name === io) ?? {};
  test(`a worker that runs out of memory ${word} takes its own sessions only (${io})`, { skip }, async (t) => {
    const { command, ports } = await start(t, io);
    const connect = () => connectStream(t, { port: ports.echo });
    const clients = await Promise.all(Array.from({ length: CLIENTS }, connect));
    for (const client of clients) assert.equal(await ask(client, 'x'), 'x');
    const { body } = await request({ port: ports.api, path: '/api/v1/sessions?listener=echo' });
    const workers = new Map((body as Shown[]).map(({ worker, metadata }) => [metadata.TCP.src_port, worker]));
    const descriptors = (): number => openOf(command.child.pid);
    const before = descriptors();

    const hoards = await connectStream(t, { port: ports.hoards });
    const { worker: lost } = await until(async () => {
      const { body: all } = await request({ port: ports.api, path: '/api/v1/sessions?listener=hoards' });
      return (all as Shown[])[0];
    }, 'the session that hoards');
    for (const client of clients) talk(client);
    hoards.send(word);
    await until(() => /worker \d: it runs again/.test(command.output) || command.over, 'it is started again', PATIENCE);
    assert.match(command.output, / error worker \d: it has failed, .* ms: it is out of memory/);

    const own = clients.filter(({ port }) => workers.get(port) === lost);
    const others = clients.filter((client) => !own.includes(client));
    assert.ok(own.length > 0 && others.length > 0);
    // Where node closes what a thread has, it may be an end.
    const over = ({ closed, ended }: Peer): boolean => closed !== undefined || ended;
    await until(() => own.every(over), 'its own sessions are cut');
    assert.ok(!others.some(over));
    const { text } = await request({ port: ports.metrics });
    assert.match(text, /^l7mp_worker_restarts_total 1$/m);
    for (const client of await Promise.all(own.map(connect))) assert.equal(await ask(client, 'y'), 'y');
    // One that was only passing when they were counted first may be gone since.
    await until(() => descriptors() <= before, `${descriptors()} descriptors, ${before} before`);
  });
}
