/** The bench: l7mp beside its peers on this machine. What and how: README.md. Started by bench/run. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { CONTENDERS } from './contenders/index.ts';
import { compile } from './harness/load.ts';
import { machine } from './harness/machine.ts';
import { type Options, readOptions, USAGE } from './harness/options.ts';
import { killAll, setPinning } from './harness/processes.ts';
import { report } from './harness/report.ts';
import { runRow } from './harness/run-row.ts';
import type { Contender, Result, RowResult } from './harness/types.ts';
import { ROWS } from './rows/index.ts';

/** The whole bench, however many rounds were asked for. */
const LONGEST = 3 * 60 * 60_000;
const README = join(import.meta.dirname, 'README.md');
const MARKS = ['<!-- results: written by bench/run --write -->', '<!-- end of results -->'] as const;

const say = (text: string): void => void process.stderr.write(`${text}\n`);

async function main(): Promise<void> {
  const options = readOptions(process.argv.slice(2));
  if (options.list) return list();
  const folder = mkdtempSync(join(tmpdir(), 'l7mp-bench-'));
  endInOrder(folder);
  const pinned = setPinning(options.pin);
  if (!options.gso) process.env.L7MP_BENCH_NO_GSO = '1';
  await compile();
  const about = await machine(pinned);
  const chosen = CONTENDERS.filter(({ name }) => options.contenders.test(name));
  const { contenders, versions } = await available(chosen);
  const rows: RowResult[] = [];
  for (const row of ROWS.filter(({ id }) => options.only.test(id))) {
    say(`${row.id}: ${row.title}`);
    rows.push(await runRow(row, contenders, options, folder, say));
  }
  if (rows.length === 0) throw new Error('no row has such a name: see --list');
  const { rounds, seconds, scale, gso } = options;
  const date = new Date().toISOString();
  const result: Result = { date, machine: about, options: { rounds, seconds, scale, gso }, versions, rows };
  publish(result, contenders, options);
}

function list(): void {
  for (const { id, title } of ROWS) process.stdout.write(`row        ${id.padEnd(20)} ${title}\n`);
  for (const { name } of CONTENDERS) process.stdout.write(`contender  ${name}\n`);
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

function publish(result: Result, contenders: readonly Contender[], { write }: Options): void {
  const text = report(result, contenders);
  const results = join(import.meta.dirname, 'results');
  mkdirSync(results, { recursive: true });
  const file = join(results, `${result.date.replaceAll(/[:.]/g, '-')}.json`);
  writeFileSync(file, `${JSON.stringify(result, null, 1)}\n`);
  process.stdout.write(`${text}\n`);
  say(`\nwritten: ${relative(process.cwd(), file)}`);
  if (write)
    writeReadme(
      `${text}\n\nThe samples: [${relative(import.meta.dirname, file)}](${relative(import.meta.dirname, file)}).`,
    );
}

function writeReadme(text: string): void {
  const readme = readFileSync(README, 'utf8');
  const [begin, end] = MARKS.map((mark) => readme.indexOf(mark)) as [number, number];
  if (begin < 0 || end < begin) throw new Error(`${README} has lost its marks: ${MARKS.join(' … ')}`);
  writeFileSync(README, `${readme.slice(0, begin + MARKS[0].length)}\n\n${text}\n\n${readme.slice(end)}`);
}

try {
  await main();
  process.exit(0);
} catch (error) {
  say(`bench: ${error instanceof Error ? (error.stack ?? error.message) : error}`);
  if ((error as { code?: string }).code?.startsWith('ERR_PARSE_ARGS')) say(USAGE);
  process.exit(1);
}
