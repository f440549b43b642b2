import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { openFile } from './output.ts';

test('what several write to one file is whole, however much it is', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'l7mp-output-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'log');
  const writes = ['a', 'b', 'c', 'd'].map(async (letter) => {
    const output = await openFile(path, '/log_file');
    const piece = Buffer.from(`${letter.repeat((2 << 20) - 1)}\n`);
    for (let n = 0; n < 4; n++) await output.write(piece);
    await output.close();
  });
  await Promise.all(writes);
  const lines = readFileSync(path, 'latin1').split('\n').slice(0, -1);
  assert.equal(lines.length, 16);
  for (const line of lines) assert.equal(line, line.charAt(0).repeat((2 << 20) - 1));
});
