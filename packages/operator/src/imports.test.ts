import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, resolve, sep } from 'node:path';
import { test } from 'node:test';

const SRC = import.meta.dirname;

const sources = () =>
  readdirSync(SRC, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts') && !file.endsWith('.test.ts'))
    .map((file) => join(SRC, file));

/** What a file imports, types included. */
function importsOf(file: string): string[] {
  const text = readFileSync(file, 'utf8');
  return [...text.matchAll(/\b(?:from|import)\s*\(?\s*['"]([^'"]+)['"]/g)].map(([, name]) => name as string);
}

test('the operator imports nothing of the proxy: it speaks to proxies of any version', () => {
  const files = sources();
  assert.ok(files.length > 3);
  for (const file of files) {
    for (const name of importsOf(file)) {
      if (name.startsWith('.')) assert.ok(resolve(dirname(file), name).startsWith(SRC + sep), `${file}: ${name}`);
      else assert.doesNotMatch(name, /^l7mp(\/|$)/, file);
    }
  }
});
