/** What is as wished costs one read, whatever a proxy makes of what it is sent. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { freePort } from '../../../../src/testing/ports.ts';
import { until } from '../../../../src/testing/until.ts';
import { Authority, texts } from '../../../../test/support/certificates.ts';
import { podAt, startProxies, startRealProxy, type Written, wishOf } from '../../testing/proxies.ts';
import { NormalForms } from './normal-form.ts';

type Fields = Record<string, unknown>;

const at = (kind: string, name: string) => `/l7mp.io/v1/${kind}/default/${name}`;
const rulelist = at('RuleList', 'rules');

/** Objects with everything that has a default, an other way of writing, or is written in part. */
async function everything(): Promise<Written> {
  const port = await freePort();
  const route = at('Route', 'bare');
  const clusters: Record<string, Fields> = {};
  const cluster = (name: string, definition: Fields) => {
    clusters[at('Target', name)] = definition;
  };
  cluster('bare', { spec: { protocol: 'UDP', port: 53 } });
  cluster('empty', { spec: { protocol: 'TCP', port: 1 }, endpoints: {}, loadbalancer: {}, options: {} });
  cluster('trivial', { spec: { protocol: 'UDP', port: 53 }, loadbalancer: { policy: 'Trivial' } });
  cluster('key', { spec: { protocol: 'UDP', port: 53 }, loadbalancer: { key: 'UDP/src_port' } });
  cluster('hash', {
    spec: { protocol: 'UDP', port: 53 },
    loadbalancer: { policy: 'ConsistentHash', key: '/IP/src_addr' },
  });
  cluster('options', {
    spec: { protocol: 'TCP', port: 1 },
    options: { idle_timeout: 0, connect_timeout: 500, queue_bytes: 9 },
  });
  cluster('websocket', { spec: { protocol: 'WebSocket', port: 80 }, options: { ping_interval: 0 } });
  cluster('layer', { spec: { protocol: 'WebSocket', transport: { protocol: 'TCP', port: 80 } } });
  cluster('jsonsocket', {
    spec: { protocol: 'JSONSocket', transport: { protocol: 'UDP', port: 1 }, header: [{ path: '/a' }] },
  });
  cluster('alias', { spec: { protocol: 'JSONSocket', transport_spec: { protocol: 'TCP', port: 1 } } });
  cluster('socket', { spec: { protocol: 'UnixDomainSocket', filename: '/tmp/nowhere' } });
  cluster('layered-socket', {
    spec: { protocol: 'JSONSocket', transport: { protocol: 'UnixDomainSocket', filename: '/tmp/nowhere' } },
  });
  for (const protocol of ['Echo', 'Discard', 'JSONEncap', 'JSONDecap', 'Metric', 'Prometheus', 'Logger', 'Stdio'])
    cluster(protocol, { spec: { protocol } });
  cluster('logger', { spec: { protocol: 'Logger', log_file: '/tmp/l7mp-nobody-reads-this', log_prefix: 'x' } });
  cluster('sync', { spec: { protocol: 'Sync', query: '/label' } });
  cluster('endpoints', {
    spec: { protocol: 'UDP', port: 53 },
    endpoints: {
      [at('Target', 'endpoints/10.0.0.2')]: { spec: { address: '10.0.0.2' } },
      [at('Target', 'endpoints/10.0.0.1')]: { spec: { address: '10.0.0.1', port: 5 }, weight: 1 },
      [at('Target', 'endpoints/10.0.0.3')]: { spec: { address: '10.0.0.3', weight: 3 } },
      [at('Target', 'endpoints/10.0.0.4')]: { spec: { address: '10.0.0.4' }, weight: 0 },
      [at('Target', 'endpoints/fd00::1')]: { spec: { address: 'fd00::1', weight: 5 } },
    },
  });
  return {
    clusters,
    routes: {
      [route]: { destination: at('Target', 'bare') },
      [at('Route', 'alias')]: { cluster: at('Target', 'bare'), ingress: [], egress: [] },
      [at('Route', 'chain')]: {
        destination: at('Target', 'bare'),
        ingress: [at('Target', 'Logger')],
        egress: ['nowhere'],
      },
      [at('Route', 'retry')]: { destination: at('Target', 'bare'), retry: { retry_on: 'always' } },
      [at('Route', 'defaults')]: {
        destination: at('Target', 'bare'),
        retry: { retry_on: 'never', num_retries: 1, timeout: 2000 },
      },
      [at('Route', 'empty')]: { destination: at('Target', 'bare'), retry: {} },
    },
    rules: {
      [at('Rule', 'bare')]: { action: { route } },
      [at('Rule', 'all')]: { match: '*', action: { route, rewrite: [] } },
      [at('Rule', 'shown')]: { match: { match: '*' }, action: { route } },
      [at('Rule', 'apply')]: {
        match: { op: 'test', path: '/a', value: { b: [1, null] } },
        action: { apply: rulelist, route },
      },
      [at('Rule', 'rewrite')]: { action: { route, rewrite: [{ value: { z: 1, a: 'ü' }, path: '/x' }] } },
      [at('Rule', 'nested')]: {
        match: {
          op: 'and',
          apply: [
            { op: 'defined', path: '/a' },
            { op: 'not', apply: [{ path: '/b', op: 'matches', value: 'x.*' }] },
          ],
        },
        action: { route: 'nowhere' },
      },
    },
    rulelists: {
      [rulelist]: { rules: [at('Rule', 'bare'), at('Rule', 'bare'), 'nowhere'] },
      [at('RuleList', 'none')]: { rules: [] },
    },
    listeners: await listeners(port),
  };
}

