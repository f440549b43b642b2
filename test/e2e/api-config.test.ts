import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { stringify } from 'yaml';
import { readSource } from '../../src/config/load.ts';
import { L7mp } from '../../src/proxy.ts';
import { freePort } from '../../src/testing/ports.ts';
import { configOf, names, refused } from '../support/config.ts';
import { ask, connectDatagram, connectStream, serveStream } from '../support/peers.ts';
import { listener, request, startProxy, TestProxy } from '../support/proxy.ts';

const HOST = '127.0.0.1';
const UDP = { protocol: 'UDP', port: 7 };
const ECHO = { spec: { protocol: 'Echo' } };

const start = async (t: TestContext, config: object = {}): Promise<TestProxy> =>
  (await startProxy(t, [], () => config)).proxy;

/** One of everything, with names and without, whose listener has this port. */
const everything = (port: number) => ({
  clusters: [
    { name: 'echo', ...ECHO },
    {
      name: 'udp',
      spec: UDP,
      endpoints: [{ spec: { address: HOST } }, { name: 'e', spec: { address: HOST }, weight: 2 }],
    },
    { name: 'unix', spec: { protocol: 'UnixDomainSocket', filename: join(tmpdir(), 'x.sock') } },
    { name: 'hash', spec: UDP, loadbalancer: { policy: 'HashRing', key: 'IP/src_addr' }, options: { idle_timeout: 9 } },
    { name: 'socket', spec: { protocol: 'JSONSocket', transport_spec: UDP, header: [{ path: { from: '/IP' } }] } },
  ],
  routes: [{ name: 'ro', cluster: 'echo', ingress: [{ spec: { protocol: 'Logger', log_file: '/dev/null' } }] }],
  rules: [
    {
      name: 'ru',
      match: { op: 'defined', path: '/IP' },
      action: { rewrite: [{ path: '/x', value: null }], route: 'ro' },
    },
    { name: 'lost', action: { route: 'nowhere' } },
  ],
  rulelists: [{ name: 'rl', rules: ['ru', { action: { apply: 'rl' } }, 'gone'] }],
  listeners: [
    {
      name: 'l',
      spec: { protocol: 'TCP', port, address: HOST },
      rules: 'rl',
      options: { track: 0.5, max_sessions: 9 },
    },
  ],
});

// -------------------------------------------------------------------- POST /config

for (const type of ['application/json', 'text/yaml']) {
  test(`a configuration in ${type} is added to what is there`, async (t) => {
    const proxy = await start(t, { clusters: [{ name: 'c', ...ECHO }] });
    const port = await freePort();
    const config = everything(port);
    const raw = type === 'text/yaml' ? stringify(config) : JSON.stringify(config);
    const answer = await proxy.api('POST', 'config', undefined, { type, raw });
    assert.deepEqual([answer.status, answer.body], [200, { status: 200, message: 'OK' }], answer.text);
    const now = await configOf(proxy);
    assert.deepEqual(names(now.clusters).slice(0, 2), ['c', 'l7mp-controller']);
    assert.deepEqual(names(now.listeners), ['controller', 'l']);
    const client = await connectStream(t, { port });
    assert.equal(await ask(client, 'hello'), 'hello');
    client.close();
  });
}

test('an empty configuration changes nothing', async (t) => {
  const proxy = await start(t);
  const before = await configOf(proxy);
  for (const raw of ['', '{}', 'null', '{"listeners": [], "admin": {}}']) {
    assert.equal((await proxy.api('POST', 'config', undefined, { raw })).status, 200);
  }
  assert.equal((await proxy.api('POST', 'config', undefined, { raw: '# nothing\n', type: 'text/yaml' })).status, 200);
  assert.deepEqual(await configOf(proxy), before);
});

test('a listener in the middle that fails leaves nothing of the configuration, and the settings as they were', async (t) => {
  const folder = await temporary(t);
  const taken = await serveStream(t);
  const free = await freePort();
  const proxy = await start(t);
  const config = everything(free);
  const last = { name: 'last', spec: { protocol: 'UDP', port: await freePort(), address: HOST }, rules: 'rl' };
  const failing = listener('failing', { protocol: 'TCP', port: taken.port, address: HOST }, { destination: 'echo' });
  const content = await refused(proxy, 400, 'POST', 'config', {
    ...config,
    admin: {
      log_level: 'silent',
      log_file: join(folder, 'x.log'),
      access_log_path: join(folder, 'access.log'),
      strict: true,
    },
    listeners: [...config.listeners, failing, last],
  });
  assert.match(content, /^listener failing: cannot listen on 127\.0\.0\.1:\d+: the address is in use$/);
  await proxy.ok('POST', 'config', { ...config, listeners: [...config.listeners, last] });
});

