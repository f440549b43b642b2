import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { stringify } from 'yaml';
import { until } from '../../src/testing/until.ts';
import { configOf, names, refused } from '../support/config.ts';
import { connectStream } from '../support/peers.ts';
import { listener, request, startProxy, type TestProxy } from '../support/proxy.ts';

const JSON_TYPES = ['application/json', 'application/x-json', 'text/json', 'text/x-json'];
const YAML_TYPES = ['text/yaml', 'text/x-yaml', 'application/yaml', 'application/x-yaml'];

const OK = { status: 200, message: 'OK' };

const start = (t: Parameters<typeof startProxy>[0]): Promise<{ proxy: TestProxy }> => startProxy(t, [], () => ({}));

/** One of each kind, as a client sends it, and as it reads afterwards. */
const objects = (filename: string) => [
  {
    kind: 'cluster',
    body: {
      name: 'c',
      spec: { protocol: 'UDP', port: 5 },
      endpoints: [{ name: 'e', spec: { address: '127.0.0.1' }, weight: 3 }],
      loadbalancer: { policy: 'HashRing', key: 'IP/src_addr' },
      options: { idle_timeout: 5 },
    },
    read: {
      name: 'c',
      spec: { protocol: 'UDP', port: 5 },
      endpoints: 1,
      loadbalancer: { policy: 'HashRing', key: 'IP/src_addr' },
      options: { idle_timeout: 5 },
    },
  },
  {
    kind: 'route',
    body: { name: 'ro', cluster: 'c', ingress: ['c'], retry: { retry_on: 'always' } },
    read: {
      name: 'ro',
      destination: 'c',
      ingress: ['c'],
      egress: [],
      retry: { retry_on: 'always', num_retries: 1, timeout: 2000 },
    },
  },
  {
    kind: 'rule',
    body: {
      name: 'ru',
      match: { op: 'test', path: '/a', value: 1 },
      action: { rewrite: [{ path: '/b', value: [2] }], route: 'ro' },
    },
    read: {
      name: 'ru',
      match: { op: 'test', path: '/a', value: 1 },
      action: { rewrite: [{ path: '/b', value: [2] }], route: 'ro' },
    },
  },
  { kind: 'rulelist', body: { name: 'rl', rules: ['ru'] }, read: { name: 'rl', rules: ['ru'] } },
  {
    kind: 'listener',
    body: { name: 'l', spec: { protocol: 'UnixDomainSocket', filename }, rules: 'rl', options: { track: 0.5 } },
    read: {
      name: 'l',
      spec: { protocol: 'UnixDomainSocket', filename },
      rules: 'rl',
      options: { track: 0.5 },
    },
  },
];

for (const { format, types } of [
  { format: 'JSON', types: JSON_TYPES },
  { format: 'YAML', types: YAML_TYPES },
]) {
  test(`every kind of object can be added in ${format}, read and deleted`, async (t) => {
    const { proxy } = await start(t);
    const folder = await mkdtemp(join(tmpdir(), 'l7mp-api-'));
    t.after(() => rm(folder, { recursive: true }));
    const all = objects(join(folder, 'l.sock'));
    const before = await configOf(proxy);
    for (const [n, { kind, body, read }] of all.entries()) {
      const given = { [kind]: body };
      const raw = format === 'JSON' ? JSON.stringify(given) : stringify(given);
      const answer = await proxy.api('POST', `${kind}s`, undefined, { raw, type: types[n % types.length] as string });
      assert.deepEqual([answer.status, answer.body], [200, OK], answer.text);
      assert.deepEqual(await proxy.ok('GET', `${kind}s/${body.name}`), read);
      assert.deepEqual((await proxy.ok('GET', `${kind}s`)).at(-1), read);
    }
    for (const { kind, body } of all.reverse()) {
      assert.deepEqual(await proxy.ok('DELETE', `${kind}s/${body.name}`), OK);
    }
    assert.deepEqual(await configOf(proxy), before);
  });
}

test('every content type is taken, with a charset and in any case', async (t) => {
  const { proxy } = await start(t);
  const types = [...JSON_TYPES, ...YAML_TYPES, 'Application/JSON; charset=utf-8', 'TEXT/YAML ;charset="UTF-8"'];
  for (const [n, type] of types.entries()) {
    const raw = JSON.stringify({ cluster: { name: `c${n}`, spec: { protocol: 'Echo' } } });
    assert.equal((await proxy.api('POST', 'clusters', undefined, { raw, type })).status, 200, type);
  }
});

