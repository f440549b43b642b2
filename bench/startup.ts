/**
 * What a user who installs the package gets: the time from the start of the command to the first answer of the REST API,
 * and resident memory when nothing has happened for a while. Packs this checkout, installs it into an empty folder, starts
 * it RUNS times with the minimal configuration, and prints a line for each Node and number of threads: what a further one
 * adds to resident memory is what a further worker takes.
 * Usage: node_modules/.bin/node bench/startup.ts [RUNS] [NODE…] [--threads 0,1,2], where NODE is the path of a Node binary.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { freePort } from '../src/testing/ports.ts';
import { cpuOf, residentOf } from './harness/proc.ts';
import { median } from './harness/statistics.ts';

const CHECKOUT = join(import.meta.dirname, '..');
const OWN_BIN = join(CHECKOUT, 'node_modules', '.bin');
const PATIENCE = 30_000;
/** From the first answer to the look at memory: collections that the start has left over are done then. */
const SETTLE_TIME = 3_000;

interface Run {
  /** Milliseconds until then, by the clock and of CPU time: on a busy machine only the second says something. */
  readonly answer: number;
  readonly cpu: number;
  /** MB of 1,000,000 bytes. */
  readonly resident: number;
}

function install(folder: string): string {
  const path = (process.env.PATH ?? '').split(delimiter).filter((part) => part !== OWN_BIN);
  const env = { ...process.env, PATH: path.join(delimiter) };
  execFileSync('npm', ['pack', '--silent', '--pack-destination', folder], { cwd: CHECKOUT, env });
  const archive = readdirSync(folder).find((name) => name.endsWith('.tgz')) as string;
  writeFileSync(join(folder, 'package.json'), '{ "private": true }');
  const options = ['--no-audit', '--no-fund', '--omit=dev', '--prefer-offline', '--silent'];
  execFileSync('npm', ['install', ...options, `./${archive}`], { cwd: folder, env });
  return join(folder, 'node_modules', 'l7mp');
}

/** Asks until it is answered, as quickly as the machine allows: a refused connection costs a tenth of a millisecond. */
async function answered(port: number, child: ChildProcess): Promise<void> {
  for (const end = Date.now() + PATIENCE; Date.now() < end; ) {
    if (child.exitCode !== null) throw new Error(`l7mp ended with ${child.exitCode}`);
    if (await asks(port)) return;
    await sleep(2);
  }
  throw new Error('the REST API does not answer');
}

function asks(port: number): Promise<boolean> {
  return new Promise((done) => {
    const call = request({ host: '127.0.0.1', port, path: '/api/v1/admin', agent: false }, (response) => {
      response.resume();
      response.once('end', () => done(response.statusCode === 200));
    });
    call.once('error', () => done(false)).end();
  });
}

async function run(installed: string, node: string, threads: string): Promise<Run> {
  const port = await freePort();
  const minimal = readFileSync(join(installed, 'config', 'l7mp-minimal.yaml'), 'utf8');
  const config = join(installed, 'startup.yaml');
  writeFileSync(config, minimal.replace('port: 1234', `port: ${port}`));
  const path = [dirname(node), process.env.PATH].join(delimiter);
  const begin = performance.now();
  const child = spawn(join(installed, 'bin', 'l7mp'), ['-c', config, '--threads', threads], {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { ...process.env, PATH: path },
  });
  try {
    await answered(port, child);
    const answer = performance.now() - begin;
    const cpu = cpuOf([child.pid ?? 0]) / 1000;
    await sleep(SETTLE_TIME);
    return { answer, cpu, resident: (residentOf([child.pid ?? 0]) * 1024) / 1e6 };
  } finally {
    child.kill('SIGTERM');
    if (child.exitCode === null) await once(child, 'exit');
  }
}

const spread = (values: readonly number[]): string =>
  `${median(values).toFixed(0)} | ${Math.min(...values).toFixed(0)} – ${Math.max(...values).toFixed(0)}`;

async function measure(installed: string, node: string, threads: string, count: number): Promise<string> {
  const version = execFileSync(node, ['--version'], { encoding: 'utf8' }).trim();
  const runs: Run[] = [];
  for (let n = 0; n < count; n++) runs.push(await run(installed, node, threads));
  const columns = (['answer', 'cpu', 'resident'] as const).map((key) => spread(runs.map((run) => run[key])));
  return `| ${version} | ${threads} | ${columns.join(' | ')} |\n`;
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { threads: { type: 'string', default: '0,1,2' } },
});
const [count = '9', ...nodes] = positionals;
const folder = mkdtempSync(join(tmpdir(), 'l7mp-startup-'));
try {
  const installed = install(folder);
  process.stdout.write(
    '| Node | threads | first answer, ms | of all runs | CPU time, ms | of all runs | resident, MB | of all runs |\n',
  );
  process.stdout.write('| --- | --: | --: | --: | --: | --: | --: | --: |\n');
  for (const node of nodes.length > 0 ? nodes : [process.execPath]) {
    for (const threads of values.threads.split(','))
      process.stdout.write(await measure(installed, node, threads, Number(count)));
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