test('what cannot be taken in the middle of a load undoes the sessions that came meanwhile too', async (t) => {
  const taken = await serveStream(t);
  const peer = await freePort();
  const proxy = await start(t);
  // A singleton has its session at once.
  const spec = { protocol: 'UDP', port: await freePort(), address: HOST, connect: { address: HOST, port: peer } };
  await refused(proxy, 400, 'POST', 'config', {
    listeners: [
      listener('singleton', spec, { destination: ECHO }),
      listener('failing', { protocol: 'TCP', port: taken.port, address: HOST }, { destination: 'x' }),
    ],
  });
  assert.deepEqual(await proxy.sessions('singleton'), []);
});

test('a load does not touch what it does not name: its sessions lose nothing', async (t) => {
  const server = await serveStream(t);
  const { proxy, ports } = await startProxy(t, ['kept'], ({ kept }) => ({
    listeners: [
      listener(
        'kept',
        { protocol: 'UDP', port: kept },
        { destination: { spec: { protocol: 'TCP', port: server.port }, endpoints: [{ spec: { address: HOST } }] } },
      ),
    ],
  }));
  const client = await connectDatagram(t, ports.kept);
  assert.equal(await ask(client, 'one'), 'one');
  await proxy.ok('POST', 'config', everything(await freePort()));
  await refused(proxy, 400, 'POST', 'config', everything(await freePort()));
  assert.equal(await ask(client, 'two'), 'two');
  assert.equal(server.peers.length, 1);
});

// -------------------------------------------------------------------- round trips

test('GET /config gives a configuration: loaded from a file, it makes the same proxy', async (t) => {
  const folder = await temporary(t);
  for (const ending of ['json', 'yaml']) {
    const { proxy, ports } = await startProxy(t, ['l'], ({ l }) => ({
      admin: { access_log_path: join(folder, 'access.log'), body_limit: 5000, offload_ifs: ['lo'] },
      ...everything(l),
    }));
    // Endpoints that come later stand behind those of other clusters.
    await proxy.ok('POST', 'clusters/hash/endpoints', { endpoint: { spec: { address: 'late' }, weight: 0 } });
    await proxy.ok('POST', 'clusters/udp/endpoints', { endpoint: { spec: { address: 'later' } } });
    const all = await proxy.ok('GET', 'config');
    const file = join(folder, `config.${ending}`);
    await writeFile(file, ending === 'yaml' ? stringify(all) : JSON.stringify(all));
    await proxy.proxy.stop();
    const again = new L7mp();
    t.after(() => again.stop());
    await again.start((await readSource(file)).value);
    const copy = new TestProxy(again, proxy.port);
    const { sessions: _, ...before } = all;
    assert.deepEqual(await configOf(copy), before);
    assert.deepEqual(await copy.ok('GET', 'clusters/udp/endpoints'), await endpointsOf(before, 'udp'));
    const client = await connectStream(t, { port: ports.l });
    assert.equal(await ask(client, 'hello'), 'hello');
    client.close();
    await again.stop();
  }
});

// biome-ignore lint/suspicious/noExplicitAny: what the API gave.
function endpointsOf(config: any, cluster: string): unknown[] {
  const own = config.endpoints.filter((endpoint: { cluster: string }) => endpoint.cluster === cluster);
  return own.map(({ cluster: _, ...endpoint }: { cluster: string }) => endpoint);
}

test('what GET /config gives can be posted to another proxy, but for what that one has already', async (t) => {
  const proxy = await start(t, everything(await freePort()));
  const { admin, listeners, ...rest } = await configOf(proxy);
  const other = await start(t);
  const before = await configOf(other);
  assert.match(await refused(other, 400, 'POST', 'config', { admin, listeners, ...rest }), /already/);
  const strange = (objects: { name: string }[]) => objects.filter(({ name }) => !/controller/.test(name));
  const config = Object.fromEntries(Object.entries(rest).map(([kind, objects]) => [kind, strange(objects as [])]));
  await other.ok('POST', 'config', { admin, ...config });
  for (const kind of ['clusters', 'routes', 'rules', 'rulelists', 'endpoints'] as const) {
    assert.deepEqual((await configOf(other))[kind], [...before[kind], ...strange(rest[kind])]);
  }
});

