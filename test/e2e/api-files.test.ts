import assert from 'node:assert/strict';
import { existsSync, lstatSync, readFileSync } from 'node:fs';
import { link, mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { type TestContext, test } from 'node:test';
import Type from 'typebox';
import { defineProtocol } from '../../src/core/protocol.ts';
import { strict } from '../../src/core/schema.ts';
import { refused } from '../support/config.ts';
import { connectStream } from '../support/peers.ts';
import { listener, startProxy, type TestProxy } from '../support/proxy.ts';

interface Fixture {
  readonly proxy: TestProxy;
  /** What the API may name lies below it. */
  readonly inside: string;
  /** Beside it. */
  readonly outside: string;
}

async function start(t: TestContext, config: (outside: string) => object = () => ({})): Promise<Fixture> {
  const folder = await mkdtemp(join(tmpdir(), 'l7mp-files-'));
  t.after(() => rm(folder, { recursive: true }));
  const [inside, outside] = [join(folder, 'inside'), join(folder, 'outside')];
  await mkdir(join(inside, 'sub'), { recursive: true });
  await mkdir(outside);
  await writeFile(join(outside, 'profile'), 'theirs');
  const { proxy } = await startProxy(t, [], () => {
    const given = config(outside) as { admin?: object };
    return { ...given, admin: { ...given.admin, files: inside } };
  });
  return { proxy, inside, outside };
}

type Request = readonly [path: string, body: (file: string) => object];

const UNIX = 'UnixDomainSocket';
const to = (cluster: string) => [{ action: { route: { destination: cluster } } }];

/** All by which the API may name a file that is written. */
const WRITERS: readonly Request[] = [
  ['clusters', (log_file) => ({ cluster: { name: 'x', spec: { protocol: 'Logger', log_file } } })],
  [
    'routes',
    (log_file) => ({ route: { name: 'x', destination: 'c', ingress: [{ spec: { protocol: 'Logger', log_file } }] } }),
  ],
  [
    'rulelists/list/rules/0',
    (log_file) => ({ rule: { action: { route: { destination: { spec: { protocol: 'Logger', log_file } } } } } }),
  ],
  ['config', (log_file) => ({ clusters: [{ name: 'x', spec: { protocol: 'Logger', log_file } }] })],
  ['admin', (log_file) => ({ admin: { log_file } })],
  ['admin', (access_log_path) => ({ admin: { access_log_path } })],
  ['config', (access_log_path) => ({ admin: { access_log_path } })],
];

/** All by which it may name a socket. */
const SOCKETS: readonly Request[] = [
  ['listeners', (filename) => ({ listener: { name: 'x', spec: { protocol: UNIX, filename }, rules: to('c') } })],
  [
    'listeners',
    (filename) => ({
      listener: { name: 'x', spec: { protocol: 'JSONSocket', transport: { protocol: UNIX, filename } }, rules: [] },
    }),
  ],
  ['clusters', (filename) => ({ cluster: { name: 'x', spec: { protocol: UNIX, filename } } })],
  [
    'clusters',
    (filename) => ({
      cluster: { name: 'x', spec: { protocol: 'JSONSocket', transport: { protocol: UNIX, filename } } },
    }),
  ],
  ['clusters', (address) => ({ cluster: { name: 'x', spec: { protocol: UNIX }, endpoints: [{ spec: { address } }] } })],
  [
    'clusters',
    (address) => ({
      cluster: {
        name: 'x',
        spec: { protocol: 'JSONSocket', transport: { protocol: UNIX } },
        endpoints: [{ spec: { address } }],
      },
    }),
  ],
  ['clusters/unix/endpoints', (address) => ({ endpoint: { spec: { address } } })],
  [
    'config',
    (address) => ({
      clusters: [{ name: 'x', spec: { protocol: UNIX } }],
      endpoints: [{ cluster: 'x', spec: { address } }],
    }),
  ],
];

const OBJECTS = {
  clusters: [
    { name: 'c', spec: { protocol: 'Echo' } },
    { name: 'unix', spec: { protocol: UNIX }, endpoints: [{ spec: { address: '/nowhere' } }] },
  ],
  rulelists: [{ name: 'list', rules: [] }],
};

test('the API names no file and no socket outside of admin.files, in whatever object', async (t) => {
  const { proxy, inside, outside } = await start(t, () => OBJECTS);
  for (const [path, body] of [...WRITERS, ...SOCKETS]) {
    for (const file of [
      join(outside, 'profile'),
      join(outside, 'new'),
      `${inside}/../outside/new`,
      `${inside}/sub/../../outside/new`,
      `${inside}x`,
      inside,
      `${inside}/`,
      relative(process.cwd(), join(outside, 'new')),
      'new',
    ]) {
      assert.match(await refused(proxy, 403, 'POST', path, body(file)), /admin\.files/, `${path} ${file}`);
    }
  }
  assert.equal(readFileSync(join(outside, 'profile'), 'utf8'), 'theirs');
  assert.ok(!existsSync(join(outside, 'new')));
});

test('the API follows no link out of admin.files: symbolic or hard, at the end or on the way', async (t) => {
  const { proxy, inside, outside } = await start(t, () => OBJECTS);
  await symlink(join(outside, 'profile'), join(inside, 'file'));
  await symlink(join(outside, 'new'), join(inside, 'dangling'));
  await symlink(outside, join(inside, 'folder'));
  await symlink(inside, join(inside, 'loop'));
  await link(join(outside, 'profile'), join(inside, 'hard'));
  for (const [path, body] of [...WRITERS, ...SOCKETS]) {
    for (const name of ['file', 'dangling', 'folder/profile', 'folder/new', 'loop/new', 'hard']) {
      const message = await refused(proxy, 403, 'POST', path, body(join(inside, name)));
      assert.match(message, /is a symbolic link|has several names/, `${path} ${name}`);
    }
  }
  assert.equal(readFileSync(join(outside, 'profile'), 'utf8'), 'theirs');
  assert.ok(!existsSync(join(outside, 'new')) && !existsSync(join(inside, 'new')));
});

test('what the API names below admin.files is made for the proxy’s user only', async (t) => {
  const before = process.umask(0);
  t.after(() => process.umask(before));
  const { proxy, inside } = await start(t, () => OBJECTS);
  const mode = (name: string): number => lstatSync(join(inside, name)).mode & 0o777;
  const logger = { protocol: 'Logger', log_file: join(inside, 'sub', 'log') };
  await proxy.ok('POST', 'clusters', { cluster: { name: 'l', spec: logger } });
  await proxy.ok('POST', 'admin', { admin: { access_log_path: join(inside, 'access') } });
  await proxy.ok('POST', 'admin', { admin: { log_file: join(inside, 'main') } });
  const filename = join(inside, 'socket');
  await proxy.ok('POST', 'listeners', { listener: { name: 'u', spec: { protocol: UNIX, filename }, rules: to('l') } });
  assert.deepEqual(['sub/log', 'access', 'main', 'socket'].map(mode), [0o600, 0o600, 0o600, 0o600]);
  const client = await connectStream(t, { path: filename });
  client.send('hello');
  await proxy.session('u');
  assert.equal(process.umask(0), 0);
  await proxy.ok('POST', 'admin', { admin: { log_file: 'stderr' } });
});

test('the start-up file names what it likes, and the API may leave it as it is', async (t) => {
  const { proxy, outside } = await start(t, (folder) => ({
    admin: { access_log_path: join(folder, 'access') },
    clusters: [
      { name: 'log', spec: { protocol: 'Logger', log_file: join(folder, 'log') } },
      { name: 'unix', spec: { protocol: UNIX, filename: join(folder, 'other') } },
    ],
    listeners: [listener('u', { protocol: UNIX, filename: join(folder, 'socket') }, { destination: 'log' })],
  }));
  for (const name of ['access', 'log', 'socket']) assert.ok(existsSync(join(outside, name)), name);
  await proxy.ok('POST', 'admin', { admin: await proxy.ok('GET', 'admin') });
  await proxy.ok('DELETE', 'clusters/log');
  const again = { cluster: { name: 'log', spec: { protocol: 'Logger', log_file: join(outside, 'log') } } };
  await refused(proxy, 403, 'POST', 'clusters', again);
});

test('what is no file yet does not become one behind the back of the door', async (t) => {
  const { proxy, inside, outside } = await start(t, () => OBJECTS);
  const address = join(outside, 'socket');
  const tcp = { spec: { protocol: 'TCP', port: 1 }, endpoints: [{ name: 'e', spec: { address } }] };
  // Refused where such an address is none; it makes no difference here.
  await proxy.api('POST', 'clusters', { cluster: { name: 'x', ...tcp } });
  const unix = { spec: { protocol: UNIX }, endpoints: [{ name: 'e', spec: { address } }] };
  await refused(proxy, 403, 'PUT', 'clusters/x', { cluster: unix });
  const inner = { ...unix, endpoints: [{ name: 'f', spec: { address: join(inside, 's') } }] };
  assert.equal((await proxy.api('PUT', 'clusters/y', { cluster: inner })).status, 201);
  await refused(proxy, 403, 'PUT', 'endpoints/f', { endpoint: { spec: { address } } });
  await refused(proxy, 403, 'PUT', 'clusters/y', {
    cluster: { ...unix, endpoints: [{ name: 'f', spec: { address } }] },
  });
});

test('what would be refused is refused as well where it is only tried', async (t) => {
  const { proxy, outside } = await start(t, () => OBJECTS);
  for (const [path, body] of [...WRITERS, ...SOCKETS]) {
    await refused(proxy, 403, 'POST', `${path}?dry_run=true`, body(join(outside, 'new')));
  }
});

test('a file of the start-up file stays where the API changes something else about its object', async (t) => {
  const { proxy, outside } = await start(t, (folder) => ({
    clusters: [{ name: 'log', spec: { protocol: 'Logger', log_file: join(folder, 'log') } }],
  }));
  const spec = { protocol: 'Logger', log_file: join(outside, 'log') };
  await proxy.ok('PUT', 'clusters/log', { cluster: { spec: { ...spec, log_prefix: 'x' } } });
  await refused(proxy, 403, 'PUT', 'clusters/log', { cluster: { spec: { ...spec, log_file: join(outside, 'new') } } });
});

test('a file of the API that was renamed is not made anew through a link', async (t) => {
  const { proxy, inside, outside } = await start(t, () => OBJECTS);
  const log = join(inside, 'sub', 'log');
  await proxy.ok('POST', 'admin', { admin: { log_file: log } });
  await rename(join(inside, 'sub'), join(inside, 'old'));
  await symlink(outside, join(inside, 'sub'));
  await assert.rejects(proxy.proxy.logger.reopen(), { code: 'E_FORBIDDEN' });
  assert.ok(!existsSync(join(outside, 'log')));
  await proxy.ok('POST', 'admin', { admin: { log_file: 'stderr' } });
});

test('without admin.files the API may name files below the folder of temporary files, and the null device', async (t) => {
  const { proxy } = await startProxy(t, [], () => ({}));
  assert.equal((await proxy.ok('GET', 'admin')).files, tmpdir());
  const folder = await mkdtemp(join(tmpdir(), 'l7mp-files-'));
  t.after(() => rm(folder, { recursive: true }));
  for (const [name, log_file] of [
    ['a', join(folder, 'log')],
    ['b', '/dev/null'],
  ]) {
    await proxy.ok('POST', 'clusters', { cluster: { name, spec: { protocol: 'Logger', log_file } } });
  }
  for (const log_file of ['/var/log/l7mp', '/dev/stdout', '/proc/self/fd/1', '/etc/passwd']) {
    const cluster = { name: 'x', spec: { protocol: 'Logger', log_file } };
    await refused(proxy, 403, 'POST', 'clusters', { cluster });
  }
  const docker = { name: 'x', spec: { protocol: UNIX, filename: '/var/run/docker.sock' } };
  await refused(proxy, 403, 'POST', 'clusters', { cluster: docker });
});

test('admin.files must be a directory', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'l7mp-files-'));
  t.after(() => rm(folder, { recursive: true }));
  await writeFile(join(folder, 'file'), '');
  for (const files of [join(folder, 'nix'), join(folder, 'file')]) {
    await assert.rejects(
      startProxy(t, [], () => ({ admin: { files } })),
      /^L7mpError: \/admin\/files: there is no directory/,
    );
  }
});

