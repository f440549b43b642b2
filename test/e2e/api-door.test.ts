import assert from 'node:assert/strict';
import { mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import type * as http from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { until } from '../../src/testing/until.ts';
import { refused } from '../support/config.ts';
import { listener, request, startProxy, type TestProxy } from '../support/proxy.ts';

const start = async (t: TestContext, admin: object = {}): Promise<TestProxy> =>
  (await startProxy(t, [], () => ({ admin }))).proxy;

async function temporary(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'l7mp-door-'));
  t.after(() => rm(folder, { recursive: true }));
  return folder;
}

const CLUSTER = JSON.stringify({ cluster: { name: 'c', spec: { protocol: 'Echo' } } });

/** A request with these headers; a POST adds a cluster. */
function ask(
  { port }: TestProxy,
  headers: http.OutgoingHttpHeaders,
  { method = 'GET', path = '/api/v1/clusters' } = {},
) {
  const body = method === 'POST' ? CLUSTER : undefined;
  const type = body === undefined ? {} : { 'content-type': 'application/json' };
  return request({ port, method, path, headers: { ...type, ...headers } }, body);
}

const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

// -------------------------------------------------------------------- browsers

test('a controller is reached by addresses, by localhost, and by the names in admin.hosts', async (t) => {
  const proxy = await start(t, { hosts: ['l7mp.example', 'Other'] });
  const own = ['127.0.0.1', '127.0.0.1:1', '192.0.2.1:1234', '[::1]:80', '[2001:db8::1]', 'localhost', 'LocalHost.:80'];
  for (const host of [...own, 'l7mp.example', 'L7MP.Example.:1234', 'other']) {
    assert.equal((await ask(proxy, { host })).status, 200, host);
  }
});

test('a name that is not the controller’s is refused, whatever is asked: DNS rebinding', async (t) => {
  const proxy = await start(t, { hosts: ['l7mp.example'] });
  const foreign = [
    'evil.example',
    'evil.example:1234',
    'localhost.evil.example',
    'l7mp.example.evil.example',
    '127.0.0.1.evil.example',
    'xlocalhost',
    '127.1',
  ];
  // What is no host at all is refused by the listener, before anybody asks whose it is.
  const malformed = ['[::1', '[evil.example]', 'localhost:80@evil.example'];
  for (const host of [...foreign, ...malformed]) {
    for (const [method, path] of [
      ['GET', '/api/v1/config'],
      ['POST', '/api/v1/clusters'],
      ['DELETE', '/api/v1/clusters/l7mp-controller'],
      ['GET', '/healthz'],
      ['OPTIONS', '/api/v1/config'],
    ] as const) {
      const answer = await ask(proxy, { host }, { method, path });
      assert.equal(answer.status, malformed.includes(host) ? 400 : 403, `${method} ${path} ${host}`);
    }
  }
  assert.deepEqual((await proxy.ok('GET', 'clusters')).length, 1);
});

test('a page of another origin is refused, also one of another port, and an origin that is hidden', async (t) => {
  const proxy = await start(t);
  const { port } = proxy;
  const host = `localhost:${port}`;
  for (const origin of [
    'http://evil.example',
    'null',
    `http://localhost:${port + 1}`,
    `http://127.0.0.1:${port}`,
    'http://localhost',
    `http://localhost:${port}, http://evil.example`,
    'file://',
    '',
  ]) {
    for (const method of ['GET', 'POST']) {
      assert.equal((await ask(proxy, { host, origin }, { method })).status, 403, `${method} ${origin}`);
    }
  }
  for (const site of ['cross-site', 'Cross-Site']) {
    assert.equal((await ask(proxy, { host, 'sec-fetch-site': site })).status, 403);
  }
  assert.equal((await ask(proxy, { host, origin: `http://localhost:${port}` })).status, 200);
  for (const site of ['same-origin', 'none']) {
    assert.equal((await ask(proxy, { host, 'sec-fetch-site': site })).status, 200, site);
  }
});

