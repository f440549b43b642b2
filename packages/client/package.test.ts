/** What `npm pack` makes, installed in an empty folder. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { startProxy } from '../../test/support/proxy.ts';

const run = promisify(execFile);
const ROOT = join(import.meta.dirname, '..', '..');
const OWN_BIN = join(ROOT, 'node_modules', '.bin');

/** npm belongs to the system's Node, also where `npm test` has put the checkout's Node in front of it. */
function npm(cwd: string, ...args: string[]) {
  const path = (process.env.PATH ?? '').split(delimiter).filter((folder) => folder !== OWN_BIN);
  return run('npm', args, { cwd, env: { ...process.env, PATH: path.join(delimiter) } });
}

let user: string;

before(async () => {
  user = await mkdtemp(join(tmpdir(), 'l7mp-client-package-'));
  const { stdout } = await npm(import.meta.dirname, 'pack', '--silent', '--pack-destination', user);
  await writeFile(join(user, 'package.json'), '{ "private": true, "type": "module" }');
  await npm(user, 'install', '--no-audit', '--no-fund', '--offline', `./${stdout.trim()}`);
});

after(() => rm(user, { recursive: true, force: true }));

test('the package holds what was built, and no sources', async () => {
  const files = await readdir(join(user, 'node_modules', '@l7mp', 'client'), { recursive: true });
  assert.deepEqual(
    files.filter((file) => /\.[cm]?[jt]s$/.test(file) && !file.endsWith('.d.ts')),
    [join('dist', 'index.js')],
  );
  assert.ok(files.includes(join('dist', 'index.d.ts')));
  assert.ok(files.includes('README.md'));
});

test('the examples of the README work with a real proxy', async (t) => {
  const { proxy } = await startProxy(t, [], () => ({}));
  const text = await readFile(join(import.meta.dirname, 'README.md'), 'utf8');
  const blocks = [...text.matchAll(/^```js\n(.*?)^```$/gms)].map(([, code]) => code);
  assert.ok(blocks.length >= 5);
  const code = [...blocks, 'client.close();\n'].join('').replaceAll(':1234', `:${proxy.port}`);
  await writeFile(join(user, 'readme.js'), code);
  const { stdout } = await run(process.execPath, ['readme.js'], { cwd: user });
  assert.match(stdout, /address: '127\.0\.0\.1'/);
  assert.match(stdout, /action: 'delete'/);
  assert.match(stdout, /as before/);
});

test('a client takes none of the memory of Node’s own fetch', async (t) => {
  const { proxy } = await startProxy(t, [], () => ({}));
  await writeFile(
    join(user, 'loaded.js'),
    `import { Client } from '@l7mp/client';
const client = new Client({ base: 'http://127.0.0.1:${proxy.port}' });
await client.get('/healthz');
console.log(process.moduleLoadList.filter((name) => name.includes('undici')).join());
client.close();`,
  );
  const { stdout } = await run(process.execPath, ['loaded.js'], { cwd: user });
  assert.equal(stdout.trim(), '');
});

test('its declarations are enough for TypeScript', async () => {
  await writeFile(
    join(user, 'typed.ts'),
    `import { Client } from '@l7mp/client';
const client = new Client({ base: 'http://127.0.0.1:1' });
export const name: string = (await client.get('/clusters/{name}', { params: { name: 'x' } })).body.name;
// @ts-expect-error: there is no such path
await client.get('/nowhere');
`,
  );
  const types = ['--types', 'node', '--typeRoots', join(ROOT, 'node_modules', '@types')];
  const options = ['--noEmit', '--strict', '--module', 'nodenext', '--target', 'es2023', ...types];
  await run(join(OWN_BIN, 'tsc'), [...options, 'typed.ts'], { cwd: user });
});
