import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { chmod, constants, copyFile, mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { freePort } from '../src/testing/ports.ts';
import { until } from '../src/testing/until.ts';
import { Command } from './support/command.ts';
import { ask, connectDatagram, connectStream } from './support/peers.ts';

const run = promisify(execFile);
const CHECKOUT = join(import.meta.dirname, '..');
const OWN_BIN = join(CHECKOUT, 'node_modules', '.bin');
const { version } = JSON.parse(await readFile(join(CHECKOUT, 'package.json'), 'utf8'));

/** npm belongs to the system's Node, also where `npm test` has put the checkout's Node in front of it. */
function npm(cwd: string, ...args: string[]) {
  const path = (process.env.PATH ?? '').split(delimiter).filter((folder) => folder !== OWN_BIN);
  return run('npm', args, { cwd, env: { ...process.env, PATH: path.join(delimiter) } });
}

/** Runs a command of the user's project, where this test's Node is the one in PATH. */
function runInstalled(command: string, ...args: string[]) {
  const path = [dirname(process.execPath), process.env.PATH].join(delimiter);
  // Node's runner would take tests that its own test starts for parts of that one.
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  return run(command, args, { cwd: user, env: { ...env, PATH: path } });
}

/** npm does not build again what it is to pack: that was done for the package. */
const BUILT = { ...process.env, npm_config_ignore_scripts: 'true' };

let user: string;
let installed: string;

before(async () => {
  user = await mkdtemp(join(tmpdir(), 'l7mp-package-'));
  installed = join(user, 'node_modules', 'l7mp');
  await npm(CHECKOUT, 'pack', '--silent', '--pack-destination', user);
  await writeFile(join(user, 'package.json'), '{ "private": true, "type": "module" }');
  await npm(user, 'install', '--no-audit', '--no-fund', '--omit=dev', '--prefer-offline', `./l7mp-${version}.tgz`);
});

after(() => rm(user, { recursive: true, force: true }));

for (const command of ['l7mp', 'l7mp-proxy']) {
  test(`the installed ${command} prints the package's version`, async () => {
    const { stdout } = await runInstalled(join('node_modules', '.bin', command), '--version');
    assert.equal(stdout.trim(), version);
  });
}

test('node l7mp-proxy.js runs in the folder of the installed package', async () => {
  const { stdout } = await runInstalled('node', join(installed, 'l7mp-proxy.js'), '--version');
  assert.equal(stdout.trim(), version);
});

// Those that are kept (https://nodejs.org/en/about/previous-releases), beside the one that runs the tests.
for (const node of ['22.15.0', '22.23.3', '24.21.0']) {
  test(`it runs on Node ${node}: streams, datagrams and the REST API, with native I/O and with node's`, async (t) => {
    const path = await nodeOf(node);
    for (const io of ['native', 'node']) {
      const [tcp, udp, api] = [await freePort(), await freePort(), await freePort()];
      const listeners = [at('TCP', tcp, 'Echo'), at('UDP', udp, 'Echo'), at('HTTP', api, 'L7mpController')];
      const file = join(user, `${node}-${io}.json`);
      await writeFile(file, JSON.stringify({ admin: { io, threads: 1 }, listeners }));
      const proxy = await new Command(t, path, [join(installed, 'l7mp-proxy.js'), '-c', file]).running();
      const stream = await connectStream(t, { port: tcp });
      assert.equal(await ask(stream, 'over TCP'), 'over TCP');
      assert.equal(await ask(await connectDatagram(t, udp), 'over UDP'), 'over UDP');
      const answer = await fetch(`http://127.0.0.1:${api}/api/v1/admin`);
      const { io_status: status } = (await answer.json()) as { io_status: { engine: string } };
      assert.equal(status.engine, io);
      assert.equal(await proxy.stop(), 0, proxy.output);
    }
  });
}

function at(protocol: string, port: number, destination: string) {
  const route = { destination: { spec: { protocol: destination } } };
  return { name: protocol, spec: { protocol, port, address: '127.0.0.1' }, rules: [{ action: { route } }] };
}

/** A Node of that version, out of npm's registry, in a cache outside of the tree. */
async function nodeOf(wanted: string): Promise<string> {
  const cache = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'l7mp');
  const folder = join(cache, `node-${wanted}`);
  const name = `node-linux-${process.arch}`;
  const path = join(folder, 'node_modules', name, 'bin', 'node');
  if (!existsSync(path)) {
    await mkdir(cache, { recursive: true });
    const aside = await mkdtemp(`${folder}.`);
    await npm(aside, 'install', '--no-audit', '--no-fund', '--prefix', aside, `${name}@${wanted}`);
    await rename(aside, folder).catch(() => rm(aside, { recursive: true }));
  }
  return path;
}