test('a page is of the same origin also where its scheme’s own port is left out', async (t) => {
  const proxy = await start(t);
  for (const [origin, host] of [
    ['http://localhost', 'localhost:80'],
    ['https://localhost', 'localhost'],
    ['https://localhost', 'localhost:443'],
    ['http://[::1]', '[::1]:80'],
  ] as const) {
    assert.equal((await ask(proxy, { host, origin })).status, 200, `${origin} at ${host}`);
  }
});

test('without admin.cors no page is let in, and nothing says that one would be', async (t) => {
  const proxy = await start(t);
  const origin = 'http://evil.example';
  const preflight = { origin, 'access-control-request-method': 'POST' };
  for (const answer of [
    await ask(proxy, preflight, { method: 'OPTIONS' }),
    await ask(proxy, { origin }),
    await ask(proxy, {}),
  ]) {
    assert.deepEqual(
      Object.keys(answer.headers).filter((name) => name.startsWith('access-control')),
      [],
    );
  }
});

test('pages of the origins in admin.cors may use the API, errors included', async (t) => {
  const origin = 'https://dash.example:8443';
  const proxy = await start(t, { cors: [origin], auth: { tokens: [{ name: 'a', token: 'secret', role: 'admin' }] } });
  const preflight = { origin, 'access-control-request-method': 'POST', 'sec-fetch-site': 'cross-site' };
  const allowed = await ask(proxy, preflight, { method: 'OPTIONS' });
  assert.deepEqual([allowed.status, allowed.text, allowed.headers['content-length']], [204, '', undefined]);
  assert.equal(allowed.headers['access-control-allow-origin'], origin);
  assert.match(String(allowed.headers['access-control-allow-headers']), /Authorization/);
  assert.match(String(allowed.headers['access-control-allow-methods']), /DELETE/);
  for (const { headers, status } of [
    { headers: {}, status: 401 },
    { headers: bearer('secret'), status: 200 },
  ]) {
    const answer = await ask(proxy, { origin, 'sec-fetch-site': 'cross-site', ...headers });
    assert.deepEqual([answer.status, answer.headers['access-control-allow-origin']], [status, origin]);
    assert.equal(answer.headers.vary, 'Origin');
  }
  const other = await ask(proxy, { ...preflight, origin: 'https://dash.example' }, { method: 'OPTIONS' });
  assert.deepEqual([other.status, other.headers['access-control-allow-origin']], [403, undefined]);
});

// -------------------------------------------------------------------- tokens

const TOKENS = [
  { name: 'ops', token: 'ops-secret==', role: 'admin' },
  { name: 'eyes', token: 'eyes-secret', role: 'reader' },
];

test('with admin.auth nothing is served without a token but whether the proxy runs', async (t) => {
  const proxy = await start(t, { auth: { tokens: TOKENS } });
  const basic = Buffer.from('ops:ops-secret==').toString('base64');
  for (const authorization of [
    undefined,
    'Bearer',
    'Bearer ',
    'Bearer ops-secret',
    'Bearer ops-secret== x',
    'Bearer ops-secret==,eyes-secret',
    'ops-secret==',
    `Basic ${basic}`,
    'Bearer <redacted>',
    `Bearer ${'x'.repeat(10_000)}`,
  ]) {
    for (const [method, path] of [
      ['GET', '/api/v1/config'],
      ['GET', '/api/v1/openapi.json'],
      ['GET', '/api/v1/nix'],
      ['HEAD', '/api/v1/sessions'],
      ['POST', '/api/v1/clusters'],
      ['DELETE', '/api/v1/clusters/l7mp-controller'],
      ['OPTIONS', '/api/v1/config'],
    ] as const) {
      const answer = await ask(proxy, authorization === undefined ? {} : { authorization }, { method, path });
      assert.equal(answer.status, 401, `${authorization} ${method} ${path}`);
      assert.match(String(answer.headers['www-authenticate']), /^Bearer realm="l7mp"/);
      assert.doesNotMatch(answer.text, /secret/);
    }
  }
  for (const path of ['/healthz', '/readyz', '/api/v1/healthz', '/api/v1/readyz']) {
    const answer = await ask(proxy, {}, { path });
    assert.deepEqual([answer.status, answer.body], [200, { status: 'ok' }], path);
  }
});