test('what runs programs may stand in the start-up file, and the API neither makes nor changes it', async (t) => {
  const runner = defineProtocol({
    name: 'Runner',
    title: 'Runner',
    cluster: {
      schema: strict({ command: Type.String() }),
      kind: 'stream',
      virtual: true,
      runsCode: true,
      open: () => ({ dial: () => Promise.reject(new Error('not in this test')) }),
    },
  });
  const spec = { protocol: 'Runner', command: 'true' };
  const { proxy } = await startProxy(t, [], () => ({ clusters: [{ name: 'c', spec }] }), { plugins: [runner] });
  const text = 'it runs programs, and so is for the start-up file only (admin.allow_exec)';
  for (const [path, body] of [
    ['clusters', { cluster: { name: 'x', spec } }],
    ['clusters/c', { cluster: { name: 'c', spec: { ...spec, command: 'false' } } }],
    ['routes', { route: { name: 'x', destination: { spec } } }],
  ] as const) {
    const answer = await proxy.api(path === 'clusters/c' ? 'PUT' : 'POST', path, body);
    assert.equal(answer.status, 403);
    assert.ok(answer.body.content.endsWith(`: /spec: ${text}`), answer.text);
  }
  await proxy.ok('PUT', 'clusters/c', { cluster: { name: 'c', spec, options: { idle_timeout: 1 } } });
});