test('another content type is a 415, and so is none, and a coded body', async (t) => {
  const { proxy } = await start(t);
  const raw = JSON.stringify({ cluster: { name: 'c', spec: { protocol: 'Echo' } } });
  for (const type of ['text/plain', 'application/xml', 'application/jsonx', 'constructor', '__proto__']) {
    assert.match(await refused(proxy, 415, 'POST', 'clusters', undefined, { raw, type }), /application\/json/, type);
  }
  const to = { port: proxy.port, method: 'POST', path: '/api/v1/clusters' };
  assert.equal((await request(to, raw)).status, 415);
  const coded = await request({ ...to, headers: { 'content-type': 'text/json', 'content-encoding': 'gzip' } }, raw);
  assert.equal(coded.status, 415);
});

test('an empty JSON body, or any other, makes no difference to a read or a deletion', async (t) => {
  const { proxy } = await start(t);
  for (const raw of ['', '{}', 'null', 'no JSON']) {
    for (const type of ['application/json', 'text/plain']) {
      await proxy.ok('POST', 'clusters', { cluster: { name: 'c', spec: { protocol: 'Echo' } } });
      assert.equal((await proxy.api('GET', 'clusters/c', undefined, { raw, type })).status, 200);
      assert.equal((await proxy.api('DELETE', 'clusters/c', undefined, { raw, type })).status, 200);
    }
  }
});

test('HEAD answers as GET does, without a body', async (t) => {
  const { proxy } = await start(t);
  const [head, get] = [await proxy.api('HEAD', 'clusters'), await proxy.api('GET', 'clusters')];
  assert.deepEqual([head.status, head.text], [200, '']);
  assert.equal(head.headers['content-length'], get.headers['content-length']);
});

test('what is no operation is a 404', async (t) => {
  const { proxy } = await start(t);
  const before = await configOf(proxy);
  for (const [method, path] of [
    ['GET', 'nix'],
    ['GET', ''],
    ['GET', 'constructor'],
    ['GET', 'listeners/a/b'],
    ['GET', 'endpoints'],
    ['PUT', 'listeners'],
    ['PATCH', 'config'],
    ['DELETE', 'listeners'],
    ['DELETE', 'clusters/l7mp-controller/endpoints'],
    ['POST', 'listeners/controller'],
    ['POST', 'sessions'],
    ['OPTIONS', 'config'],
    ['GET', 'listeners/%E0%A4%A'],
  ] as const) {
    const answer = await proxy.api(method, path, method === 'POST' ? {} : undefined);
    assert.deepEqual([answer.status, answer.body.status], [404, 404], `${method} ${path}`);
  }
  for (const path of ['/', '/api', '/api/v1', '/api/v2/config', '/api/v1config', '//api/v1/config']) {
    assert.equal((await request({ port: proxy.port, path })).status, 404, path);
  }
  assert.deepEqual(await configOf(proxy), before);
});

test('a slash at the end of a path is nothing', async (t) => {
  const { proxy } = await start(t);
  assert.deepEqual(await proxy.ok('GET', 'clusters/'), await proxy.ok('GET', 'clusters'));
});

test('an operation on an object that is not there is a 404 that names it', async (t) => {
  const { proxy } = await start(t);
  for (const [method, path, what] of [
    ['GET', 'listeners/nix', 'listener'],
    ['DELETE', 'listeners/nix', 'listener'],
    ['GET', 'clusters/nix', 'cluster'],
    ['DELETE', 'clusters/nix?recursive=true', 'cluster'],
    ['GET', 'clusters/nix/endpoints', 'cluster'],
    ['GET', 'endpoints/nix', 'endpoint'],
    ['DELETE', 'endpoints/nix', 'endpoint'],
    ['GET', 'rulelists/nix', 'rulelist'],
    ['GET', 'rulelists/nix/rules/0', 'rulelist'],
    ['DELETE', 'rulelists/nix/rules/0', 'rulelist'],
    ['DELETE', 'rules/nix', 'rule'],
    ['DELETE', 'routes/nix', 'route'],
    ['GET', 'sessions/nix', 'session'],
    ['DELETE', 'sessions/nix', 'session'],
  ] as const) {
    assert.equal(await refused(proxy, 404, method, path), `there is no ${what} named "nix"`, `${method} ${path}`);
  }
  const endpoint = { endpoint: { spec: { address: '127.0.0.1' } } };
  assert.match(await refused(proxy, 404, 'POST', 'clusters/nix/endpoints', endpoint), /no cluster named "nix"/);
});