test('a reader reads and changes nothing, an admin does both', async (t) => {
  const proxy = await start(t, { auth: { tokens: TOKENS } });
  for (const scheme of ['Bearer', 'bearer', 'BEARER ']) {
    assert.equal((await ask(proxy, { authorization: `${scheme} eyes-secret` })).status, 200, scheme);
  }
  for (const [method, path] of [
    ['POST', '/api/v1/clusters'],
    ['POST', '/api/v1/nix'],
    ['PUT', '/api/v1/clusters/c'],
    ['DELETE', '/api/v1/clusters/l7mp-controller'],
  ] as const) {
    const answer = await ask(proxy, bearer('eyes-secret'), { method, path });
    assert.deepEqual([answer.status, answer.body.status], [403, 403], `${method} ${path}`);
  }
  assert.equal((await ask(proxy, bearer('ops-secret=='), { method: 'POST' })).status, 200);
  assert.equal((await ask(proxy, bearer('eyes-secret'))).body.length, 2);
});

test('tokens are shown nowhere, and what is shown can be sent back', async (t) => {
  const file = join(await temporary(t), 'token');
  await writeFile(file, 'file-secret\n');
  const log = `${file}.log`;
  const tokens = [...TOKENS, { name: 'file', token_file: file, role: 'reader' }];
  const proxy = await start(t, { auth: { tokens }, log_level: 'silly', log_file: log });
  const post = (path: string, body: object) =>
    request(
      {
        port: proxy.port,
        method: 'POST',
        path: `/api/v1/${path}`,
        headers: { 'content-type': 'application/json', ...bearer('ops-secret==') },
      },
      JSON.stringify(body),
    );
  const admin = (await ask(proxy, bearer('ops-secret=='), { path: '/api/v1/admin' })).body;
  assert.deepEqual(admin.auth, {
    tokens: [
      { name: 'ops', token: '<redacted>', role: 'admin' },
      { name: 'eyes', token: '<redacted>', role: 'reader' },
      { name: 'file', token_file: file, role: 'reader' },
    ],
  });
  assert.equal((await post('admin', { admin })).status, 200);
  assert.equal((await post('config', { admin })).status, 200);
  const stolen = await post('admin', {
    admin: { auth: { tokens: [{ name: 'x', token: 'x-secret', role: 'admin' }] } },
  });
  assert.deepEqual([stolen.status, /secret/.test(stolen.text)], [403, false]);
  assert.equal((await ask(proxy, bearer('x-secret'))).status, 401);
  assert.equal((await ask(proxy, bearer('<redacted>'))).status, 401);
  const config = await ask(proxy, bearer('eyes-secret'), { path: '/api/v1/config' });
  assert.equal(config.status, 200);
  await until(async () => / GET \/api\/v1\/config by eyes /.test(await readFile(log, 'utf8')), 'the log');
  for (const text of [config.text, await readFile(log, 'utf8')]) assert.doesNotMatch(text, /(ops|eyes|file|x)-secret/);
});