async function listeners(port: number): Promise<Record<string, Fields>> {
  const local = { address: '127.0.0.1' };
  const all = [
    { spec: { protocol: 'UDP', port, ...local }, options: {} },
    { spec: { protocol: 'UDP', ...local, connect: { address: '127.0.0.1', port: 9 }, options: { mode: 'server' } } },
    { spec: { protocol: 'TCP', ...local }, options: { idle_timeout: 1, track: 0.5, verbose_errors: false } },
    { spec: { protocol: 'HTTP', path: '/x', ...local } },
    {
      spec: { protocol: 'HTTP', transport: { protocol: 'TCP', port: await freePort(), ...local } },
      options: { body_timeout: 1000 },
    },
    { spec: { protocol: 'WebSocket', ...local }, options: { ping_interval: 1000 } },
    { spec: { protocol: 'JSONSocket', transport: { protocol: 'UDP', port: await freePort(), ...local } } },
    { spec: { protocol: 'JSONSocket', transport_spec: { protocol: 'TCP', port: await freePort(), ...local } } },
    { spec: { protocol: 'UnixDomainSocket', filename: `/tmp/l7mp-normal-form-${port}` } },
  ];
  const entries = all.map(async ({ spec, ...rest }, n) => {
    const isWhole = 'port' in spec || 'transport' in spec || 'transport_spec' in spec || 'filename' in spec;
    const full = isWhole ? spec : { ...spec, port: await freePort() };
    return [
      at('VirtualService', `listener-${n}`),
      { spec: full, rules: n % 2 ? rulelist : 'nowhere', ...rest },
    ] as const;
  });
  return Object.fromEntries(await Promise.all(entries));
}

for (const io of ['node', 'native']) {
  test(`what was programmed is found as it is wished, also by another operator (${io})`, async (t) => {
    const proxy = await startRealProxy(t, { admin: { io } });
    const written = await everything();
    await programOnce(t, proxy.port, written, ['read', 'replace']);
    const { etag } = await proxy.client.config();
    // A new wish of equal definitions, as after a restart of the operator.
    await programOnce(t, proxy.port, structuredClone(written), ['read']);
    assert.equal((await proxy.client.config()).etag, etag);
  });
}

