import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';

const ROOT = join(import.meta.dirname, '..', '..', '..');

test('openapi.ts is what scripts/generate-client.ts writes', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'l7mp-client-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const made = join(folder, 'openapi.ts');
  await promisify(execFile)(process.execPath, [join(ROOT, 'scripts', 'generate-client.ts'), made]);
  const [committed, current] = await Promise.all(
    [join(import.meta.dirname, 'openapi.ts'), made].map((f) => readFile(f, 'utf8')),
  );
  assert.ok(committed === current, 'run node_modules/.bin/node scripts/generate-client.ts');
});