test('a token file counts as it is now: changed, replaced, or gone', async (t) => {
  const file = join(await temporary(t), 'token');
  await writeFile(file, '  first \n');
  const proxy = await start(t, { auth: { tokens: [{ name: 'file', token_file: file, role: 'admin' }] } });
  const status = async (token: string): Promise<number> => (await ask(proxy, bearer(token))).status;
  assert.deepEqual([await status('first'), await status('other')], [200, 401]);
  // As long as before, and within the same tick of the file system's clock.
  await writeFile(file, '  other \n');
  assert.deepEqual([await status('first'), await status('other')], [401, 200]);
  await writeFile(`${file}.new`, 'third');
  await rename(`${file}.new`, file);
  assert.deepEqual([await status('other'), await status('third')], [401, 200]);
  for (const content of ['', '\n', 'two words', `${'x'.repeat(5000)}`]) {
    await writeFile(file, content);
    assert.deepEqual([await status('third'), await status(''), await status('two')], [401, 401, 401], content);
  }
  await rm(file);
  assert.equal(await status('third'), 401);
  await writeFile(file, 'fourth');
  assert.equal(await status('fourth'), 200);
});

test('a start with tokens that are none is refused, by the name of the field', async (t) => {
  const folder = await temporary(t);
  await writeFile(join(folder, 'empty'), '');
  const [first] = TOKENS;
  for (const [auth, expected] of [
    [{}, /^\/admin\/auth\/tokens: missing/],
    [{ tokens: [] }, /^\/admin\/auth\/tokens: /],
    [{ tokens: [{ name: 'x', role: 'admin' }] }, /^\/admin\/auth\/tokens\/0\/token: missing/],
    [{ tokens: [{ name: 'x', token: 'a' }] }, /^\/admin\/auth\/tokens\/0\/role: missing/],
    [{ tokens: [{ name: 'x', token: 'a', role: 'root' }] }, /^\/admin\/auth\/tokens\/0\/role: .*reader, admin/],
    [{ tokens: [{ name: 'x', token: '', role: 'admin' }] }, /^\/admin\/auth\/tokens\/0\/token: /],
    [{ tokens: [{ name: 'x', token: 'two words', role: 'admin' }] }, /^\/admin\/auth\/tokens\/0\/token: /],
    [{ tokens: [{ name: 'x', token: '<redacted>', role: 'admin' }] }, /^\/admin\/auth\/tokens\/0\/token: .*not shown/],
    [{ tokens: [{ ...first, token_file: '/x' }] }, /^\/admin\/auth\/tokens\/0\/token_file: .*not both/],
    [{ tokens: [first, { ...first, token: 'b' }] }, /^\/admin\/auth\/tokens\/1\/name: /],
    [{ tokens: [first, { ...first, name: 'b' }] }, /^\/admin\/auth\/tokens\/1: .*the same token as that of ops/],
    [{ tokens: [{ name: 'x', token_file: join(folder, 'nix'), role: 'admin' }] }, /tokens\/0\/token_file: .*nix/],
    [{ tokens: [{ name: 'x', token_file: join(folder, 'empty'), role: 'admin' }] }, /tokens\/0\/token_file: .*empty/],
    [{ tokens: [{ name: 'x', token_file: folder, role: 'admin' }] }, /tokens\/0\/token_file: /],
  ] as const) {
    await assert.rejects(start(t, { auth }), (error: Error) => {
      assert.match(error.message, expected);
      assert.doesNotMatch(error.message, /secret/);
      return true;
    });
  }
});

test('names and origins are what they are called', async (t) => {
  for (const [admin, path] of [
    [{ hosts: ['http://x'] }, '/admin/hosts/0'],
    [{ hosts: ['x:80'] }, '/admin/hosts/0'],
    [{ hosts: ['*'] }, '/admin/hosts/0'],
    [{ cors: ['*'] }, '/admin/cors/0'],
    [{ cors: ['https://x/'] }, '/admin/cors/0'],
    [{ cors: ['x'] }, '/admin/cors/0'],
  ] as const) {
    await assert.rejects(start(t, admin), (error: Error) => error.message.startsWith(`${path}: `), path);
  }
});

