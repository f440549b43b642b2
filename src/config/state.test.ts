import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { readState, writeState } from './state.ts';

let directory: string;
before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'l7mp-state-'));
});
after(() => rm(directory, { recursive: true }));

const config = {
  listeners: [{ name: 'l', spec: { protocol: 'UDP', port: 1 }, rules: [] }],
  admin: { log_level: 'warn' },
};
const state = { config, confined: ['cluster c'] };

test('what was kept is read again; nobody else may read it, and nothing else is left', async () => {
  const path = join(directory, 'kept');
  assert.equal(await readState(path), undefined);
  await writeState(path, { config: {}, confined: [] });
  await writeState(path, state);
  assert.deepEqual(await readState(path), state);
  assert.equal((await stat(path)).mode & 0o777, 0o600);
  assert.deepEqual(await readdir(directory), ['kept']);
});

test('what lies where it is written first is neither followed nor kept', async () => {
  const [path, victim] = [join(directory, 'planted'), join(directory, 'victim')];
  await writeFile(victim, 'untouched');
  for (const plant of [() => symlink(victim, `${path}.new`), () => writeFile(`${path}.new`, '', { mode: 0o666 })]) {
    await plant();
    await writeState(path, state);
    assert.equal((await stat(path)).mode & 0o777, 0o600);
  }
  assert.equal(await readFile(victim, 'utf8'), 'untouched');
  await rm(victim);
  await rm(path);
});

test('a damaged file is refused, whatever is wrong with it', async () => {
  const path = join(directory, 'damaged');
  await writeState(path, state);
  const good = await readFile(path, 'utf8');
  const bad = {
    empty: '',
    blank: '\n',
    cut: good.slice(0, -10),
    'no object': '[]',
    'another file': '{"listeners": []}',
    'a flipped bit': good.replace('UDP', 'UDQ'),
    'another version': good.replace('"l7mp":1', '"l7mp":2'),
  };
  for (const [what, text] of Object.entries(bad)) {
    await writeFile(path, text);
    await assert.rejects(
      readState(path),
      { code: 'E_FILE', message: /damaged cannot be used: .*--ignore-state/ },
      what,
    );
  }
});

test('where it cannot be written, the error names it and the former one stays', async () => {
  await assert.rejects(writeState(join(directory, 'missing', 'state'), state), {
    code: 'E_STATE',
    message: /missing/,
  });
  await assert.rejects(readState(directory), { code: 'E_FILE', message: /EISDIR/ });
});
