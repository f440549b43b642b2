/** What `npm pack` makes, installed in an empty folder. */
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { until } from '../../src/testing/until.ts';
import { FakeApi } from './src/kubernetes/testing.ts';
import { CORE_KINDS, L7MP_KINDS } from './src/resources/kinds.ts';

const run = promisify(execFile);
const OWN_BIN = join(import.meta.dirname, '..', '..', 'node_modules', '.bin');
const { version } = JSON.parse(await readFile(join(import.meta.dirname, 'package.json'), 'utf8'));

let user: string;
let command: string;

/** npm belongs to the system's Node, also where `npm test` has put the checkout's Node in front of it. */
function npm(cwd: string, ...args: string[]) {
  const path = (process.env.PATH ?? '').split(delimiter).filter((folder) => folder !== OWN_BIN);
  return run('npm', args, { cwd, env: { ...process.env, PATH: path.join(delimiter) } });
}

/** Where this test's Node is the one in PATH. */
const env = { HOME: tmpdir(), PATH: [dirname(process.execPath), process.env.PATH].join(delimiter) };

before(async () => {
  user = await mkdtemp(join(tmpdir(), 'l7mp-operator-package-'));
  const { stdout } = await npm(import.meta.dirname, 'pack', '--silent', '--pack-destination', user);
  await writeFile(join(user, 'package.json'), '{ "private": true }');
  await npm(user, 'install', '--no-audit', '--no-fund', '--offline', `./${stdout.trim()}`);
  command = join(user, 'node_modules', '.bin', 'l7mp-operator');
});

after(() => rm(user, { recursive: true, force: true }));

test('it needs no other package, and passes on the licences of those that it is made of', async () => {
  assert.deepEqual(
    (await readdir(join(user, 'node_modules'))).filter((name) => !name.startsWith('.')),
    ['l7mp-operator'],
  );
  const licences = await readFile(join(user, 'node_modules', 'l7mp-operator', 'dist', 'LICENSES'), 'utf8');
  for (const name of ['@kubernetes/client-node', 'commander', 'pino', 'prom-client', '@peculiar/x509'])
    assert.match(licences, new RegExp(`^${name} `, 'm'));
  // It would take 20 MB of memory, and is for clients that are not made.
  assert.doesNotMatch(licences, /^undici /m);
});

test('the installed command prints its version', async () => {
  assert.equal((await run(command, ['--version'], { env })).stdout.trim(), version);
});

test('its image has the same, and starts', async () => {
  const folder = join(user, 'image');
  await run(join(import.meta.dirname, '..', '..', 'scripts', 'image'), ['operator', folder]);
  const inImage = join('packages', 'operator', 'bin', 'l7mp-operator');
  assert.equal((await run(inImage, ['--version'], { cwd: folder, env })).stdout.trim(), version);
  const files = async (place: string) => (await readdir(place, { recursive: true })).sort();
  const installed = join(user, 'node_modules', 'l7mp-operator');
  assert.deepEqual(await files(join(folder, 'packages', 'operator')), await files(installed));
});

test('the installed command works', async () => {
  const api = await FakeApi.start(...Object.values(L7MP_KINDS), ...Object.values(CORE_KINDS));
  const cluster = `{name: c, cluster: {server: "${api.access.server.href}"}}`;
  const context = '{name: x, context: {cluster: c, user: u}}';
  const config = join(user, 'kubeconfig');
  await writeFile(
    config,
    `{clusters: [${cluster}], users: [{name: u, user: {}}], contexts: [${context}], current-context: x}`,
  );
  const child = spawn(command, ['--kubeconfig', config, '--metrics', '127.0.0.1:0'], { env });
  let said = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (text) => {
      said += text;
    });
  await until(() => said.includes('programming begins') || child.exitCode !== null, 'it begins');
  child.kill('SIGTERM');
  await once(child, 'close');
  assert.equal(child.exitCode, 0, said);
  await api.close();
});