test('what the API may do is not for the API to say', async (t) => {
  const proxy = await start(t);
  for (const [field, value] of [
    ['auth', { tokens: [TOKENS[0]] }],
    ['hosts', ['evil.example']],
    ['cors', ['http://evil.example']],
    ['files', '/'],
  ] as const) {
    for (const path of ['admin', 'config']) {
      const message = await refused(proxy, 403, 'POST', path, { admin: { [field]: value } });
      assert.match(message, new RegExp(`^/admin/${field}: .*start-up file only`));
    }
  }
  assert.equal((await ask(proxy, { host: 'evil.example' })).status, 403);
});

// -------------------------------------------------------------------- what the log says

test('each change leaves a line: who, from where, what, and what came of it', async (t) => {
  const log = join(await temporary(t), 'log');
  const proxy = await start(t, { auth: { tokens: TOKENS }, log_level: 'notice', log_file: log });
  await ask(proxy, bearer('ops-secret=='), { method: 'POST' });
  await ask(proxy, bearer('ops-secret=='), { method: 'POST' });
  await ask(proxy, bearer('ops-secret=='), { method: 'DELETE', path: '/api/v1/clusters/c?recursive=true' });
  await ask(proxy, bearer('eyes-secret'), { method: 'DELETE', path: '/api/v1/clusters/c' });
  await ask(proxy, bearer('guess'), { method: 'POST' });
  await ask(proxy, bearer('eyes-secret'), { path: '/api/v1/clusters' });
  await ask(proxy, { host: 'evil.example' });
  const from = String.raw`from 127\.0\.0\.1:\d+`;
  const expected = [
    `notice audit: POST /api/v1/clusters \\(cluster c\\) by ops ${from}: 200`,
    `notice audit: POST /api/v1/clusters \\(cluster c\\) by ops ${from}: 400 /cluster/name: there is a cluster named "c" already`,
    `notice audit: DELETE /api/v1/clusters/c\\?recursive=true by ops ${from}: 200`,
    `warn audit: DELETE /api/v1/clusters/c by eyes ${from}: 403 .*reader`,
    `warn audit: POST /api/v1/clusters by anonymous ${from}: 401 .*`,
    `warn audit: GET /api/v1/clusters by anonymous ${from}: 403 Host "evil.example" .*`,
  ];
  const lines = async (): Promise<string[]> =>
    (await readFile(log, 'utf8')).split('\n').filter((line) => / audit: | api: /.test(line));
  await until(async () => (await lines()).length >= expected.length, 'the lines');
  for (const [n, line] of (await lines()).entries()) assert.match(line, new RegExp(`^\\S+ ${expected[n]}$`));
});

// -------------------------------------------------------------------- readiness and warnings

test('HEAD of the health checks has their status, and nothing else is served at the root', async (t) => {
  const proxy = await start(t);
  assert.deepEqual([(await ask(proxy, {}, { method: 'HEAD', path: '/healthz' })).status], [200]);
  for (const [method, path] of [
    ['POST', '/healthz'],
    ['GET', '/config'],
    ['GET', '/healthz/x'],
    ['GET', '/'],
  ] as const) {
    assert.equal((await ask(proxy, {}, { method, path })).status, 404, `${method} ${path}`);
  }
});

test('a controller that others reach is warned about in the settings, unless it asks who they are', async (t) => {
  for (const { auth, expected } of [
    { auth: {}, expected: 1 },
    { auth: { auth: { tokens: TOKENS } }, expected: 0 },
  ]) {
    const { proxy } = await startProxy(t, ['open'], ({ open }) => ({
      admin: auth,
      listeners: [listener('open', { protocol: 'HTTP', port: open }, { destination: 'l7mp-controller' })],
    }));
    const { warnings } = (await ask(proxy, bearer('eyes-secret'), { path: '/api/v1/admin' })).body;
    assert.equal(warnings.length, expected);
    if (expected) assert.match(warnings[0], /through open, at 0\.0\.0\.0:\d+, without authentication/);
  }
});