test('?recursive is true or false, and nothing that is only like it', async (t) => {
  const { proxy } = await start(t);
  const numbers = await proxy.ok('GET', 'clusters?recursive=false');
  assert.deepEqual(numbers, await proxy.ok('GET', 'clusters'));
  assert.deepEqual((await proxy.ok('GET', 'clusters?recursive=true'))[0].endpoints.length, 1);
  for (const text of ['yes', 'TRUE', '1', '']) {
    assert.match(
      await refused(proxy, 400, 'DELETE', `listeners/controller?recursive=${text}`),
      /\?recursive: must be one of true, false, not /,
      text,
    );
  }
});

test('answers are laid out as ?format says', async (t) => {
  const { proxy } = await start(t);
  const plain = await proxy.api('GET', 'rulelists');
  assert.equal(plain.text, `${JSON.stringify(plain.body, null, 4)}\n`);
  assert.equal((await proxy.api('GET', 'rulelists?format=terse')).text, `${JSON.stringify(plain.body)}\n`);
  for (const style of ['plain', 'terse', 'space', 'lines', 'diffy']) {
    assert.deepEqual((await proxy.api('GET', `rulelists?format=${style}`)).body, plain.body, style);
    const error = await proxy.api('GET', `rules/nix?format=${style}`);
    assert.deepEqual([error.status, error.body.status], [404, 404], style);
  }
});

test('a query that the operation does not know is a 400 that lists what it does', async (t) => {
  const { proxy } = await start(t);
  for (const [method, path, expected] of [
    ['GET', 'clusters?recursiv=true', '?recursiv: is no parameter of this operation; there are recursive, format'],
    [
      'DELETE',
      'clusters/l7mp-controller?force=true',
      '?force: is no parameter of this operation; there are recursive, format, dry_run, sessions',
    ],
    ['POST', 'config?recursive=true', '?recursive: is no parameter of this operation; there are format, dry_run'],
    ['GET', 'config?limit=5', '?limit: is no parameter of this operation; there are recursive, format, form'],
    ['GET', 'admin?__proto__=1', '?__proto__: is no parameter of this operation; there are recursive, format'],
    ['GET', 'rules?format=nix', '?format: must be one of plain, terse, space, lines, diffy, not "nix"'],
    ['GET', 'rules?format=__proto__', '?format: must be one of plain, terse, space, lines, diffy, not "__proto__"'],
    ['GET', 'rules?recursive=true&recursive=false', '?recursive: is given twice'],
    ['GET', 'sessions?limit=0', '?limit: must be an integer from 1 to 10000, not "0"'],
    ['GET', 'sessions?limit=1e3', '?limit: must be an integer from 1 to 10000, not "1e3"'],
    ['GET', 'sessions?after=x', '?after: must be an integer from 0 to 9007199254740991, not "x"'],
    ['GET', 'sessions?peer=localhost', '?peer: must be an IP address or a CIDR, not "localhost"'],
    ['GET', 'sessions?peer=10.0.0.0/33', '?peer: must be an integer from 0 to 32, not "10.0.0.0/33"'],
    ['GET', 'healthz?x', '?x: is no parameter of this operation; there are recursive, format'],
  ] as const) {
    const body = method === 'POST' ? {} : undefined;
    assert.equal(await refused(proxy, 400, method, path, body), expected, `${method} ${path}`);
  }
  assert.match(await refused(proxy, 400, 'GET', 'sessions?status=connected'), /one of INIT, CONNECTED, /);
  assert.match(
    await refused(proxy, 400, 'GET', 'sessions?fields=name,nix'),
    /one of name, worker, metadata, .*not "name,nix"/,
  );
  assert.match(
    await refused(proxy, 400, 'GET', 'sessions?nix=1'),
    /there are recursive, format, limit, after, listener/,
  );
});

test('a body of more than 1 MiB is a 413, one of just that is taken', async (t) => {
  const { proxy } = await start(t);
  const bodyOf = (bytes: number): string => {
    const empty = JSON.stringify({ cluster: { name: 'c', spec: { protocol: 'Logger', log_prefix: '' } } });
    return empty.replace('""', JSON.stringify('x'.repeat(bytes - empty.length)));
  };
  const limit = 1 << 20;
  assert.match(await refused(proxy, 413, 'POST', 'clusters', undefined, { raw: bodyOf(limit + 1) }), /1048576/);
  assert.equal((await proxy.api('POST', 'clusters', undefined, { raw: bodyOf(limit) })).status, 200);
});

test('admin.body_limit is the limit, also for a body of which nobody has said how long it is', async (t) => {
  const { proxy } = await startProxy(t, [], () => ({ admin: { body_limit: 2000 } }));
  const raw = JSON.stringify({ cluster: { name: 'c', spec: { protocol: 'Logger', log_prefix: 'x'.repeat(2000) } } });
  assert.match(await refused(proxy, 413, 'POST', 'clusters', undefined, { raw }), /2000/);
  const headers = { 'content-type': 'text/json', 'transfer-encoding': 'chunked' };
  assert.equal(
    (await request({ port: proxy.port, method: 'POST', path: '/api/v1/clusters', headers }, raw)).status,
    413,
  );
  assert.equal((await proxy.ok('GET', 'admin')).body_limit, 2000);
});

