import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { stringify } from 'yaml';
import { readSource } from '../../src/config/load.ts';
import { L7mp } from '../../src/proxy.ts';
import { freePort } from '../../src/testing/ports.ts';
import { until } from '../../src/testing/until.ts';
import { Command, L7MP } from '../support/command.ts';
import { serveStream } from '../support/peers.ts';
import { listener, request } from '../support/proxy.ts';

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

/** Starts the command, on a port of the API, and waits until it is ready: all listeners listen. */
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
    const isReady = async (): Promise<boolean> =>
      (await request({ port, path: '/readyz' }).catch(() => undefined))?.status === 200;
    await until(async () => command.over || (await isReady()), 'it is ready');
    if (!command.over) return { command, port };
    if (attempt === 5 || !command.stderr.includes('in use')) throw new Error(command.output);
  }
}

// -------------------------------------------------------------------- --check

const GOOD: Readonly<Record<string, string>> = {
  'object.json': '{}',
  'bom.json': '\ufeff{"clusters": []}',
  'yaml-without-ending': 'clusters: [{ name: c, spec: { protocol: Echo } }]',
  'brackets-without-ending': "{ clusters: [{ name: 'c', spec: { protocol: Echo } }] }",
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
  'empty.yaml': ['', /^there is nothing in it$/],
  'comment.yml': ['# nothing\n', /^there is nothing in it$/],
  'empty.json': [' \n', /^there is nothing in it$/],
  'broken-without-ending': ['{"clusters": [}', /^not valid JSON: line 1, column 15: unexpected "}"$/],
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
  new L7mp().check((await readSource(file)).value);
}

