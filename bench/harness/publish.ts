/** Where the results go: the tables to stdout, the samples into a file, and with --write both into the tree. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { CACHE } from './load.ts';
import { report } from './report.ts';
import type { Contender, Result } from './types.ts';

const BENCH = join(import.meta.dirname, '..');
const README = join(BENCH, 'README.md');
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
    writeReadme(text, relative(BENCH, file));
    execFileSync(join(BENCH, '..', 'node_modules', '.bin', 'biome'), ['format', '--write', README, file], {
      stdio: 'ignore',
    });
  }
  return file;
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

function writeReadme(text: string, samples: string): void {
  const readme = readFileSync(README, 'utf8');
  const [begin, end] = MARKS.map((mark) => readme.indexOf(mark)) as [number, number];
  if (begin < 0 || end < begin) throw new Error(`${README} has lost its marks: ${MARKS.join(' … ')}`);
  const before = readme.slice(0, begin + MARKS[0].length);
  writeFileSync(README, `${before}\n\n${text}\n\nThe samples: [${samples}](${samples}).\n\n${readme.slice(end)}`);
}
