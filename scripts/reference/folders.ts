/** The table of the folders of `src`, made of the first lines of each one's README. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { table } from './tables.ts';

const SRC = join(import.meta.dirname, '..', '..', 'src');

export function folderTable(): string {
  const folders = readdirSync(SRC, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  const rows = folders.map(({ name }) => {
    const text = readFileSync(join(SRC, name, 'README.md'), 'utf8');
    return [`[\`${name}/\`](../src/${name}/README.md)`, line(text, 'Thread'), line(text, 'Owns')];
  });
  return table(['Folder of `src`', 'Thread', 'What it owns'], rows);
}

function line(text: string, name: string): string {
  const found = new RegExp(`^- \\*\\*${name}:\\*\\* (.+)$`, 'm').exec(text)?.[1];
  if (found === undefined) throw new Error(`a README of src says nothing of ${name}`);
  return found;
}
