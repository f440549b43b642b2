/** The whole operator with an API server of the tests and a real proxy. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { type TestContext, test } from 'node:test';
import { freePort } from '../../../src/testing/ports.ts';
import { until } from '../../../src/testing/until.ts';
import { startProxy, type TestProxy } from '../../../test/support/proxy.ts';
import { FakeApi, refuse } from './kubernetes/testing.ts';
import { Operator, type OperatorOptions } from './operator.ts';
import { CORE_KINDS, KINDS, L7MP_KINDS } from './resources/kinds.ts';
import { makeLog } from './telemetry/log.ts';
import { Metrics } from './telemetry/metrics.ts';

const LEASES = { group: 'coordination.k8s.io', version: 'v1', plural: 'leases' } as const;
const EVENTS = { group: 'events.k8s.io', version: 'v1', plural: 'events' } as const;
const WEBHOOK = [
  { group: '', version: 'v1', plural: 'secrets' },
  { group: 'admissionregistration.k8s.io', version: 'v1', plural: 'mutatingwebhookconfigurations' },
] as const;
const TIMINGS = {
  lease: { duration: 1000, deadline: 300, retry: 20 },
  watch: { firstWait: 5, longestWait: 50 },
} as const;
const TOKEN = 'a-secret-of-32-characters-at-least';

interface Mesh {
  readonly api: FakeApi;
  readonly proxy: TestProxy;
  start(identity: string, options?: Partial<OperatorOptions>): Operator;
  /** An object that listens on a port; with another port it is another object. */
  apply(name: string, port: number): void;
  /** Names of our listeners on the proxy. */
  listeners(): Promise<string[]>;
  /** Changes with each change of the proxy's configuration. */
  etag(): Promise<string | undefined>;
  programmed(name: string): string | undefined;
}

async function mesh(t: TestContext, admin: object = {}): Promise<Mesh> {
  const { proxy } = await startProxy(t, [], () => ({ admin }));
  const api = await FakeApi.start(...Object.values(L7MP_KINDS), ...Object.values(CORE_KINDS), LEASES, EVENTS);
  const operators: Operator[] = [];
  t.after(async () => {
    api.intercept = undefined;
    await Promise.all(operators.map((operator) => operator.close()));
    await api.close();
  });
  api.set(KINDS.Pod, {
    metadata: { name: 'proxy', namespace: 'default', labels: { app: 'edge' } },
    spec: { containers: [{ name: 'l7mp', ports: [{ containerPort: proxy.port }] }] },
    status: {
      phase: 'Running',
      podIP: '127.0.0.1',
      containerStatuses: [{ name: 'l7mp', containerID: 'c', ready: true }],
    },
  });
  return {
    api,
    proxy,
    start(identity, options = {}) {
      const operator = new Operator({
        access: api.access,
        version: 'test',
        namespaces: [],
        proxyPort: proxy.port,
        allowCrossNamespace: false,
        ownNamespace: 'mesh',
        elects: false,
        timings: TIMINGS,
        identity,
        log: makeLog('silent'),
        metrics: new Metrics(),
        ...options,
      });
      operators.push(operator);
      operator.start();
      return operator;
    },
    apply(name, port) {
      const generation = (api.get(KINDS.VirtualService, 'default', name)?.metadata.generation ?? 0) + 1;
      const destination = { spec: { UDP: { port: 9 } }, endpoints: [{ spec: { address: '127.0.0.1' } }] };
      api.set(KINDS.VirtualService, {
        metadata: { name, namespace: 'default', generation },
        spec: {
          selector: { matchLabels: { app: 'edge' } },
          listener: { spec: { UDP: { port } }, rules: [{ action: { route: { destination } } }] },
        },
      });
    },
    async listeners() {
      const all: { name: string }[] = await proxy.ok('GET', 'listeners');
      return all.flatMap(({ name }) => /^\/l7mp\.io\/v1\/VirtualService\/default\/(\w+)$/.exec(name)?.[1] ?? []).sort();
    },
    async etag() {
      return (await proxy.api('GET', 'config')).headers.etag;
    },
    programmed(name) {
      const conditions = api.get(KINDS.VirtualService, 'default', name)?.status?.conditions ?? [];
      return conditions.find(({ type }: { type: string }) => type === 'Programmed')?.status;
    },
  };
}

test('what is applied is on the proxy and said so, what is deleted goes', async (t) => {
  const { api, start, apply, listeners, programmed } = await mesh(t);
  apply('web', await freePort());
  start('one');
  await until(() => programmed('web') === 'True');
  assert.deepEqual(await listeners(), ['web']);
  assert.equal(api.get(KINDS.VirtualService, 'default', 'web')?.status.proxies.text, '1/1');
  api.remove(KINDS.VirtualService, 'default', 'web');
  await until(async () => (await listeners()).length === 0);
});

test('nothing is done before all is known', async (t) => {
  const { api, start, apply, listeners, etag } = await mesh(t);
  apply('web', await freePort());
  api.withdraw(KINDS.Target);
  const before = await etag();
  const operator = start('one');
  await until(() => operator.unready === 'no complete list yet of Target');
  assert.equal(await etag(), before);
  api.serve(KINDS.Target);
  await until(async () => (await listeners()).length === 1);
  assert.equal(operator.unready, undefined);
});