test('files of either format are taken', async (t) => {
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

/** A configuration of which there is nothing to say. */
const FINE = 'listeners: [{ name: l, spec: { protocol: TCP, port: 5000 }, rules: [] }]\n';

test('--check says that a good file is valid, and exits with 0', async (t) => {
  const file = join(await temporary(t), 'config.yaml');
  await writeFile(file, FINE);
  for (const more of [[], ['--strict']]) {
    assert.deepEqual(await run(t, '-c', file, '--check', ...more), {
      status: 0,
      stdout: `${file}: valid\n`,
      stderr: '',
    });
  }
});

test('--check says what is wrong with a bad file, in which lines and columns, and exits with 1', async (t) => {
  const folder = await temporary(t);
  for (const [name, text, expected] of [
    [
      'a.yaml',
      'clusters: [{ name: c, spec: { protocol: UDP, port: 0 } }]',
      ['1:46: /clusters/0/spec/port: must be >= 1'],
    ],
    ['b.yaml', 'a: 1\na: 2\n', ['2:1: not valid YAML: duplicate key "a", at /a']],
    [
      'c.json',
      '{"listener": [],\n  "rules": [\n    {"name": "a", "actoin": {}},\n    {"name": "b", "action": {"route": 7}},\n    {"action": {"apply": "x"}}]}',
      [
        '1:2: /listener: unknown field; did you mean listeners?',
        '3:19: /rules/0/actoin: unknown field; did you mean action?',
        '4:30: /rules/1/action/route: must be string or object',
        '5:5: /rules/2/name: missing',
      ],
    ],
    [
      'd.yaml',
      'listeners:\n  - name: l\n    spec: { protocol: TCP, prot: 1 }\n    rules: []\n  - { name: m, spec: { protocol: Nix }, rules: [{ action: {} }] }\nclusters: 5\n',
      [
        '3:28: /listeners/0/spec/prot: unknown field; did you mean port?',
        '5:24: /listeners/1/spec/protocol: "Nix" is no protocol',
        '6:1: /clusters: must be array',
      ],
    ],
    [
      'e.yaml',
      'clusters:\n  - name: c\n    spec: { protocol: TCP, port: 1 }\n    endpoints:\n      - spec: { address: 127.0.0.1:9000 }\n      - { spec: { address: 127.0.0.300 } }\nlisteners:\n  - { name: l, rules: [], spec: { address: 1.2, protocol: UDP, port: 1 } }\n',
      [
        '5:17: /clusters/0/endpoints/0/spec/address: "127.0.0.1:9000" has a port in it',
        '6:19: /clusters/0/endpoints/1/spec/address: "127.0.0.300" is no IPv4 address',
        '8:35: /listeners/0/spec/address: must be string',
      ],
    ],
  ] as const) {
    const file = join(folder, name);
    await writeFile(file, text);
    const { status, stdout, stderr } = await run(t, '-c', file, '--check');
    assert.deepEqual([status, stdout], [1, '']);
    const lines = stderr.trimEnd().split('\n');
    for (const [n, line] of expected.entries()) assert.ok((lines[n] ?? '').startsWith(`l7mp: ${file}:${line}`), stderr);
    assert.equal(lines.length, expected.length, stderr);
  }
});

test('--check lists what is likely a mistake, and exits with 0; with --strict it is one', async (t) => {
  const file = join(await temporary(t), 'config.yaml');
  await writeFile(
    file,
    `${FINE}clusters:\n  - name: c\n    spec: { protocol: TCP, port: 1 }\nroutes:\n  - { name: r, destination: nix }\n`,
  );
  const warnings = [
    '3:5: {}/clusters/0: the cluster c has no endpoints; sessions fail until it has',
    '6:16: {}/routes/0/destination: there is no cluster named "nix"; sessions fail until there is',
  ];
  const listed = (kind: string) => warnings.map((text) => `l7mp: ${file}:${text.replace('{}', kind)}\n`).join('');
  const lax = await run(t, '-c', file, '--check');
  assert.deepEqual(lax, { status: 0, stdout: `${file}: valid, with 2 warnings\n`, stderr: listed('warning: ') });
  assert.deepEqual(await run(t, '-c', file, '--check', '--strict'), { status: 1, stdout: '', stderr: listed('') });
});

test('--check says which listeners want the same address', async (t) => {
  const folder = await temporary(t);
  const file = join(folder, 'config.json');
  const layer = (transport: object) => ({ protocol: 'JSONSocket', transport });
  const unix = { protocol: 'UnixDomainSocket', filename: join(folder, 'x.sock') };
  const specs: [name: string, spec: object][] = [
    ['a', { protocol: 'TCP', port: 5000, address: '127.0.0.1' }],
    ['udp', { protocol: 'UDP', port: 5000, address: '127.0.0.1' }],
    ['other', { protocol: 'TCP', port: 5000, address: '127.0.0.2' }],
    ['six', { protocol: 'TCP', port: 5000, address: '::1' }],
    ['b', layer({ protocol: 'TCP', port: 5000, address: '::ffff:127.0.0.1' })],
    ['c', { protocol: 'TCP', port: 5000 }],
    ['d', layer({ protocol: 'UDP', port: 5000, address: '::' })],
    ['e', unix],
    ['f', layer(unix)],
    ['http', { protocol: 'HTTP', port: 5000, address: '127.0.0.2' }],
  ];
  await writeFile(file, JSON.stringify({ listeners: specs.map(([name, spec]) => ({ name, spec, rules: [] })) }));
  const { status, stderr } = await run(t, '-c', file, '--check');
  assert.equal(status, 1);
  assert.deepEqual(
    [...stderr.matchAll(/^l7mp: \S+config\.json:1:\d+: (.*)$/gm)].map(([, text]) => text),
    [
      '/listeners/4/spec: 127.0.0.1:5000 is what the listener a listens on: one of them cannot',
      '/listeners/5/spec: 0.0.0.0:5000 is what the listener a listens on, at 127.0.0.1:5000: one of them cannot',
      '/listeners/6/spec: [::]:5000 is what the listener udp listens on, at 127.0.0.1:5000: one of them cannot',
      `/listeners/8/spec: ${unix.filename} is what the listener e listens on: one of them cannot`,
      '/listeners/9/spec: 127.0.0.2:5000 is what the listener other listens on: one of them cannot',
    ],
  );
});

test('--check says which files cannot be used', async (t) => {
  const folder = await temporary(t);
  const file = join(folder, 'config.json');
  await writeFile(join(folder, 'plain'), '');
  const rules: unknown[] = [];
  const unix = (name: string, filename: string) => ({ name, spec: { protocol: 'UnixDomainSocket', filename }, rules });
  const config = {
    admin: {
      log_file: folder,
      access_log_path: join(folder, 'nix', 'access.log'),
      state: join(folder, 'nix', 'state'),
      files: join(folder, 'plain'),
    },
    listeners: [
      unix('a', join(folder, 'fine.sock')),
      unix('b', join(folder, 'nix', 'x.sock')),
      unix('c', join(folder, 'plain')),
      { name: 'd', spec: { protocol: 'JSONSocket', transport: unix('', join(folder, 'nix', 'y.sock')).spec }, rules },
    ],
    clusters: [{ name: 'l', spec: { protocol: 'Logger', log_file: join(folder, 'plain', 'x.log') } }],
  };
  await writeFile(file, JSON.stringify(config));
  const { status, stderr } = await run(t, '-c', file, '--check');
  assert.equal(status, 1);
  const paths = [...stderr.matchAll(/^l7mp: \S+config\.json:1:\d+: (\/\S+): /gm)].map(([, path]) => path);
  assert.deepEqual(paths, [
    '/admin/log_file',
    '/admin/access_log_path',
    '/admin/state',
    '/admin/files',
    '/listeners/1/spec/filename',
    '/listeners/2/spec/filename',
    '/listeners/3/spec/transport/filename',
    '/clusters/0/spec/log_file',
  ]);
});

test('a configuration comes from the standard input, as YAML or JSON', async (t) => {
  for (const [text, status, said] of [
    [FINE, 0, 'stdin: valid\n'],
    ['{"listeners": [{"name": "l", "spec": {"protocol": "TCP", "port": 1}, "rules": []}]}', 0, 'stdin: valid\n'],
    [FINE.replace('5000', '0'), 1, 'l7mp: stdin:1:47: /listeners/0/spec/port: must be >= 1\n'],
    ['', 1, 'l7mp: stdin: there is nothing in it\n'],
  ] as const) {
    for (const name of ['-', '/dev/stdin']) {
      const command = new Command(t, L7MP, ['--check', '-c', name]);
      command.child.stdin?.end(text);
      await until(() => command.over, 'the command ends');
      assert.deepEqual(
        [command.child.exitCode, command.output],
        [status, said.replace('stdin', name === '-' ? 'stdin' : name)],
      );
    }
  }
});

test('what is wrong with an option is said of the option, and not of the file', async (t) => {
  const folder = await temporary(t);
  const file = join(folder, 'config.yaml');
  await writeFile(file, FINE);
  for (const more of [['--check'], []]) {
    const { status, stderr } = await run(t, '-c', file, '--threads', '100', ...more);
    assert.deepEqual([status, stderr], [1, 'l7mp: --threads, on the command line: must be <= 64\n']);
  }
  await writeFile(file, `admin: { threads: 100 }\n${FINE}`);
  const { stderr } = await run(t, '-c', file, '--threads', '2');
  assert.equal(stderr, `l7mp: ${file}:1:10: /admin/threads: must be <= 64\n`);
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
    await assert.rejects(readSource(join(folder, name)), { code: 'E_FILE', message: expected });
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

test('who ends it while it starts is told of no mistake', async (t) => {
  const folder = await temporary(t);
  const file = join(folder, 'config.yaml');
  const port = await freePort();
  const others = Array.from({ length: 20 }, (_, n) => ({
    name: `l${n}`,
    spec: { protocol: 'UnixDomainSocket', filename: join(folder, `${n}.sock`) },
    rules: [],
  }));
  await writeFile(file, stringify({ listeners: [controller(port), ...others] }));
  const command = new Command(t, L7MP, ['-c', file, '-l', 'error']);
  const answers = () => request({ port, path: '/healthz' }).catch(() => undefined);
  await until(async () => (await answers()) !== undefined, 'it answers');
  assert.deepEqual([await command.stop(), command.output], [0, '']);
});

test('what the command line does not take is told, and exits with 1', async (t) => {
  const cases: [string[], RegExp][] = [
    [['-c', 'x', '-l', 'loud'], /loud.*silly, verbose/],
    [[], /required option.*--config/],
    [['--chek'], /unknown option '--chek'\n\(Did you mean --check\?\)/],
  ];
  for (const [args, expected] of cases) {
    const { status, stderr } = await run(t, ...args);
    assert.equal(status, 1, args.join(' '));
    assert.match(stderr, expected);
  }
});

test('the log goes to the file that the configuration names, one line an event, from its level on', async (t) => {
  const folder = await temporary(t);
  const log = join(folder, 'l7mp.log');
  const filename = join(folder, 'listen.sock');
  const { command, port } = await startOn(t, folder, (api) => ({
    admin: { log_file: log, log_level: 'info', threads: 2 },
    listeners: [
      controller(api),
      { name: 'path', spec: { protocol: 'UnixDomainSocket', filename }, rules: [] },
      {
        name: 'layer',
        spec: { protocol: 'JSONSocket', transport: { protocol: 'UnixDomainSocket', filename: `${filename}2` } },
        rules: [],
      },
    ],
  }));
  const headers = { 'content-type': 'text/json' };
  const bad = JSON.stringify({ cluster: { name: 'two\nlines', spec: { protocol: 'Echo' } } });
  await request({ port, method: 'POST', path: '/api/v1/clusters', headers }, bad);
  assert.equal(await command.stop(), 0);
  assert.equal(command.output, '');
  const lines = (await readFile(log, 'utf8')).trimEnd().split('\n');
  for (const line of lines) assert.match(line, /^\d{4}-\d\d-\d\dT\S+Z (info|notice|warn|error) \S+: \S/, line);
  for (const where of [
    `controller: listening on ${HOST}:${port}`,
    `path: listening on ${filename}`,
    `layer: listening on ${filename}2`,
  ])
    assert.equal(lines.filter((line) => line.endsWith(where)).length, 1, `${where}, said once for all workers`);
  assert.ok(
    lines.some((line) =>
      / notice audit: POST \/api\/v1\/clusters \(cluster.*\) by anonymous from 127\.0\.0\.1:\d+: 422 \/cluster\/name: /.test(
        line,
      ),
    ),
  );
  assert.ok(lines.some((line) => /notice l7mp: SIGINT: shutting down/.test(line)));
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