test('endpoints beside the clusters are checked: their clusters must be there, and as many as the clusters say', async (t) => {
  const proxy = await start(t, { clusters: [{ name: 'there', spec: UDP }] });
  const endpoint = { cluster: 'c', spec: { address: 'x' } };
  for (const [config, expected] of [
    [{ endpoints: [endpoint] }, '/endpoints/0/cluster: no cluster of the configuration is named "c"'],
    [
      { endpoints: [{ ...endpoint, cluster: 'there' }] },
      '/endpoints/0/cluster: no cluster of the configuration is named "there"',
    ],
    [
      { clusters: [{ name: 'c', spec: UDP, endpoints: 2 }], endpoints: [endpoint] },
      '/clusters/0/endpoints: is 2, but 1 of /endpoints name the cluster',
    ],
    [
      { clusters: [{ name: 'c', spec: UDP, endpoints: 1 }] },
      '/clusters/0/endpoints: is 1, but 0 of /endpoints name the cluster',
    ],
    [
      { clusters: [{ name: 'c', ...ECHO }], endpoints: [endpoint] },
      '/endpoints/0: a cluster without a network has no endpoints',
    ],
    [
      { clusters: [{ name: 'c', spec: UDP }], endpoints: [{ ...endpoint, weight: -1 }] },
      '/endpoints/0/weight: must be >= 0',
    ],
  ] as const) {
    assert.equal(await refused(proxy, 422, 'POST', 'config', config), expected);
  }
  const unnamed = {
    clusters: [{ name: 'c', spec: UDP, endpoints: [{ spec: { address: 'y' } }] }],
    endpoints: [endpoint],
  };
  await proxy.ok('POST', 'config', unnamed);
  assert.deepEqual(names(await proxy.ok('GET', 'clusters/c/endpoints')), ['c-EndPoint-0', 'c-EndPoint-0_1']);
});

// -------------------------------------------------------------------- /admin

test('settings can be read, and changed one by one', async (t) => {
  const folder = await temporary(t);
  const proxy = await start(t);
  const before = await proxy.ok('GET', 'admin');
  assert.deepEqual(before, { ...before, log_level: 'error', log_file: 'stderr', strict: false, offload: 'disable' });
  assert.match(before.version, /^\d+\.\d+\.\d+/);
  const file = join(folder, 'x.log');
  await proxy.ok('POST', 'admin', { admin: { log_level: 'verbose', log_file: file } });
  await proxy.ok('POST', 'admin', { admin: { strict: true } });
  assert.deepEqual(await proxy.ok('GET', 'admin'), { ...before, log_level: 'verbose', log_file: file, strict: true });
  await proxy.ok('POST', 'admin', { admin: { log_file: 'stderr', log_level: 'error' } });
  assert.match(
    await readFile(file, 'utf8'),
    /^\S+ notice audit: POST \/api\/v1\/admin \(admin: strict\) by anonymous from 127\.0\.0\.1:\d+: 200$/m,
  );
});

test('what the settings read can be sent back, and changes nothing', async (t) => {
  const proxy = await start(t, { admin: { offload_ifs: ['lo', 'eth0'] } });
  const admin = await proxy.ok('GET', 'admin');
  await proxy.ok('POST', 'admin', { admin });
  assert.deepEqual(await proxy.ok('GET', 'admin'), admin);
});

test('what is fixed at the start cannot change, and is not half changed', async (t) => {
  const proxy = await start(t);
  for (const [field, value] of Object.entries({
    io: 'node',
    threads: 3,
    body_limit: 4096,
  })) {
    for (const [path, body] of [
      ['admin', { admin: { log_level: 'silly', [field]: value } }],
      ['config', { admin: { [field]: value } }],
    ] as const) {
      assert.equal(
        await refused(proxy, 400, 'POST', path, body),
        `/admin/${field}: cannot change while the proxy runs`,
      );
    }
  }
});

test('plugins run code, and are refused wherever the API may be given them', async (t) => {
  const proxy = await start(t);
  for (const [path, body] of [
    ['admin', { admin: { plugins: ['./x.js'] } }],
    ['config', { admin: { plugins: ['./x.js'] } }],
    ['config', { plugins: ['./x.js'] }],
    ['config', { plugins: [], clusters: [{ name: 'c', ...ECHO }] }],
  ] as const) {
    assert.match(await refused(proxy, 403, 'POST', path, body), /plugins run code/);
  }
});

test('an access log has one line of JSON for each ended session', async (t) => {
  const folder = await temporary(t);
  const file = join(folder, 'access.log');
  const { proxy, ports } = await startProxy(t, ['web'], ({ web }) => ({
    admin: { access_log_path: file },
    listeners: [
      listener('web', { protocol: 'HTTP', port: web, address: HOST }, { destination: { name: 'echo', ...ECHO } }),
    ],
  }));
  await request({ port: ports.web, method: 'POST' }, 'hello');
  await request({ port: ports.web, method: 'POST' }, 'a\nb');
  await proxy.ok('DELETE', 'clusters/echo');
  await request({ port: ports.web, method: 'POST' }, 'x');
  await proxy.proxy.stop();
  const lines = (await readFile(file, 'utf8'))
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  const web = lines.filter((line) => line.listener === 'web');
  assert.deepEqual(
    web.map(({ cluster, bytes_in, bytes_out, outcome }) => ({ cluster, bytes_in, bytes_out, outcome })),
    [
      { cluster: 'echo', bytes_in: 5, bytes_out: 5, outcome: 'end' },
      { cluster: 'echo', bytes_in: 3, bytes_out: 3, outcome: 'end' },
      { cluster: null, bytes_in: 0, bytes_out: 0, outcome: 'refused' },
    ],
  );
  assert.match(web[2].reason, /there is no cluster echo/);
});

async function temporary(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'l7mp-config-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}