test('a replica whose webhook cannot listen is not ready until it can', async (t) => {
  const { api, start } = await mesh(t);
  for (const resource of WEBHOOK) api.serve(resource);
  api.intercept = ({ url }, response) => {
    if (url.pathname !== '/version') return false;
    response.setHeader('content-type', 'application/json').end('{"minor":"34"}');
    return true;
  };
  const other = createServer().listen(0, '127.0.0.1');
  await once(other, 'listening');
  const { port } = other.address() as AddressInfo;
  const webhook = { address: { host: '127.0.0.1', port }, url: `https://127.0.0.1:${port}` };
  const operator = start('one', { webhook, workload: { image: 'l7mp', port: 1234 } });
  await until(() => operator.unready === 'the webhook does not listen');
  other.close();
  await until(() => operator.unready === undefined);
});

test('while the API server is in trouble nothing changes; what came meanwhile is on the proxy afterwards', async (t) => {
  const { api, start, apply, listeners, programmed, etag } = await mesh(t);
  apply('web', await freePort());
  start('one');
  await until(() => programmed('web') === 'True');
  const before = await etag();
  let refused = 0;
  api.intercept = (_, response) => {
    refuse(response, [500, 403, 404, 410][refused++ % 4] ?? 500, 'Trouble');
    return true;
  };
  api.compact();
  api.endWatches('reset');
  apply('dns', await freePort());
  await until(() => refused > 30);
  assert.equal(await etag(), before);
  api.intercept = undefined;
  await until(async () => (await listeners()).length === 2);
});

test('of two replicas one works; when it ends the other does at once, and changes nothing on the proxy', async (t) => {
  const { api, start, apply, listeners, programmed, etag } = await mesh(t);
  apply('web', await freePort());
  const one = start('one', { elects: true });
  await until(() => programmed('web') === 'True');
  const two = start('two', { elects: true });
  await until(() => two.unready === undefined);
  const before = await etag();
  const holder = () => api.get(LEASES, 'mesh', 'l7mp-operator')?.spec.holderIdentity;
  assert.equal(holder(), 'one');
  const statuses = () =>
    api.requests.filter(({ method, url }) => method === 'PATCH' && url.pathname.endsWith('status'));
  const { length } = statuses();
  await one.close();
  await until(() => holder() === 'two');
  apply('dns', await freePort());
  await until(() => programmed('dns') === 'True');
  assert.deepEqual(await listeners(), ['dns', 'web']);
  assert.notEqual(await etag(), before);
  // All that was written since is about what is new.
  assert.deepEqual(
    new Set(
      statuses()
        .slice(length)
        .map(({ url }) => url.pathname.split('/').at(-2)),
    ),
    new Set(['dns']),
  );
});

test('a failover alone changes nothing', async (t) => {
  const { api, start, apply, programmed, etag } = await mesh(t);
  apply('web', await freePort());
  const one = start('one', { elects: true });
  await until(() => programmed('web') === 'True');
  const before = await etag();
  await one.close();
  start('two', { elects: true });
  const written = api.requests.filter(({ method }) => method === 'PATCH').length;
  await until(() => api.get(LEASES, 'mesh', 'l7mp-operator')?.spec.holderIdentity === 'two');
  await until(() => api.requests.filter(({ url }) => url.pathname.endsWith('/l7mp-operator')).length > 20);
  assert.equal(await etag(), before);
  assert.equal(api.requests.filter(({ method }) => method === 'PATCH').length, written);
});

test('who cannot renew the Lease stops programming, and goes on when it has it again', async (t) => {
  const { api, start, apply, listeners, programmed } = await mesh(t);
  apply('web', await freePort());
  const metrics = new Metrics();
  start('one', { elects: true, metrics });
  await until(() => programmed('web') === 'True');
  api.intercept = ({ method, url }, response) => {
    if (method !== 'PUT' || !url.pathname.includes('/leases/')) return false;
    refuse(response, 500, 'Trouble');
    return true;
  };
  await until(async () => /^l7mp_operator_leader 0$/m.test(await metrics.text()));
  apply('dns', await freePort());
  await until(() => api.requests.filter(({ method }) => method === 'PUT').length > 20);
  assert.deepEqual(await listeners(), ['web']);
  api.intercept = undefined;
  await until(async () => (await listeners()).length === 2);
});

test('with a wrong token the status says so, and another token is taken', async (t) => {
  const tokens = [{ name: 'operator', token: TOKEN, role: 'admin' }];
  const { api, start, apply, programmed } = await mesh(t, { auth: { tokens } });
  apply('web', await freePort());
  let token = 'wrong';
  start('one', { token: () => token });
  await until(() => programmed('web') === 'False');
  await until(() => /401/.test(api.get(KINDS.VirtualService, 'default', 'web')?.status.conditions.at(-1).message));
  token = TOKEN;
  await until(() => programmed('web') === 'True');
});
