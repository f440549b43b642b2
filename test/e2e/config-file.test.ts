import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { stringify } from 'yaml';
import { readConfig } from '../../src/config/load.ts';
import { L7mp } from '../../src/proxy.ts';
import { Command, L7MP } from '../support/command.ts';
import { serveStream } from '../support/peers.ts';
import { freePort } from '../support/ports.ts';
import { listener, request } from '../support/proxy.ts';
import { until } from '../support/until.ts';

const HOST = '127.0.0.1';

const ECHO = { spec: { protocol: 'Echo' } };

/** The API, for a file of its own. */
const controller = (port: number): object =>
  listener(
    'controller',
    { protocol: 'HTTP', port, address: HOST },
    { destination: { spec: { protocol: 'L7mpController' } } },
  );

async function temporary(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'l7mp-file-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** Runs the command to its end. */
async function run(
  t: TestContext,
  ...args: string[]
): Promise<{ status: number | null; stdout: string; stderr: string }> {
  const command = new Command(t, L7MP, args);
  await until(() => command.over, `l7mp ${args.join(' ')} ends`);
  const { stdout, stderr, child } = command;
  return { status: child.exitCode, stdout, stderr };
}

/** Starts the command on a port of which the API answers. */
async function startOn(
  t: TestContext,
  folder: string,
  config: (port: number) => object,
  ...args: string[]
): Promise<{ command: Command; port: number }> {
  for (let attempt = 1; ; attempt++) {
    const port = await freePort();
    const file = join(folder, 'config.yaml');
    await writeFile(file, stringify({ listeners: [controller(port)], ...config(port) }));
    const command = new Command(t, L7MP, ['-c', file, ...args]);
    const answers = async (): Promise<boolean> =>
      (await request({ port, path: '/api/v1/admin' }).catch(() => undefined)) !== undefined;
    await until(async () => command.over || (await answers()), 'the API answers');
    if (!command.over) return { command, port };
    if (attempt === 5 || !command.stderr.includes('in use')) throw new Error(command.output);
  }
}

// -------------------------------------------------------------------- --check

const GOOD: Readonly<Record<string, string>> = {
  'empty.yaml': '',
  'comment.yml': '# nothing\n',
  'empty.json': '',
  'object.json': '{}',
  'bom.json': '\ufeff{"clusters": []}',
  'no-ending': '{"clusters": [{"name": "c", "spec": {"protocol": "Echo"}}]}',
  'upper.YAML': 'clusters: [{ name: c, spec: { protocol: Echo } }]',
  'merge.yaml': `
listeners:
  - { name: a, spec: &spec { protocol: TCP, port: 5000 }, rules: nix, options: &options { track: 0.5 } }
  - { name: b, spec: { <<: *spec, port: 5001 }, rules: nix, options: *options }
`,
};

/** What is wrong, in the words of the command. */
const BAD: Readonly<Record<string, readonly [string | Buffer, RegExp]>> = {
  'port.yaml': [
    'listeners:\n  - name: l\n    spec: { protocol: UDP, port: 0 }\n    rules: []\n',
    /^\/listeners\/0\/spec\/port: must be >= 1$/,
  ],
  'field.json': [
    '{"clusters": [{"name": "c", "spec": {"protocol": "Echo"}, "x": 1}]}',
    /^\/clusters\/0\/x: unknown field$/,
  ],
  'inline.yaml': [
    'rulelists: [{ name: r, rules: [a, { action: { route: { destination: { spec: { protocol: Nix } } } } }] }]',
    /^\/rulelists\/0\/rules\/1\/action\/route\/destination\/spec\/protocol: "Nix" is no protocol for a cluster/,
  ],
  'twice.yaml': [
    'clusters: [{ name: c, spec: { protocol: Echo } }, { name: c, spec: { protocol: Echo } }]',
    /there is a cluster named "c" already$/,
  ],
  'inline-twice.json': [
    '{"clusters": [{"name": "c", "spec": {"protocol": "Echo"}}], "routes": [{"name": "r", "destination": {"name": "c", "spec": {"protocol": "Echo"}}}]}',
    /there is a cluster named "c" already$/,
  ],
  'syntax.yaml': ['clusters:\n  - name: c\n  spec: 1\n', /not valid YAML: line \d, column \d/],
  'syntax.json': ["{'clusters': []}", /not valid JSON: /],
  'key-twice.json': [
    '{"admin": {"log_level": "info", "log_level": "warn"}}',
    /duplicate key "log_level", at \/admin\/log_level$/,
  ],
  'yaml-in.json': ['clusters: []', /not valid JSON: /],
  'latin1.yaml': [Buffer.from('# \xfc\n', 'latin1'), /^not valid UTF-8$/],
  'list.json': ['[]', /^\/: must be object$/],
  'date.yaml': [
    'clusters: [{ name: c, spec: { protocol: Echo }, options: { idle_timeout: !!timestamp 2020-01-01 } }]',
    /line 1, column 74: unresolved tag/,
  ],
  'nan.yaml': [
    'listeners: [{ name: l, spec: { protocol: TCP, port: .nan }, rules: [] }]',
    /line 1, column \d+: a number/,
  ],
  'level.yaml': ['admin: { log_level: loud }', /^\/admin\/log_level: must be one of silly, /],
};

/** What --check does, without a process of its own. */
async function check(file: string): Promise<void> {
  new L7mp().check(await readConfig(file));
}

test('files of either format are taken, and so are empty ones', async (t) => {
  const folder = await temporary(t);
  for (const [name, text] of Object.entries(GOOD)) {
    const file = join(folder, name);
    await writeFile(file, text);
    await check(file);
  }
});

test('what is wrong with a file is said in one line, with the place', async (t) => {
  const folder = await temporary(t);
  for (const [name, [text, expected]] of Object.entries(BAD)) {
    const file = join(folder, name);
    await writeFile(file, text);
    await assert.rejects(check(file), (error: Error) => {
      assert.match(error.message, expected, name);
      assert.doesNotMatch(error.message, /\n/);
      return true;
    });
  }
});

test('--check says that a good file is valid, and exits with 0', async (t) => {
  const file = join(await temporary(t), 'config.yaml');
  await writeFile(file, 'clusters: [{ name: c, spec: { protocol: Echo } }]');
  assert.deepEqual(await run(t, '-c', file, '--check'), { status: 0, stdout: `${file}: valid\n`, stderr: '' });
});

test('--check says what is wrong with a bad file and where, and exits with 1', async (t) => {
  const file = join(await temporary(t), 'config.yaml');
  for (const [text, expected] of [
    ['clusters: [{ name: c, spec: { protocol: UDP, port: 0 } }]', '/clusters/0/spec/port: must be >= 1'],
    ['a: 1\na: 2\n', 'not valid YAML: line 2, column 1: duplicate key "a", at /a'],
  ] as const) {
    await writeFile(file, text);
    const said = `l7mp: ${file}: ${expected}\n`;
    assert.deepEqual(await run(t, '-c', file, '--check'), { status: 1, stdout: '', stderr: said });
  }
});

test('--check opens nothing: neither ports nor files', async (t) => {
  const folder = await temporary(t);
  const taken = await serveStream(t);
  const file = join(folder, 'config.json');
  const log = join(folder, 'access.log');
  const listeners = [{ name: 'l', spec: { protocol: 'TCP', port: taken.port }, rules: [] }];
  await writeFile(file, JSON.stringify({ admin: { access_log_path: log, log_file: log }, listeners }));
  assert.equal((await run(t, '-c', file, '--check')).status, 0);
  await assert.rejects(readFile(log), { code: 'ENOENT' });
});

test('a file that cannot be read is told', async (t) => {
  const folder = await temporary(t);
  await mkdir(join(folder, 'directory.yaml'));
  for (const [name, expected] of [
    ['nix.yaml', /^cannot read the configuration: ENOENT/],
    ['directory.yaml', /^cannot read the configuration: EISDIR/],
    [join('nix', 'x.json'), /^cannot read the configuration: ENOENT/],
  ] as const) {
    await assert.rejects(readConfig(join(folder, name)), { code: 'E_FILE', message: expected });
  }
  for (const more of [['--check'], []]) {
    const { status, stdout, stderr } = await run(t, '-c', join(folder, 'directory.yaml'), ...more);
    assert.deepEqual([status, stdout], [1, '']);
    assert.match(stderr, /^l7mp: \S+directory\.yaml: cannot read the configuration: EISDIR[^\n]*\n$/);
  }
});

// -------------------------------------------------------------------- starting

test('what cannot be loaded is told, and nothing runs', async (t) => {
  const folder = await temporary(t);
  const taken = await serveStream(t);
  const free = await freePort();
  const nowhere = join(folder, 'nix', 'x.log');
  const good = { name: 'good', spec: { protocol: 'TCP', port: free, address: HOST }, rules: [] };
  const bad = { name: 'bad', spec: { protocol: 'TCP', port: taken.port, address: HOST }, rules: [] };
  for (const [config, expected] of [
    [{ listeners: [good, bad] }, /^listener bad: cannot listen on 127\.0\.0\.1:\d+: the address is in use$/],
    [{ admin: { log_file: nowhere }, listeners: [good] }, /^\/admin\/log_file: .*nix/],
    [{ admin: { access_log_path: nowhere } }, /^\/admin\/access_log_path: .*nix/],
    [
      { clusters: [{ name: 'c', spec: { protocol: 'Logger', log_file: nowhere } }] },
      /^cluster c: \/spec\/log_file: .*nix/,
    ],
    [{ listener: [] }, /^\/listener: unknown field; did you mean listeners\?$/],
  ] as const) {
    await assert.rejects(new L7mp().start(config), { message: expected });
  }
  const file = join(folder, 'config.json');
  await writeFile(file, JSON.stringify({ listeners: [good, bad] }));
  const { status, stderr } = await run(t, '-c', file);
  assert.equal(status, 1);
  assert.match(stderr, /^l7mp: \S+config\.json: listener bad: cannot listen on [^\n]*\n$/m);
  // The port of the good one is free again.
  await (await serveStream(t, { port: free })).stop();
});

test('the command line overrides the file', async (t) => {
  const folder = await temporary(t);
  const settings = { log_level: 'silent', strict: false, offload: 'disable', offload_ifs: 'eth0', threads: 1 };
  const { port } = await startOn(
    t,
    folder,
    () => ({ admin: settings }),
    '-l',
    'warn',
    '-s',
    '-i',
    'lo,eth1',
    '--threads',
    '2',
  );
  const { body } = await request({ port, path: '/api/v1/admin' });
  assert.deepEqual(
    { ...body },
    { ...body, log_level: 'warn', strict: true, offload: 'disable', offload_ifs: 'lo,eth1', threads: 2 },
  );
});

test('what the command line does not take is told, and exits with 1', async (t) => {
  const cases: [string[], RegExp][] = [
    [['-l', 'loud'], /loud.*silly, verbose/],
    [[], /required option.*--config/],
  ];
  for (const [args, expected] of cases) {
    const { status, stderr } = await run(t, ...(args.length > 0 ? ['-c', '/dev/null', ...args] : []));
    assert.equal(status, 1, args.join(' '));
    assert.match(stderr, expected);
  }
});

test('the log goes to the file that the configuration names, one line an event, from its level on', async (t) => {
  const folder = await temporary(t);
  const log = join(folder, 'l7mp.log');
  const { command, port } = await startOn(t, folder, () => ({ admin: { log_file: log, log_level: 'info' } }));
  const headers = { 'content-type': 'text/json' };
  const bad = JSON.stringify({ cluster: { name: 'two\nlines', spec: { protocol: 'Echo' } } });
  await request({ port, method: 'POST', path: '/api/v1/clusters', headers }, bad);
  assert.equal(await command.stop(), 0);
  assert.equal(command.output, '');
  const lines = (await readFile(log, 'utf8')).trimEnd().split('\n');
  for (const line of lines) assert.match(line, /^\d{4}-\d\d-\d\dT\S+Z (info|notice|warn|error) \S+: \S/, line);
  assert.ok(lines.some((line) => line.endsWith(`controller: listening on ${HOST}:${port}`)));
  assert.ok(
    lines.some((line) =>
      / notice audit: POST \/api\/v1\/clusters \(cluster.*\) by anonymous from 127\.0\.0\.1:\d+: 422 \/cluster\/name: /.test(
        line,
      ),
    ),
  );
  assert.ok(lines.some((line) => /notice l7mp: SIGTERM: shutting down/.test(line)));
});

for (const target of ['stdout', 'stderr'] as const) {
  test(`the log goes to ${target} where the configuration says so`, async (t) => {
    const folder = await temporary(t);
    const { command } = await startOn(t, folder, () => ({ admin: { log_file: target, log_level: 'notice' } }));
    await command.running();
    await command.stop();
    assert.match(command[target], /notice l7mp: version \S+ runs/);
    assert.equal(command[target === 'stdout' ? 'stderr' : 'stdout'], '');
  });
}

test('a silent proxy says nothing', async (t) => {
  const folder = await temporary(t);
  const { command, port } = await startOn(t, folder, () => ({}), '-l', 'silent');
  assert.equal((await request({ port, path: '/api/v1/nix' })).status, 404);
  assert.equal(await command.stop(), 0);
  assert.equal(command.output, '');
});

test('each ended session is a line of the access log, which the next start goes on with', async (t) => {
  const folder = await temporary(t);
  const log = join(folder, 'access.log');
  const lines = async () =>
    (await readFile(log, 'utf8'))
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
  let before = 0;
  for (const path of ['/api/v1/admin', '/api/v1/clusters']) {
    const { command, port } = await startOn(t, folder, () => ({ admin: { access_log_path: log } }));
    assert.equal((await request({ port, path })).status, 200);
    await command.stop();
    const all = await lines();
    assert.ok(all.length > before);
    before = all.length;
    const last = all.at(-1);
    assert.deepEqual([last.listener, last.outcome], ['controller', 'end']);
    assert.match(last.session, /^HTTP:/);
  }
});

test('a controller that other machines reach is warned about, one of this machine is not', async (t) => {
  const folder = await temporary(t);
  const open = (port: number, address?: string) => [
    listener(
      'api',
      { protocol: 'HTTP', port, ...(address && { address }) },
      { destination: { spec: { protocol: 'L7mpController' } } },
    ),
  ];
  const wide = await startOn(t, folder, (port) => ({ listeners: open(port) }));
  await wide.command.stop();
  assert.match(
    wide.command.stderr,
    /warn config: \/listeners\/0: the controller is reachable from other machines through api, at 0\.0\.0\.0:\d+/,
  );
  const narrow = await startOn(t, folder, (port) => ({ listeners: open(port, HOST) }));
  await narrow.command.stop();
  assert.doesNotMatch(narrow.command.output, /reachable/);
});

test('endpoints, unnamed objects and rules of a file are what the API then shows', async (t) => {
  const folder = await temporary(t);
  const { port } = await startOn(t, folder, () => ({
    clusters: [{ name: 'udp', spec: { protocol: 'UDP', port: 7 }, endpoints: [{ spec: { address: 'a' }, weight: 3 }] }],
    rulelists: [{ name: 'list', rules: [{ action: { route: { destination: ECHO } } }] }],
  }));
  const { body } = await request({ port, path: '/api/v1/config' });
  assert.deepEqual(body.rulelists[0], { name: 'list', rules: ['list-Rule-0'] });
  assert.deepEqual(body.endpoints, [{ name: 'udp-EndPoint-0', spec: { address: 'a' }, weight: 3, cluster: 'udp' }]);
});
