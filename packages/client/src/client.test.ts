/** The client and real proxies. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { Authority, texts } from '../../../test/support/certificates.ts';
import { listener, startProxy } from '../../../test/support/proxy.ts';
import { ApiError, Client, type ClientOptions, UnreachableError } from './index.ts';

const web = { spec: { protocol: 'TCP', port: 80 } };

async function start(t: TestContext, config: object = {}, options: Partial<ClientOptions> = {}) {
  const { proxy } = await startProxy(t, [], () => config);
  const client = new Client({ base: `http://127.0.0.1:${proxy.port}`, ...options });
  t.after(() => client.close());
  return client;
}

test('names with slashes, spaces’ codes and other letters arrive as they are, up to the longest', async (t) => {
  const client = await start(t);
  for (const name of ['/l7mp.io/v1/Target/default/web', 'a%2Fb?c#d&e=f+g', 'ärger/日本', `/${'é'.repeat(1023)}`]) {
    const { status } = await client.put('/clusters/{name}', { params: { name }, body: { cluster: web } });
    assert.equal(status, 201);
    const { body } = await client.get('/clusters/{name}', { params: { name } });
    assert.equal(body.name, name);
    await client.delete('/clusters/{name}', { params: { name } });
  }
  assert.deepEqual((await client.config()).body.clusters, undefined);
});

test('an error of the API has the status and the words of the proxy', async (t) => {
  const client = await start(t);
  const cluster = { spec: { protocol: 'TCP', port: 70_000 } };
  await assert.rejects(client.put('/clusters/{name}', { params: { name: 'c' }, body: { cluster } }), (error) => {
    assert.ok(error instanceof ApiError);
    assert.equal(error.status, 422);
    assert.match(error.reason, /^\/cluster\/spec\/port: /);
    assert.match(error.message, /^PUT \/api\/v1\/clusters\/c\S* 422 \/cluster\/spec\/port: /);
    return true;
  });
});

test('a read of what is known already is answered with 304, without a body', async (t) => {
  const client = await start(t);
  const { etag = '' } = await client.config();
  const again = await client.configIfChanged(etag);
  assert.deepEqual([again.status, again.body, again.etag], [304, undefined, etag]);
  await client.put('/clusters/{name}', { params: { name: 'c' }, body: { cluster: web } });
  const changed = await client.getIfChanged('/clusters', etag);
  assert.equal(changed.status, 200);
  assert.deepEqual(
    changed.body?.map(({ name }) => name),
    ['l7mp-controller', 'c'],
  );
});

test('a change with the tag of another version is a 412, which names the present one', async (t) => {
  const client = await start(t);
  const before = await client.config();
  const made = await client.put('/clusters/{name}', { params: { name: 'c' }, body: { cluster: web } });
  assert.notEqual(made.etag, before.etag);
  const late = client.delete('/clusters/{name}', { params: { name: 'c' }, ifMatch: before.etag ?? '' });
  await assert.rejects(late, (error) => error instanceof ApiError && error.status === 412 && error.etag === made.etag);
  await client.delete('/clusters/{name}', { params: { name: 'c' }, ifMatch: made.etag ?? '' });
});

test('a dry run says what would change, and force changes the way by which it came', async (t) => {
  const client = await start(t);
  const config = (await client.config()).body;
  const { body } = await client.put('/config', { body: {}, query: { dry_run: true, force: true } });
  assert.ok(body.changes.some(({ kind, action }) => kind === 'listener' && action === 'delete'));
  assert.deepEqual((await client.config()).body, config);
  const unforced = client.put('/config', { body: {} });
  await assert.rejects(unforced, (error) => error instanceof ApiError && error.status === 409);
  await client.put('/config', { body: {}, query: { force: true } });
});

test('a body may be text that one has already, JSON or YAML', async (t) => {
  const client = await start(t);
  await client.put('/clusters/{name}', { params: { name: 'j' }, raw: JSON.stringify({ cluster: web }) });
  const yaml = 'cluster: { spec: { protocol: TCP, port: 80 } }';
  await client.put('/clusters/{name}', { params: { name: 'y' }, raw: yaml, contentType: 'application/yaml' });
  const parts = [Buffer.from('{"cluster":'), Buffer.from(`${JSON.stringify(web)}}`)];
  await client.put('/clusters/{name}', { params: { name: 'p' }, raw: parts });
  const { body } = await client.get('/clusters');
  assert.deepEqual(body.map(({ name }) => name).slice(1), ['j', 'y', 'p']);
});

test('the token is asked for at each request', async (t) => {
  const tokens = ['a'.repeat(32), 'wrong'.repeat(8), 'a'.repeat(32)];
  const auth = { tokens: [{ name: 'operator', token: 'a'.repeat(32), role: 'admin' }] };
  const client = await start(t, { admin: { auth } }, { token: async () => tokens.shift() });
  await client.get('/admin');
  await assert.rejects(client.get('/admin'), (error) => error instanceof ApiError && error.status === 401);
  await client.get('/admin');
  await assert.rejects(client.get('/admin'), (error) => error instanceof ApiError && error.status === 401, 'none');
  assert.equal((await client.get('/readyz')).body.status, 'ok');
});

test('the API is reached over a UNIX socket', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'l7mp-client-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const filename = join(folder, 'api');
  const spec = { protocol: 'HTTP', transport: { protocol: 'UnixDomainSocket', filename } };
  const local = listener('local', spec, { destination: 'l7mp-controller' });
  await start(t, { listeners: [local] });
  const client = new Client({ base: `unix:${filename}` });
  t.after(() => client.close());
  assert.deepEqual((await client.get('/listeners/{name}', { params: { name: 'local' } })).body.name, 'local');
});

test('all sessions come, page by page', async (t) => {
  const { ports } = await startProxy(t, ['api'], ({ api }) => {
    const spec = { protocol: 'HTTP', port: api, address: '127.0.0.1' };
    return { listeners: [listener('tracked', spec, { destination: 'l7mp-controller' }, { options: { track: 60 } })] };
  });
  const client = new Client({ base: `http://127.0.0.1:${ports.api}` });
  t.after(() => client.close());
  for (let n = 0; n < 5; n++) await client.get('/healthz');
  const names: string[] = [];
  for await (const { name } of client.sessions({ limit: 2, listener: 'tracked', fields: 'name' })) names.push(name);
  assert.ok(names.length >= 5, `${names.length} sessions`);
  assert.equal(new Set(names).size, names.length);
});

test('a proxy that drains is not ready, which is an error that says so', async (t) => {
  const client = await start(t);
  await client.post('/drain', { body: { timeout: 60_000 } });
  await assert.rejects(client.get('/readyz'), (error) => error instanceof ApiError && error.status === 503);
  await client.delete('/drain');
});

test('a proxy is spoken to by https, known by its authority, and shown a certificate', async (t) => {
  const authority = await Authority.make(t.after.bind(t));
  const [own, ops, other] = [
    await authority.issue(),
    await authority.issue({ commonName: 'ops' }),
    await authority.issue(),
  ];
  const tls = { ...own, ca: authority.cert, client_auth: 'request' };
  const { ports } = await startProxy(t, ['api'], ({ api }) => ({
    admin: { auth: { client_certificates: [{ subject: 'CN=ops', role: 'admin' }] } },
    listeners: [
      listener('api', { protocol: 'HTTP', port: api, address: '127.0.0.1', tls }, { destination: 'l7mp-controller' }),
    ],
  }));
  const base = `https://localhost:${ports.api}`;
  const clientWith = (given: ClientOptions['tls']): Client => {
    const client = new Client({ base, tls: given, retries: 0 });
    t.after(() => client.close());
    return client;
  };
  let shown = ops;
  const client = clientWith(() => ({ ca: authority.text, ...texts(shown) }));
  assert.equal((await client.put('/clusters/{name}', { params: { name: 'c' }, body: { cluster: web } })).status, 201);
  shown = other;
  await assert.rejects(client.get('/clusters'), { status: 401 });
  await assert.rejects(clientWith({ ca: authority.text }).get('/clusters'), { status: 401 });
  await assert.rejects(clientWith(undefined).get('/clusters'), UnreachableError);
  await assert.rejects(clientWith({ ca: authority.text, servername: 'elsewhere' }).get('/clusters'), UnreachableError);
  assert.throws(() => new Client({ base: 'http://localhost', tls: {} }), TypeError);
});
