import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { promisify } from 'node:util';
import { Compile } from 'typebox/schema';
import { parse } from 'yaml';
import { OPERATIONS } from '../../src/api/operations.ts';
import { freePort } from '../../src/testing/ports.ts';
import { connectStream } from '../support/peers.ts';
import { startProxy, type TestProxy } from '../support/proxy.ts';

const ROOT = join(import.meta.dirname, '..', '..');

const start = async (t: TestContext, config: object = {}): Promise<TestProxy> =>
  (await startProxy(t, [], () => config)).proxy;

// biome-ignore lint/suspicious/noExplicitAny: a document whose form is what is tested.
type Document = any;

const METHODS = ['get', 'put', 'post', 'delete', 'options', 'head', 'patch', 'trace'];

/** Every operation of the document. */
function operationsOf(document: Document): { path: string; method: string; operation: Document }[] {
  return Object.entries(document.paths).flatMap(([path, item]) =>
    Object.entries(item as object).map(([method, operation]) => ({ path, method, operation })),
  );
}

/** Every object in a value, and the value itself. */
function* objectsIn(value: unknown): Generator<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null) return;
  yield value as Record<string, unknown>;
  for (const part of Object.values(value)) yield* objectsIn(part);
}

const refsIn = (value: unknown): string[] =>
  [...objectsIn(value)].flatMap(({ $ref }) => (typeof $ref === 'string' ? [$ref] : []));