async function programOnce(t: TestContext, port: number, written: Written, calls: readonly string[]): Promise<void> {
  const pod = podAt('127.0.0.1');
  const { proxies, watcher, reaches } = startProxies(t, { port, timing: { interval: 20 } });
  proxies.program(pod, wishOf(written));
  await reaches(pod.uid, 'programmed');
  await until(() => watcher.count('check') > 2, 'it has looked again');
  assert.deepEqual(watcher.work, calls);
  // Equal values that are other objects are not sent either.
  proxies.program(pod, wishOf(structuredClone(written)));
  await reaches(pod.uid, 'programmed');
  assert.deepEqual(watcher.work, calls);
  await proxies.close();
}

test('a change by somebody else costs a read, and nothing if it is none of ours', async (t) => {
  const proxy = await startRealProxy(t);
  const pod = podAt('127.0.0.1');
  const { proxies, watcher, reaches } = startProxies(t, { port: proxy.port, timing: { interval: 20 } });
  proxies.program(pod, wishOf(await everything()));
  await reaches(pod.uid, 'programmed');
  const cluster = { spec: { protocol: 'TCP', port: 80 } };
  await proxy.client.put('/clusters/{name}', { params: { name: 'by-hand' }, body: { cluster } });
  const { etag } = await proxy.client.config();
  await until(() => watcher.calls.some(([kind, outcome]) => kind === 'check' && outcome === 'ok'), 'it has seen that');
  assert.deepEqual(watcher.work, ['read', 'replace']);
  assert.deepEqual(watcher.repairs, []);
  assert.equal((await proxy.client.config()).etag, etag);
});

test('a key that the proxy does not show is written once, and again with another certificate', async (t) => {
  const authority = await Authority.make(t.after.bind(t));
  const [one, other, named] = await Promise.all([1, 2, 3].map(async () => texts(await authority.issue())));
  const name = at('VirtualService', 'tls');
  const port = await freePort();
  const written = (pair: object, certificate: object): Written => {
    const tls = { ...pair, certificates: [{ servernames: ['a.example'], ...certificate }] };
    return { listeners: { [name]: { spec: { protocol: 'TCP', port, address: '127.0.0.1', tls }, rules: 'nowhere' } } };
  };
  const proxy = await startRealProxy(t);
  await programOnce(t, proxy.port, written({ ...one }, { ...named }), ['read', 'put']);
  const pod = podAt('127.0.0.1');
  const { proxies, watcher, reaches } = startProxies(t, { port: proxy.port, timing: { interval: 20 } });
  proxies.program(pod, wishOf(written({ ...one }, { ...named })));
  await reaches(pod.uid, 'programmed');
  assert.deepEqual(watcher.work, ['read']);
  proxies.program(pod, wishOf(written({ ...other }, { ...named })));
  await reaches(pod.uid, 'programmed');
  proxies.program(pod, wishOf(written({ ...other }, { ...one })));
  await reaches(pod.uid, 'programmed');
  const checks = watcher.count('check');
  await until(() => watcher.count('check') > checks + 2, 'it has looked again');
  assert.deepEqual(watcher.work, ['read', 'put', 'put']);
  assert.deepEqual([watcher.repairs, watcher.refusals], [[], []]);
  const { body } = await proxy.client.config();
  const listener = (body.listeners ?? []).find((it) => it.name === name);
  const shown = JSON.stringify(listener);
  assert.ok(shown.includes(JSON.stringify(other?.cert)) && !shown.includes('PRIVATE KEY'));
});

test('a way of writing that nobody here knows is learnt from the proxy’s own word', () => {
  const forms = new NormalForms();
  const wished = { spec: { protocol: 'New' } };
  const had = { spec: { protocol: 'New', port: 1 } };
  assert.equal(forms.same('clusters', had, wished), false);
  forms.learn('clusters', had, wished);
  assert.equal(forms.same('clusters', structuredClone(had), wished), true);
  assert.equal(forms.same('clusters', { spec: { protocol: 'New', port: 2 } }, wished), false);
  assert.equal(forms.same('clusters', had, { spec: { protocol: 'Other' } }), false);
});
