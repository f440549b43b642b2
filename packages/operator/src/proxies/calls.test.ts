/** Which calls real proxies get. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { freePort } from '../../../../src/testing/ports.ts';
import { until } from '../../../../src/testing/until.ts';
import { podAt, startProxies, startRealProxy, wishOf } from '../../testing/proxies.ts';
import { at, cluster, endpointsOf, listenerName, namesOf, oursOf, service } from '../../testing/service.ts';

const echo = { spec: { protocol: 'Echo' as const } };

test('few objects are made one by one, and deleted the other way round', async (t) => {
  // So long that it is not kept, and the whole would have to be read.
  const logger = { name: 'logger', spec: { protocol: 'Logger', log_prefix: 'x'.repeat(10_000) } };
  const proxy = await startRealProxy(t, { config: { clusters: [logger] } });
  const pod = podAt('127.0.0.1');
  const { proxies, watcher, reaches } = startProxies(t, { port: proxy.port });
  proxies.program(pod, wishOf(service(await freePort(), {})));
  await reaches(pod.uid, 'programmed');
  assert.deepEqual(watcher.work, ['read', 'put', 'put', 'put', 'put', 'put']);
  assert.deepEqual(await oursOf(proxy.client), [
    cluster,
    at('Route', 'web'),
    at('Rule', 'web'),
    at('RuleList', 'web'),
    listenerName,
  ]);
  proxies.program(pod, wishOf({}));
  await until(() => watcher.count('delete') === 5, 'all is deleted');
  await reaches(pod.uid, 'programmed');
  assert.equal(watcher.count('read'), 1);
  const { body } = await proxy.client.config();
  assert.deepEqual(Object.keys(body).sort(), ['admin', 'clusters', 'listeners']);
  assert.deepEqual(namesOf(body, 'listeners'), ['controller']);
});

test('a change of an endpoint is one call, for that endpoint only', async (t) => {
  const proxy = await startRealProxy(t);
  const pod = podAt('127.0.0.1');
  const { proxies, watcher, reaches } = startProxies(t, { port: proxy.port });
  const port = await freePort();
  const name = (n: number) => `${cluster}/10.0.0.${n}`;
  const endpoint = (n: number, weight = 1) => ({ [name(n)]: { spec: { address: `10.0.0.${n}` }, weight } });
  const balancer = { loadbalancer: { policy: 'RoundRobin' } };
  proxies.program(pod, wishOf(service(port, { ...endpoint(1), ...endpoint(2) }, balancer)));
  await reaches(pod.uid, 'programmed');
  const steps: [Record<string, object>, string][] = [
    [{ ...endpoint(1, 0), ...endpoint(2) }, 'put'],
    [endpoint(2), 'delete'],
    [{ ...endpoint(1), ...endpoint(2) }, 'put'],
  ];
  for (const [endpoints, call] of steps) {
    const before = watcher.work.length;
    proxies.program(pod, wishOf(service(port, endpoints, balancer)));
    await reaches(pod.uid, 'programmed');
    assert.deepEqual(watcher.work.slice(before), [call]);
    const weights = Object.fromEntries((await endpointsOf(proxy.client)).map(({ name, weight = 1 }) => [name, weight]));
    const wished = Object.entries(endpoints).map(([key, value]) => [key, (value as { weight: number }).weight]);
    assert.deepEqual(weights, Object.fromEntries(wished));
  }
});

test('the latest wish wins, whatever was wished meanwhile', async (t) => {
  const proxy = await startRealProxy(t);
  const pod = podAt('127.0.0.1');
  const { proxies, watcher, reaches } = startProxies(t, { port: proxy.port });
  const port = await freePort();
  for (let n = 0; n < 50; n++) {
    proxies.program(pod, wishOf(service(port, { [`${cluster}/${n}`]: { spec: { address: `10.0.0.${n}` } } })));
    if (n % 10 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  await reaches(pod.uid, 'programmed');
  const names = (await endpointsOf(proxy.client)).map(({ name }) => name);
  assert.deepEqual(names, [`${cluster}/49`]);
  assert.ok(watcher.work.length < 50);
});

test('changes that come one after the other are made together, and another container waits for none of them', async (t) => {
  const proxy = await startRealProxy(t);
  const pod = podAt('127.0.0.1');
  const { proxies, watcher, reaches } = startProxies(t, { port: proxy.port, timing: { spacing: 600_000 } });
  const targets = (count: number) =>
    wishOf({
      clusters: Object.fromEntries(Array.from({ length: count }, (_, n) => [at('Target', `t${n}`), echo])),
    });
  proxies.program(pod, targets(1));
  await reaches(pod.uid, 'programmed');
  for (let n = 2; n < 6; n++) proxies.program(pod, targets(n));
  assert.equal(proxies.state(pod.uid)?.state, 'pending');
  assert.deepEqual(watcher.work, ['read', 'put'], 'they wait for more');
  proxies.program({ ...pod, incarnation: '2' }, targets(6));
  await reaches(pod.uid, 'programmed');
  assert.deepEqual(watcher.work, ['read', 'put', 'read', ...Array(5).fill('put')]);
  assert.equal((await oursOf(proxy.client)).length, 6);
});

test('several changes are one call where the whole is small and known, and few are not', async (t) => {
  const proxy = await startRealProxy(t);
  const pod = podAt('127.0.0.1');
  const { proxies, watcher, reaches } = startProxies(t, { port: proxy.port });
  const port = await freePort();
  for (const wished of [{}, service(port, {}), service(port, {}, { loadbalancer: { policy: 'RoundRobin' } }), {}]) {
    proxies.program(pod, wishOf(wished));
    await reaches(pod.uid, 'programmed');
  }
  assert.deepEqual(watcher.work, ['read', 'replace', 'put', 'replace']);
  assert.deepEqual(await oursOf(proxy.client), []);
});

test('many changes are one call, with what others have made as it is', async (t) => {
  const proxy = await startRealProxy(t, { config: { clusters: [{ name: 'static', ...echo }] } });
  const pod = podAt('127.0.0.1');
  const { proxies, watcher, reaches } = startProxies(t, { port: proxy.port });
  const targets = (from: number) =>
    wishOf({
      clusters: Object.fromEntries(Array.from({ length: 10 }, (_, n) => [at('Target', `t${from + n}`), echo])),
    });
  const clusters = async () => namesOf((await proxy.client.config()).body, 'clusters');
  proxies.program(pod, targets(0));
  await reaches(pod.uid, 'programmed');
  proxies.program(pod, targets(10));
  await reaches(pod.uid, 'programmed');
  assert.deepEqual(watcher.work, ['read', 'replace', 'replace']);
  assert.deepEqual((await clusters()).slice(0, 2), ['static', at('Target', 't10')]);
  // What others have made since is seen, and stays.
  await proxy.client.put('/clusters/{name}', { params: { name: 'new' }, body: { cluster: echo } });
  proxies.program(pod, targets(20));
  await reaches(pod.uid, 'programmed');
  assert.deepEqual(watcher.work.slice(3), ['replace', 'read', 'replace']);
  assert.deepEqual((await clusters()).slice(0, 3), ['static', 'new', at('Target', 't20')]);
});