function follow(document: Document, ref: string): unknown {
  assert.match(ref, /^#\/components\//);
  return ref
    .slice(2)
    .split('/')
    .reduce((here, key) => here?.[key], document);
}

/** What a schema of the document says to a value. */
function validator(document: Document, schema: object): (value: unknown) => boolean {
  const compiled = Compile({ ...schema, components: document.components });
  return (value) => compiled.Check(value);
}

const bodySchema = (document: Document, path: string, method = 'post'): object =>
  document.paths[path][method].requestBody.content['application/json'].schema;

const answerSchema = (document: Document, path: string): object =>
  document.paths[path].get.responses[200].content['application/json'].schema;

test('what is served is in the document, and what is in the document is served', async (t) => {
  const proxy = await start(t);
  const document = await proxy.ok('GET', 'openapi.json');
  const documented = operationsOf(document).map(({ path, method }) => `${method} ${path}`);
  assert.deepEqual(documented.sort(), OPERATIONS.map(({ method, path }) => `${method.toLowerCase()} ${path}`).sort());
  for (const path of Object.keys(document.paths)) {
    for (const method of METHODS) {
      const answer = await proxy.api(
        method.toUpperCase(),
        path.slice(1).replaceAll(/\{\w+\}/g, 'nix'),
        method === 'post' || method === 'put' ? {} : undefined,
      );
      const served = method === 'head' ? 'get' : method;
      // An answer to HEAD does not say why.
      const why =
        method === 'head' && !('get' in document.paths[path]) ? 'there is no operation' : answer.body?.content;
      const unknown = answer.status === 404 && why?.startsWith('there is no operation');
      assert.equal(!unknown, served in document.paths[path], `${method} ${path}: ${answer.text}`);
    }
  }
});

test('the document is OpenAPI 3.1: parameters, answers, names and references are as they must be', async (t) => {
  const document = await (await start(t)).ok('GET', 'openapi.json');
  assert.equal(document.openapi, '3.1.0');
  assert.deepEqual(Object.keys(document), ['openapi', 'info', 'servers', 'paths', 'security', 'components']);
  const operations = operationsOf(document);
  assert.equal(new Set(operations.map(({ operation }) => operation.operationId)).size, operations.length);
  for (const { path, method, operation } of operations) {
    assert.ok(METHODS.includes(method) && path.startsWith('/'), `${method} ${path}`);
    const parameters = operation.parameters.map((one: Document) => (one.$ref ? follow(document, one.$ref) : one));
    const inPath = parameters
      .filter((one: Document) => one.in === 'path' && one.required)
      .map(({ name }: Document) => name);
    assert.deepEqual(
      inPath,
      [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name),
    );
    assert.equal('requestBody' in operation, method === 'post' || method === 'put');
    for (const [status, response] of Object.entries<Document>(operation.responses)) {
      const { description, content } = response.$ref ? (follow(document, response.$ref) as Document) : response;
      assert.ok(
        /^\d{3}$/.test(status) && description && (status === '304' || content['application/json'].schema),
        `${method} ${path} ${status}`,
      );
    }
  }
  for (const ref of refsIn(document)) assert.ok(follow(document, ref), ref);
  const used = new Set([...refsIn(document), '#/components/securitySchemes/token']);
  for (const [kind, components] of Object.entries<object>(document.components)) {
    for (const name of Object.keys(components)) {
      assert.match(name, /^[\w.-]+$/);
      assert.ok(used.has(`#/components/${kind}/${name}`), `${kind}/${name} is used`);
    }
  }
});

test('every protocol is in the document, also one that a plugin brings', async (t) => {
  const plugin = {
    name: 'My proto/1',
    title: 'A plugin.',
    cluster: {
      schema: { type: 'object', properties: { x: { type: 'integer' } } },
      kind: 'stream' as const,
      open: () => ({
        dial: () => {
          throw new Error('not here');
        },
      }),
    },
  };
  const { proxy } = await startProxy(t, [], () => ({}), { plugins: [plugin] });
  const { schemas } = (await proxy.ok('GET', 'openapi.json')).components;
  for (const name of ['UDPListener', 'UDPCluster', 'JSONSocketListenerSpec', 'EchoCluster', 'My_proto_1Cluster']) {
    assert.ok(schemas[name], name);
  }
  assert.equal(schemas.My_proto_1ClusterSpec.properties.protocol.const, 'My proto/1');
});

const UDP = { protocol: 'UDP', port: 7 };
const ROUTE = {
  destination: { spec: UDP, endpoints: [{ spec: { address: 'x', weight: 0 } }] },
  ingress: ['x', { spec: { protocol: 'Logger', log_prefix: 'x' } }],
};

/** What the proxy takes, by path. A listener gets a port of its own. */
const TAKEN: Readonly<Record<string, readonly object[]>> = {
  '/clusters': [
    { cluster: { name: 'a', spec: { protocol: 'Echo' } } },
    {
      cluster: {
        name: 'b',
        spec: { ...UDP, bind: { address: '127.0.0.1' } },
        loadbalancer: { policy: 'HashRing', key: 'IP' },
        options: { idle_timeout: 0 },
      },
    },
    {
      cluster: {
        name: 'c',
        spec: {
          protocol: 'JSONSocket',
          transport: UDP,
          header: [{ path: '/IP' }, { path: { from: '/IP', to: '/x' } }, { set: { key: 'y', value: null } }],
        },
      },
    },
    { cluster: { name: 'd', spec: { protocol: 'JSONSocket', transport_spec: { protocol: 'TCP', port: 1 } } } },
    { cluster: { name: 'e', spec: { protocol: 'Sync', query: '/x' } } },
    {
      cluster: {
        name: 'f',
        spec: { protocol: 'UnixDomainSocket' },
        endpoints: [{ name: 'e', spec: { address: join(tmpdir(), 'x') }, weight: 5 }],
      },
    },
  ],
  '/clusters/{name}/endpoints': [
    { endpoint: { spec: { address: 'x' } } },
    { endpoint: { name: 'g', spec: { address: 'x', weight: 1 }, weight: 1 } },
  ],
  '/routes': [
    { route: { name: 'a', ...ROUTE } },
    { route: { name: 'b', cluster: 'x', retry: { retry_on: 'never', num_retries: 0, timeout: 1 } } },
  ],
  '/rules': [
    { rule: { name: 'a', action: { apply: 'x' } } },
    { rule: { name: 'b', match: '*', action: { route: 'x', rewrite: [{ path: '/x', value: [null] }] } } },
    {
      rule: {
        name: 'c',
        match: { op: 'not', apply: [{ op: 'in', path: '/x', value: [1] }] },
        action: { route: ROUTE },
      },
    },
    { rule: { name: 'd', match: { match: '*' }, action: { route: 'x' } } },
  ],
  '/rulelists': [
    { rulelist: { name: 'a', rules: [] } },
    { rulelist: { name: 'b', rules: ['x', { action: { route: ROUTE } }] } },
  ],
  '/rulelists/{name}/rules/{position}': [{ rule: 'x' }, { rule: { action: { route: ROUTE } } }],
  '/listeners': [
    { listener: { name: 'a', spec: { protocol: 'TCP', port: 0, address: '127.0.0.1' }, rules: 'x' } },
    {
      listener: {
        name: 'b',
        spec: { protocol: 'UDP', port: 0, connect: { port: 1 }, options: { mode: 'server' } },
        rules: [],
        options: { track: 0.5, max_sessions: 1 },
      },
    },
    {
      listener: {
        name: 'c',
        spec: { protocol: 'HTTP', port: 0, path: '/x' },
        rules: { rules: [{ action: { route: ROUTE } }] },
      },
    },
    { listener: { name: 'd', spec: { protocol: 'WebSocket', port: 0 }, rules: ['x', { action: { apply: 'x' } }] } },
    { listener: { name: 'e', spec: { protocol: 'JSONSocket', transport: { protocol: 'UDP', port: 0 } }, rules: [] } },
    {
      listener: {
        name: 'f',
        spec: { protocol: 'JSONSocket', transport_spec: { protocol: 'TCP', port: 0 } },
        rules: [],
      },
    },
  ],
  '/admin': [{ admin: {} }, { admin: { log_level: 'warn', strict: true, offload_ifs: '' } }],
  '/config': [
    {},
    {
      admin: {},
      clusters: [{ name: 'z', spec: UDP, endpoints: 1 }],
      endpoints: [{ cluster: 'z', spec: { address: 'x' } }],
    },
  ],
};

/** What the proxy refuses because of its form, by path. */
const REFUSED: Readonly<Record<string, readonly object[]>> = {
  '/clusters': [
    {},
    { cluster: { name: 'x y', spec: UDP } },
    { cluster: { name: 'x', spec: { protocol: 'UDP', port: 0 } } },
    { cluster: { name: 'x', spec: { protocol: 'Nix' } } },
    { cluster: { name: 'x', spec: UDP, options: { track: 1 } } },
    { cluster: { name: 'x', spec: UDP, extra: 1 } },
    { cluster: { name: 'x', spec: { protocol: 'JSONSocket' } } },
    { cluster: { name: 'x', spec: { protocol: 'JSONSocket', transport: { protocol: 'Echo' } } } },
    { cluster: { name: 'x', spec: { protocol: 'JSONSocket', transport: UDP, transport_spec: UDP } } },
    { cluster: { name: 'x', spec: UDP, endpoints: 1 } },
    { cluster: { name: 'x', spec: UDP, loadbalancer: { policy: 'Best' } } },
  ],
  '/clusters/{name}/endpoints': [{ endpoint: { spec: {} } }, { endpoint: { spec: { address: 'x' }, weight: -1 } }],
  '/routes': [
    { route: { name: 'x', destination: { spec: { protocol: 'TCP', port: 70_000 } } } },
    { route: { name: 'x', destination: 5 } },
  ],
  '/rules': [{ rule: { name: 'x' } }, { rule: { name: 'x', match: 5, action: { apply: 'x' } } }],
  '/rulelists': [{ rulelist: { name: 'x', rules: [5] } }],
  '/rulelists/{name}/rules/{position}': [{ rule: 5 }],
  '/listeners': [
    { listener: { name: 'x', spec: { protocol: 'Echo' }, rules: [] } },
    { listener: { name: 'x', spec: { protocol: 'TCP', port: 1, path: '/' }, rules: [] } },
    { listener: { name: 'x', spec: { protocol: 'TCP', port: 1 } } },
    { listener: { name: 'x', spec: { protocol: 'TCP', port: 1 }, rules: [], options: { nix: 1 } } },
  ],
  '/admin': [{ admin: { log_level: 'loud' } }],
  '/config': [{ clusters: {} }, { foo: 1 }],
};

/** With a free port in the place of each 0. */
async function withPort(body: object): Promise<object> {
  const port = await freePort();
  return JSON.parse(JSON.stringify(body), (key, value) => (key === 'port' && value === 0 ? port : value));
}

const urlOf = (path: string): string =>
  path
    .slice(1)
    .replace('clusters/{name}', 'clusters/target')
    .replace('rulelists/{name}', 'rulelists/target')
    .replace('{position}', '0');

const TARGETS = { clusters: [{ name: 'target', spec: UDP }], rulelists: [{ name: 'target', rules: [] }] };

async function addAll(proxy: TestProxy, onBody: (path: string, body: object) => void = () => {}): Promise<void> {
  for (const [path, bodies] of Object.entries(TAKEN)) {
    for (const given of bodies) {
      const body = path === '/listeners' ? await withPort(given) : given;
      onBody(path, body);
      assert.deepEqual(await proxy.ok('POST', urlOf(path), body), { status: 200, message: 'OK' });
    }
  }
}

test('the bodies that are taken fit the document', async (t) => {
  const proxy = await start(t, TARGETS);
  const document = await proxy.ok('GET', 'openapi.json');
  await addAll(proxy, (path, body) => {
    assert.ok(validator(document, bodySchema(document, path))(body), `${path} ${JSON.stringify(body)}`);
  });
});

test('the answers fit the document', async (t) => {
  const proxy = await start(t, TARGETS);
  const document = await proxy.ok('GET', 'openapi.json');
  await addAll(proxy);
  const { spec } = await proxy.ok('GET', 'listeners/a');
  const client = await connectStream(t, { port: spec.port });
  const isError = validator(document, { $ref: '#/components/schemas/Error' });
  const reads = Object.keys(document.paths).filter((path) => 'get' in document.paths[path]);
  for (const path of reads) {
    const fits = validator(document, answerSchema(document, path));
    for (const name of ['a', 'target', 'target-EndPoint-0', 'nix']) {
      for (const recursive of [false, true]) {
        const answer = await proxy.api('GET', `${urlOf(path).replace('{name}', name)}?recursive=${recursive}`);
        assert.ok((answer.status === 200 ? fits : isError)(answer.body), `${path} ${name}: ${answer.text}`);
      }
    }
  }
  client.close();
});

test('the bodies that are refused because of their form do not fit the document', async (t) => {
  const proxy = await start(t, TARGETS);
  const document = await proxy.ok('GET', 'openapi.json');
  for (const [path, bodies] of Object.entries(REFUSED)) {
    const fits = validator(document, bodySchema(document, path));
    for (const body of bodies) {
      assert.equal((await proxy.api('POST', urlOf(path), body)).status, 422, `${path} ${JSON.stringify(body)}`);
      assert.ok(!fits(body), `${path} ${JSON.stringify(body)}`);
    }
  }
});

test('openapi.yaml is what scripts/generate-openapi.ts makes now', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'l7mp-openapi-'));
  t.after(() => rm(folder, { recursive: true }));
  const file = join(folder, 'openapi.yaml');
  await promisify(execFile)(process.execPath, [join(ROOT, 'scripts', 'generate-openapi.ts'), file]);
  const generated = await readFile(file, 'utf8');
  assert.equal(await readFile(join(ROOT, 'openapi.yaml'), 'utf8'), generated, 'run scripts/generate-openapi.ts');
  assert.deepEqual(parse(generated), await (await start(t)).ok('GET', 'openapi.json'));
});
