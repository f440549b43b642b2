import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { closeSync, constants, mkdtempSync, openSync, readFileSync, readSync, rmSync } from 'node:fs';
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

test('what could be written in part only does not run into the next line', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'l7mp-output-'));
  t.after(() => rmSync(folder, { recursive: true }));
  // A FIFO takes a part of what is too much, as a disk does that is nearly full.
  const path = join(folder, 'fifo');
  execFileSync('mkfifo', [path]);
  const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  t.after(() => closeSync(reader));
  const output = await openFile(path, '/log_file');
  t.after(() => output.close());
  await assert.rejects(output.write(Buffer.from(`${'x'.repeat(1 << 21)}\n`)), { code: 'EAGAIN' });
  const part = Buffer.alloc(1 << 22);
  assert.ok(readSync(reader, part) < 1 << 21);
  await output.write(Buffer.from('next\n'));
  await output.write(Buffer.from('last\n'));
  const size = readSync(reader, part);
  assert.equal(part.toString('latin1', 0, size), '\nnext\nlast\n');
});
