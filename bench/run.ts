/** The bench: l7mp beside its peers on this machine. What and how: README.md. Started by bench/run. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { contenders as all } from './contenders/index.ts';
import { compile } from './harness/load.ts';
import { machine } from './harness/machine.ts';
import { readOptions, USAGE } from './harness/options.ts';
import { killAll, setPinning } from './harness/processes.ts';
import { publish } from './harness/publish.ts';
import { runRow } from './harness/run-row.ts';
import type { Contender, Result, RowResult } from './harness/types.ts';
import { ROWS } from './rows/index.ts';

/** The whole bench, however many rounds were asked for. */
const LONGEST = 3 * 60 * 60_000;
const say = (text: string): void => void process.stderr.write(`${text}\n`);

async function main(): Promise<void> {
  const options = readOptions(process.argv.slice(2));
  if (options.list) return list();
  const folder = mkdtempSync(join(tmpdir(), 'l7mp-bench-'));
  endInOrder(folder);
  const pinned = setPinning(options.pin);
  await compile();
  const about = await machine(pinned);
  const chosen = all(options.beside, options.threads).filter(({ name }) => options.contenders.test(name));
  const { contenders, versions } = await available(chosen);
  const rows: RowResult[] = [];
  for (const row of ROWS.filter(({ id }) => options.only.test(id))) {
    say(`${row.id}: ${row.title}`);
    rows.push(await runRow(row, contenders, options, folder, say));
  }
  if (rows.length === 0) throw new Error('no row has such a name: see --list');
  const { rounds, seconds, scale, threads } = options;
  const date = new Date().toISOString();
  const result: Result = { date, machine: about, options: { rounds, seconds, scale, threads }, versions, rows };
  say(`\nwritten: ${publish(result, contenders, options.write)}`);
}

function list(): void {
  for (const { id, title } of ROWS) process.stdout.write(`row        ${id.padEnd(28)} ${title}\n`);
  for (const { name } of all()) process.stdout.write(`contender  ${name}\n`);
}

/** Whatever ends this process: its children end first. */
function endInOrder(folder: string): void {
  process.on('exit', () => {
    killAll();
    rmSync(folder, { recursive: true, force: true });
  });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => process.exit(130));
  setTimeout(() => {
    say('the bench takes too long');
    process.exit(1);
  }, LONGEST).unref();
}

async function available(chosen: readonly Contender[]) {
  const contenders: Contender[] = [];
  const versions: Record<string, string> = {};
  for (const contender of chosen) {
    try {
      versions[contender.name] = await contender.version();
      contenders.push(contender);
    } catch (error) {
      versions[contender.name] = `not there: ${(error as Error).message}`;
      say(`${contender.name} is ${versions[contender.name]}`);
    }
  }
  return { contenders, versions };
}

try {
  await main();
  process.exit(0);
} catch (error) {
  say(`bench: ${error instanceof Error ? (error.stack ?? error.message) : error}`);
  if ((error as { code?: string }).code?.startsWith('ERR_PARSE_ARGS')) say(USAGE);
  process.exit(1);
}
