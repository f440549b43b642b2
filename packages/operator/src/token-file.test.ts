import assert from 'node:assert/strict';
import { mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { until } from '../../../src/testing/until.ts';
import { TokenFile } from './token-file.ts';

const folder = mkdtempSync(join(tmpdir(), 'l7mp-token-'));
const fail = (message: string): never => assert.fail(message);

after(() => rmSync(folder, { recursive: true }));

/** As the kubelet exchanges a Secret: a symbolic link leads to another file. */
function put(token: string): string {
  const content = join(folder, `content-${token}`);
  const link = join(folder, 'link');
  writeFileSync(content, `${token}\n`);
  symlinkSync(content, link);
  renameSync(link, join(folder, 'token'));
  return join(folder, 'token');
}

test('a token that was exchanged is used', async () => {
  const file = new TokenFile(put('one'), fail);
  assert.equal(file.token, 'one');
  put('two');
  await until(() => file.token === 'two');
});

test('a token that has gone goes on to be used, and that is told', async () => {
  const failures: string[] = [];
  const path = put('three');
  const file = new TokenFile(path, (message) => failures.push(message));
  rmSync(path);
  await until(() => file.token === 'three' && failures.length > 0);
  assert.match(failures[0] ?? '', /ENOENT/);
});

test('a file without a token is an error', () => {
  assert.throws(() => new TokenFile(join(folder, 'none'), fail), /ENOENT/);
  writeFileSync(join(folder, 'empty'), '\n');
  assert.throws(() => new TokenFile(join(folder, 'empty'), fail), /empty is empty/);
  writeFileSync(join(folder, 'lines'), 'a\nb\n');
  assert.throws(() => new TokenFile(join(folder, 'lines'), fail), /lines holds no bearer token/);
});
