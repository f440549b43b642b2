/**
 * What a listener of many ports costs: the milliseconds that POST /listeners takes, and DELETE, and what a port adds to
 * resident memory and to descriptors; the kernel's own memory for sockets is not in that. Starts l7mp for each combination of
 * engine, workers and protocol, RUNS times, and prints a line of medians for each.
 * Usage: node_modules/.bin/node bench/ports.ts [RUNS] [--ports 10000-19999] [--address 127.77.0.1] [--threads 0,1,2]
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { freePort } from '../src/testing/ports.ts';
import { cpuOf, residentOf } from './harness/proc.ts';
import { median } from './harness/statistics.ts';

const L7MP = join(import.meta.dirname, '..', 'bin', 'l7mp');
const PATIENCE = 30_000;
/** Until what a change has left over is collected. */
const SETTLE_TIME = 3_000;

interface Asked {
  readonly io: string;
  readonly threads: string;
  readonly protocol: string;
}

interface Run {
  /** Milliseconds, by the clock, and of CPU time. */
  readonly open: number;
  readonly cpu: number;
  readonly close: number;
  /** KiB of resident memory, and descriptors, of a port. */
  readonly memory: number;
  readonly descriptors: number;
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    ports: { type: 'string', default: '10000-19999' },
    address: { type: 'string', default: '127.77.0.1' },
    threads: { type: 'string', default: '0,1,2' },
  },
});
const { ports, address } = values;
const [first = 0, last = 0] = ports.split('-').map(Number);
const COUNT = last - first + 1;

function ask(port: number, method: string, path: string, body?: object): Promise<number> {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json' };
    const to = { host: '127.0.0.1', port, method, path: `/api/v1/${path}`, headers, agent: false };
    const call = request(to, (response) => {
      response.resume();
      response.once('end', () => resolve(response.statusCode ?? 0));
    });
    call.once('error', reject);
    call.end(body && JSON.stringify(body));
  });
}

async function running(port: number, child: ChildProcess): Promise<void> {
  for (const end = Date.now() + PATIENCE; Date.now() < end; await sleep(20)) {
    if (child.exitCode !== null) throw new Error(`l7mp ended with ${child.exitCode}`);
    if ((await ask(port, 'GET', 'readyz').catch(() => 0)) === 200) return;
  }
  throw new Error('the REST API does not answer');
}

async function timed(what: () => Promise<number>): Promise<number> {
  const begin = performance.now();
  const status = await what();
  if (status !== 200) throw new Error(`answered ${status}`);
  return performance.now() - begin;
}

const descriptorsOf = (pid: number): number => readdirSync(`/proc/${pid}/fd`).length;

async function measure(api: number, pid: number, protocol: string): Promise<Run> {
  await sleep(SETTLE_TIME);
  const before = { memory: residentOf([pid]), descriptors: descriptorsOf(pid), cpu: cpuOf([pid]) };
  const rules = [{ action: { route: { destination: { spec: { protocol: 'Echo' } } } } }];
  const body = { listener: { name: 'many', spec: { protocol, ports, address }, rules } };
  const open = await timed(() => ask(api, 'POST', 'listeners', body));
  const cpu = (cpuOf([pid]) - before.cpu) / 1000;
  await sleep(SETTLE_TIME);
  const memory = (residentOf([pid]) - before.memory) / COUNT;
  const descriptors = (descriptorsOf(pid) - before.descriptors) / COUNT;
  return { open, cpu, close: await timed(() => ask(api, 'DELETE', 'listeners/many')), memory, descriptors };
}

async function run(folder: string, { io, threads, protocol }: Asked): Promise<Run> {
  const port = await freePort();
  const config = join(folder, 'config.json');
  const rules = [{ action: { route: { destination: { spec: { protocol: 'L7mpController' } } } } }];
  const listeners = [{ name: 'api', spec: { protocol: 'HTTP', port, address: '127.0.0.1' }, rules }];
  writeFileSync(config, JSON.stringify({ admin: { io, log_level: 'error' }, listeners }));
  const child = spawn(L7MP, ['-c', config, '--threads', threads], { stdio: ['ignore', 'ignore', 'inherit'] });
  try {
    await running(port, child);
    return await measure(port, child.pid ?? 0, protocol);
  } finally {
    child.kill();
    await once(child, 'exit');
  }
}

const folder = mkdtempSync(join(tmpdir(), 'l7mp-ports-'));
try {
  for (const io of ['native', 'node'])
    for (const threads of values.threads.split(','))
      for (const protocol of ['UDP', 'TCP']) {
        const runs: Run[] = [];
        for (let n = 0; n < Number(positionals[0] ?? 3); n++) runs.push(await run(folder, { io, threads, protocol }));
        const of = (field: keyof Run): number => median(runs.map((one) => one[field]));
        const text = `${of('open').toFixed(0)} ms to open, ${of('cpu').toFixed(0)} ms of CPU, ${of('close').toFixed(0)} ms to close`;
        const each = `${of('memory').toFixed(2)} KiB and ${of('descriptors').toFixed(2)} descriptors a port`;
        console.log(`${COUNT} ${protocol} ports, ${io}, ${threads} workers: ${text}; ${each}`);
      }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
