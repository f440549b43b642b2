/**
 * Shows that the ten-thousandth cluster and listener, added by REST, cost what the first did. Starts a proxy of its own,
 * adds BLOCKS blocks by POST /config and single objects at both ends, and prints a table.
 * Usage: node_modules/.bin/node bench/scale.ts [OBJECTS]
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '../src/testing/ports.ts';
import { median } from './harness/statistics.ts';

/** Objects that are added one by one, and timed, at each end. */
const SINGLES = 100;
const BLOCK = 500;
/** A listener on a UNIX socket costs a descriptor, and a process has 20,000 here. */
const MOST = 15_000;
const CALL_TIME = 60_000;

type Kind = 'cluster' | 'listener';

const total = Number(process.argv[2] ?? 10_000);
if (!Number.isInteger(total) || total < 2 * SINGLES || total > MOST) {
  throw new Error(`between ${2 * SINGLES} and ${MOST} objects, please`);
}
const folder = mkdtempSync(join(tmpdir(), 'l7mp-scale-'));
const port = await freePort();
const agent = new Agent({ keepAlive: true, maxSockets: 1 });

function definition(kind: Kind, i: number): object {
  if (kind === 'cluster') {
    const endpoints = [{ spec: { address: '127.0.0.1' } }];
    return { name: `cluster-${i}`, spec: { protocol: 'UDP', port: 29_999 }, endpoints };
  }
  const rules = [{ action: { route: { destination: `cluster-${i}` } } }];
  return { name: `listener-${i}`, spec: { protocol: 'UnixDomainSocket', filename: join(folder, `${i}.sock`) }, rules };
}

function post(path: string, body: object): Promise<void> {
  return new Promise((done, reject) => {
    const headers = { 'content-type': 'application/json' };
    const options = {
      host: '127.0.0.1',
      port,
      path: `/api/v1/${path}`,
      method: 'POST',
      agent,
      headers,
      timeout: CALL_TIME,
    };
    const call = request(options, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => {
        if (response.statusCode === 200) done();
        else reject(new Error(`POST ${path}: ${response.statusCode} ${Buffer.concat(chunks)}`));
      });
    });
    call.on('error', reject).on('timeout', () => call.destroy(new Error(`POST ${path}: no answer`)));
    call.end(JSON.stringify(body));
  });
}

/** Milliseconds of each single addition. */
async function singles(kind: Kind, first: number): Promise<number[]> {
  const times: number[] = [];
  for (let i = first; i < first + SINGLES; i++) {
    const begin = performance.now();
    await post(`${kind}s`, { [kind]: definition(kind, i) });
    times.push(performance.now() - begin);
  }
  return times;
}

/** Milliseconds for each object of each block. */
async function blocks(kind: Kind, first: number, end: number): Promise<number[]> {
  const times: number[] = [];
  for (let i = first; i < end; i += BLOCK) {
    const size = Math.min(BLOCK, end - i);
    const objects = Array.from({ length: size }, (_, k) => definition(kind, i + k));
    const begin = performance.now();
    await post('config', { [`${kind}s`]: objects });
    times.push((performance.now() - begin) / size);
  }
  return times;
}

async function measure(kind: Kind): Promise<void> {
  const start = await singles(kind, 0);
  const between = await blocks(kind, SINGLES, total - SINGLES);
  const end = await singles(kind, total - SINGLES);
  // The first calls run in a cold process: the second half is what the last ones are compared with.
  const [warm, last] = [median(start.slice(SINGLES / 2)), median(end)];
  const shown = [median(start), warm, between[0] ?? 0, between.at(-1) ?? 0, last, last / warm];
  process.stdout.write(`| ${kind} | ${shown.map((value) => value.toFixed(2)).join(' | ')} |\n`);
}

async function ready(): Promise<void> {
  for (let tries = 0; tries < 200; tries++) {
    const answer = await fetch(`http://127.0.0.1:${port}/api/v1/admin`).catch(() => undefined);
    if (answer?.ok) return;
    await sleep(50);
  }
  throw new Error('the REST API does not answer');
}

const config = join(folder, 'config.json');
const controller = {
  name: 'controller',
  spec: { protocol: 'HTTP', port, address: '127.0.0.1' },
  rules: [{ action: { route: { destination: 'controller' } } }],
};
writeFileSync(
  config,
  JSON.stringify({ listeners: [controller], clusters: [{ name: 'controller', spec: { protocol: 'L7mpController' } }] }),
);
const command = [join(import.meta.dirname, '..', 'bin', 'l7mp'), '-c', config, '-l', 'error'];
const proxy = spawn('setpriv', ['--pdeathsig', 'KILL', ...command], { stdio: ['ignore', 'ignore', 'inherit'] });
process.on('exit', () => {
  proxy.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
});
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));
try {
  await ready();
  process.stdout.write(
    `Milliseconds an object, ${total} of each kind; singles one by one, blocks of ${BLOCK} by POST /config.\n\n`,
  );
  process.stdout.write(
    `| | first ${SINGLES} | of these the last ${SINGLES / 2} | first block | last block | last ${SINGLES} | last / first |\n`,
  );
  process.stdout.write('| --- | --: | --: | --: | --: | --: | --: |\n');
  await measure('cluster');
  await measure('listener');
  const resident = readFileSync(`/proc/${proxy.pid}/status`, 'utf8').match(/VmRSS:\s+(\d+)/)?.[1];
  process.stdout.write(
    `\nResident memory of the proxy with all of them: ${Math.round(Number(resident) / 1_024)} MiB.\n`,
  );
} finally {
  proxy.kill('SIGTERM');
  await Promise.race([once(proxy, 'exit'), sleep(5_000)]);
  process.exit();
}
