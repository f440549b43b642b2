/** Where the results go: the tables to stdout, the samples into a file, and with --write both into the tree. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { CACHE } from './load.ts';
import { rangeTable, report } from './report.ts';
import { ranges } from './spread.ts';
import type { Contender, Result } from './types.ts';

const BENCH = join(import.meta.dirname, '..');
const README = join(BENCH, 'README.md');
/** Results that are older are those of another design, without workers: they say nothing of this one. */
const COMPARABLE_SINCE = '2026-11-29T08';
const RANGE_MARKS = ['<!-- ranges: written by bench/run --write -->', '<!-- end of ranges -->'] as const;
const MARKS = ['<!-- results: written by bench/run --write -->', '<!-- end of results -->'] as const;
const WIDTH = 120;

/** Returns the path of the file with the samples. */
export function publish(result: Result, contenders: readonly Contender[], inTree: boolean): string {
  const text = report(result, contenders);
  process.stdout.write(`${text}\n`);
  const folder = inTree ? join(BENCH, 'results') : join(CACHE, 'results');
  mkdirSync(folder, { recursive: true });
  const file = join(folder, `${result.date.replaceAll(/[:.]/g, '-')}.json`);
  writeFileSync(file, json(result));
  if (inTree) {
    const samples = relative(BENCH, file);
    writeReadme(MARKS, `${text}\n\nThe samples: [${samples}](${samples}).`);
    writeRanges(contenders);
    format(file);
  }
  return file;
}

/** The table of the ratios over all results in the tree. */
export function writeRanges(contenders: readonly Contender[]): void {
  const folder = join(BENCH, 'results');
  const files = readdirSync(folder).filter((name) => name.endsWith('.json') && name >= COMPARABLE_SINCE);
  const results = files.sort().map((name): Result => JSON.parse(readFileSync(join(folder, name), 'utf8')));
  writeReadme(RANGE_MARKS, rangeTable(ranges(results, contenders)));
  format(README);
}

function format(...files: string[]): void {
  execFileSync(join(BENCH, '..', 'node_modules', '.bin', 'biome'), ['format', '--write', ...files], {
    stdio: 'ignore',
  });
}

/** Small objects on one line, and numbers without noise. */
function json(result: Result): string {
  const rounded = (_key: string, value: unknown) => (typeof value === 'number' ? Number(value.toPrecision(6)) : value);
  const text = JSON.stringify(result, rounded, 2);
  const short = text.replaceAll(/^( *)(.*)\{\n([^{}[\]]*)\n *\}(,?)$/gm, (long, indent, key, inside, comma) => {
    const line = `${indent}${key}{ ${inside
      .split('\n')
      .map((field: string) => field.trim())
      .join(' ')} }${comma}`;
    return line.length <= WIDTH ? line : long;
  });
  return `${short}\n`;
}

function writeReadme(marks: readonly [string, string], text: string): void {
  const readme = readFileSync(README, 'utf8');
  const [begin, end] = marks.map((mark) => readme.indexOf(mark)) as [number, number];
  if (begin < 0 || end < begin) throw new Error(`${README} has lost its marks: ${marks.join(' … ')}`);
  const before = readme.slice(0, begin + marks[0].length);
  writeFileSync(README, `${before}\n\n${text}\n\n${readme.slice(end)}`);
}