/** Modules that a start may load in the main thread: they are most of its time and memory. Those of Node itself are not counted. */
const MAX_MODULES = 45;

test('a start loads few modules, and the native engine finds its thread', async () => {
  await writeFile(join(user, 'hook.mjs'), HOOK);
  // A socket of the native engine: before there is one, it has no thread.
  const echo = {
    name: 'echo',
    spec: { protocol: 'TCP', port: await freePort(), address: '127.0.0.1' },
    rules: [{ action: { route: { destination: { spec: { protocol: 'Echo' } } } } }],
  };
  await writeFile(join(user, 'start.json'), JSON.stringify({ admin: { io: 'native' }, listeners: [echo] }));
  const file = join(user, 'modules');
  const script = join(installed, 'l7mp-proxy.js');
  const child = spawn(process.execPath, ['--import', './hook.mjs', script, '-c', 'start.json'], {
    cwd: user,
    env: { ...process.env, MODULES: file },
    stdio: ['ignore', 'inherit', 'pipe'],
  });
  let said = '';
  child.stderr.on('data', (data) => {
    said += data;
  });
  await until(() => / runs, /.test(said) || child.exitCode !== null, 'it runs');
  child.kill('SIGTERM');
  await once(child, 'exit');
  assert.equal(child.exitCode, 0, said);
  const modules = (await readFile(file, 'utf8')).trim().split('\n');
  assert.ok(modules.length < MAX_MODULES, modules.join('\n'));
});

/** Notes what is loaded, by `import` and by `require`. */
const HOOK = `
import { appendFileSync } from 'node:fs';
import { registerHooks } from 'node:module';
registerHooks({
  load(url, context, next) {
    if (url.startsWith('file:')) appendFileSync(process.env.MODULES, url + '\\n');
    return next(url, context);
  },
});
`;

test('the licences of what is part of the package’s files are passed on', async () => {
  const text = await readFile(join(installed, 'dist', 'LICENSES'), 'utf8');
  for (const name of ['commander', 'js-yaml', 'typebox']) assert.match(text, new RegExp(`^${name} `, 'm'));
});

test('the package holds the minimal configuration', async () => {
  await readFile(join(installed, 'config', 'l7mp-minimal.yaml'));
});

test('the package holds declarations and no TypeScript sources', async () => {
  const files = (await readdir(installed, { recursive: true })).filter((file) => /\.[cm]?ts$/.test(file));
  const sources = files.filter((file) => !file.startsWith('node_modules') && !/\.d\.[cm]?ts$/.test(file));
  assert.deepEqual(sources, []);
  assert.ok(files.includes(join('dist', 'index.d.ts')));
});

test('the package holds nothing of those beside it in the repository', async () => {
  const { dependencies } = JSON.parse(await readFile(join(installed, 'package.json'), 'utf8'));
  assert.deepEqual(
    Object.keys(dependencies).filter((name) => /^@l7mp\/|^l7mp-/.test(name)),
    [],
  );
  const files = (await readdir(installed)).filter((name) => ['packages', 'charts'].includes(name));
  assert.deepEqual(files, []);
});

test('a module of a project that has l7mp installed can import it', async () => {
  await writeFile(join(user, 'plugin.js'), "import * as l7mp from 'l7mp'; console.log(Object.keys(l7mp).length > 0);");
  const { stdout } = await runInstalled('node', 'plugin.js');
  assert.equal(stdout.trim(), 'true');
});