test('text that is neither JSON nor YAML is a 400', async (t) => {
  const { proxy } = await start(t);
  const post = (raw: string, type: string) => refused(proxy, 400, 'POST', 'clusters', undefined, { raw, type });
  assert.match(await post('{"cluster": ', 'text/json'), /not valid JSON/);
  assert.match(await post("{'cluster': 1}", 'text/json'), /not valid JSON/);
  assert.match(await post('cluster: [1', 'text/yaml'), /not valid YAML: line 1/);
  assert.match(await post('cluster: 1\n---\ncluster: 2\n', 'text/yaml'), /line 3, column 1: a second document/);
  for (const type of ['text/json', 'text/yaml']) {
    const twice = '{"cluster": {"name": "c", "spec": {"protocol": "Echo", "protocol": "Discard"}}}';
    assert.match(await post(twice, type), /column 56: duplicate key "protocol", at \/cluster\/spec\/protocol$/);
  }
  assert.match(await post(`${'['.repeat(65)}${']'.repeat(65)}`, 'text/json'), /64 levels/);
  assert.match(await post('['.repeat(100_000), 'text/yaml'), /64 levels/);
  const headers = { 'content-type': 'text/json' };
  const invalid = Buffer.from('{"cluster": {"name": "\xff", "spec": {"protocol": "Echo"}}}', 'latin1');
  const answer = await request({ port: proxy.port, method: 'POST', path: '/api/v1/clusters', headers }, invalid);
  assert.deepEqual([answer.status, answer.body.content], [400, 'not valid UTF-8']);
});

test('a number that JSON cannot write is refused, never taken for null', async (t) => {
  const { proxy } = await start(t);
  const rule = (value: string) =>
    `{"rule": {"name": "r", "action": {"route": "x", "rewrite": [{"path": "/a", "value": ${value}}]}}}`;
  for (const value of ['1e999', '-1e999', '[{"b": 1e999}]']) {
    assert.match(await refused(proxy, 400, 'POST', 'rules', undefined, { raw: rule(value) }), /number/, value);
  }
  for (const value of ['.nan', '.inf', '-.Inf', '1e999']) {
    const raw = rule(value);
    assert.match(await refused(proxy, 400, 'POST', 'rules', undefined, { raw, type: 'text/yaml' }), /number/, value);
  }
  assert.equal((await proxy.api('POST', 'rules', undefined, { raw: rule('1e308') })).status, 200);
});

test('lists keep the order of creation, also where an object in the middle went', async (t) => {
  const { proxy } = await start(t);
  for (const name of ['z', '10', 'a', '2', 'm'])
    await proxy.ok('POST', 'rules', { rule: { name, action: { apply: 'x' } } });
  await proxy.ok('DELETE', 'rules/a');
  await proxy.ok('POST', 'rules', { rule: { name: 'a', action: { apply: 'x' } } });
  assert.deepEqual(names(await proxy.ok('GET', 'rules')).slice(1), ['z', '10', '2', 'm', 'a']);
});

test('the only session that a quiet proxy has is the one that asks', async (t) => {
  const { proxy } = await start(t);
  const all = await proxy.ok('GET', 'sessions');
  assert.equal(all.length, 1);
  assert.match(all[0].name, /^HTTP:127\.0\.0\.1:\d+-127\.0\.0\.1:\d+-\d+$/);
  assert.deepEqual(all[0].metadata.HTTP.url.path, '/api/v1/sessions');
  assert.deepEqual((await proxy.ok('GET', 'config')).sessions.length, 1);
});

test('a session can be read and deleted by its name', async (t) => {
  const { proxy, ports } = await startProxy(t, ['echo'], ({ echo }) => ({
    listeners: [listener('echo', { protocol: 'TCP', port: echo }, { destination: { spec: { protocol: 'Echo' } } })],
  }));
  const client = await connectStream(t, { port: ports.echo });
  const { name } = await proxy.session('echo');
  assert.equal((await proxy.ok('GET', `sessions/${encodeURIComponent(name)}`)).source.origin, 'echo');
  assert.deepEqual(await proxy.ok('DELETE', `sessions/${name}`), OK);
  assert.match(await refused(proxy, 404, 'GET', `sessions/${name}`), /there is no session/);
  await until(() => client.ended || client.closed, 'the client is told');
});