test('what the image of the proxy holds runs as nobody, with a configuration that is mounted', async (t) => {
  const folder = join(user, 'image');
  await run(join(CHECKOUT, 'scripts', 'image'), ['proxy', folder], { env: BUILT });
  // As in the DaemonSet of the README.
  const port = await freePort();
  await writeFile(join(folder, 'config', 'l7mp-ingress-gw.yaml'), CONTROLLER.replace('1234', String(port)));
  // Node's own file may be where nobody may look.
  await copyFile(process.execPath, join(user, 'node'), constants.COPYFILE_FICLONE);
  await chmod(user, 0o755);
  const command = [join(user, 'node'), 'l7mp-proxy.js', '-c', 'config/l7mp-ingress-gw.yaml', '-s', '-l', 'info'];
  const nobody = ['setpriv', '--reuid=65532', '--regid=65532', '--clear-groups', '--no-new-privs'];
  const [file = '', ...args] = process.getuid?.() === 0 ? [...nobody, ...command] : command;
  const proxy = spawn(file, args, { cwd: folder, env: { PATH: process.env.PATH }, stdio: 'inherit' });
  t.after(() => proxy.kill());
  const api = `http://127.0.0.1:${port}/api/v1`;
  const admin = await until(
    () =>
      fetch(`${api}/admin`).then(
        (answer) => answer.json(),
        () => undefined,
      ),
    'the proxy answers',
  );
  const { version: own, io_status: io } = admin as { version: string; io_status: { engine: string } };
  assert.equal(own, version);
  assert.equal(io.engine, process.platform === 'linux' ? 'native' : 'node', 'koffi is in it');
  const files = await readdir(folder);
  assert.deepEqual(
    files.filter((name) => ['src', 'test', 'packages', 'docs', 'charts'].includes(name)),
    [],
  );
});

const CONTROLLER = `
admin:
  log_level: info
  log_file: stdout
  access_log_path: /tmp/admin_access.log
listeners:
- name: controller-listener
  spec: { protocol: HTTP, port: 1234 }
  rules:
  - action:
      route:
        cluster:
          spec: { protocol: L7mpController }
`;

test('the Dockerfile is as hadolint wants it', async () => {
  await run(join(CHECKOUT, 'scripts', 'hadolint'), [join(CHECKOUT, 'Dockerfile')]);
});

const PLUGIN = `
import { defineProtocol, LocalChannel, strict } from 'l7mp';

class Upper extends LocalChannel {
  work(bytes, attributes) {
    this.deliver(bytes.map((byte) => (byte >= 97 && byte <= 122 ? byte - 32 : byte)), attributes, true);
  }
}

export default defineProtocol({
  name: 'Upper',
  title: 'capitals',
  cluster: {
    schema: strict({}),
    kind: 'same',
    virtual: true,
    open: (spec, { limits }) => ({ dial: () => new Upper(limits) }),
  },
});
`;

const PLUGIN_TEST = `
import { createMemoryNetwork, runCompliance, runTransformCompliance } from 'l7mp/testing';
import upper from './upper.js';

runTransformCompliance({
  name: 'Upper',
  protocols: [upper],
  spec: { protocol: 'Upper' },
  output: (message) => Buffer.from(message.toString('latin1').replace(/[a-z]/g, (c) => c.toUpperCase()), 'latin1'),
});

let n = 0;
runCompliance({
  name: 'Memory',
  protocols: [createMemoryNetwork()],
  specs: async () => {
    const name = String(n++);
    return { listener: { protocol: 'Memory', name }, cluster: { protocol: 'Memory' }, address: name };
  },
});
`;

test('a plugin of such a project runs the compliance suites', async () => {
  await writeFile(join(user, 'upper.js'), PLUGIN);
  await writeFile(join(user, 'upper.test.js'), PLUGIN_TEST);
  const { stdout } = await runInstalled('node', '--test', '--test-reporter=tap', 'upper.test.js');
  assert.match(stdout, /^# fail 0$/m);
  assert.ok(Number(/^# pass (\d+)$/m.exec(stdout)?.[1]) >= 20, 'the cases of both suites have run');
});
