/** Real proxies, programmed. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { freePort } from '../../../../src/testing/ports.ts';
import { until } from '../../../../src/testing/until.ts';
import { UdpPeer } from '../../testing/peers.ts';
import { podAt, startProxies, startRealProxy, wishOf } from '../../testing/proxies.ts';
import { at, cluster, endpointsOf, listenerName, local, namesOf, oursOf, service } from '../../testing/service.ts';

const gateway = '/gateway.networking.k8s.io/v1/UDPRoute/default/x/rules/0';
const echo = { spec: { protocol: 'Echo' as const } };

test('what others have made stays, and what somebody has made or changed inside of ours goes', async (t) => {
  const port = await freePort();
  const proxy = await startRealProxy(t, { config: { clusters: [{ name: 'static-echo', ...echo }] } });
  const pod = podAt('127.0.0.1');
  const { proxies, watcher, reaches } = startProxies(t, { port: proxy.port, timing: { interval: 20 } });
  const endpoints = { [`${cluster}/10.0.0.1`]: { spec: { address: '10.0.0.1' } } };
  proxies.program(pod, wishOf(service(port, endpoints)));
  await reaches(pod.uid, 'programmed');
  const wished = (await proxy.client.config()).body;

  const { client } = proxy;
  const byHand = { action: { route: { destination: 'static-echo' } } };
  const foreign = { name: '/l7mp.example/v1/x', rules: [byHand] };
  await client.post('/rulelists', { body: { rulelist: foreign } });
  await client.post('/rulelists/{name}/rules/{position}', {
    params: { name: at('RuleList', 'web'), position: '0' },
    body: { rule: byHand },
  });
  await client.post('/clusters/{name}/endpoints', {
    params: { name: cluster },
    body: { endpoint: { spec: { address: '10.0.0.9' } } },
  });
  await client.put('/routes/{name}', {
    params: { name: at('Route', 'web') },
    body: { route: { destination: 'static-echo' } },
  });
  const inline = {
    name: at('VirtualService', 'leftover'),
    spec: { protocol: 'TCP' as const, port: await freePort() },
    rules: [byHand],
  };
  await client.post('/listeners', { body: { listener: inline } });
  await client.delete('/listeners/{name}', { params: { name: listenerName } });
  const ours = async () => {
    const { rulelists = [], ...now } = (await client.config()).body;
    return { ...now, rulelists: rulelists.filter(({ name }) => name !== foreign.name) };
  };
  await until(async () => isDeepStrictEqual(await ours(), wished), 'all is as wished');
  assert.ok(namesOf((await client.config()).body, 'rulelists').includes(foreign.name));
  const names = new Set(watcher.repairs.flatMap(({ names }) => names));
  for (const name of [listenerName, cluster, at('Route', 'web')]) assert.ok(names.has(name), name);
  assert.ok(watcher.repairs.every(({ cause }) => cause === 'changed'));
  const before = watcher.work.length;
  const checks = watcher.count('check');
  await until(() => watcher.count('check') > checks + 3, 'it has looked again');
  assert.equal(watcher.work.length, before, 'and there is nothing to do');
});

test('a proxy that was killed and started again is programmed anew, and another incarnation at once', async (t) => {
  const proxy = await startRealProxy(t);
  const pod = podAt('127.0.0.1');
  const { proxies, watcher, reaches } = startProxies(t, {
    port: proxy.port,
    timing: { interval: 20, retry: { first: 5, most: 20 } },
  });
  proxies.program(pod, wishOf(service(await freePort(), {})));
  await reaches(pod.uid, 'programmed');
  const wished = (await proxy.client.config()).body;
  await proxy.kill();
  await reaches(pod.uid, 'unreachable');
  await proxy.restart();
  await reaches(pod.uid, 'programmed');
  assert.deepEqual((await proxy.client.config()).body, wished);
  await proxies.close();

  const patient = startProxies(t, { port: proxy.port });
  patient.proxies.program(pod, wishOf(service(0, {})));
  await until(() => patient.watcher.calls.length > 0, 'it is asked');
  const wish = wishOf(service(await freePort(), {}));
  patient.proxies.program(pod, wish);
  await patient.reaches(pod.uid, 'programmed');
  await proxy.restart();
  const reads = patient.watcher.count('read');
  patient.proxies.program({ ...pod, incarnation: '2' }, wish);
  await patient.reaches(pod.uid, 'programmed');
  assert.equal(patient.watcher.count('read'), reads + 1);
  assert.ok((await oursOf(proxy.client)).includes(listenerName));
  assert.deepEqual(
    watcher.repairs.filter(({ cause }) => cause === 'changed'),
    [],
  );
});

test('a proxy that was started again between two looks is told from one that was changed', async (t) => {
  const proxy = await startRealProxy(t);
  const pod = podAt('127.0.0.1');
  const { proxies, watcher, reaches } = startProxies(t, { port: proxy.port, timing: { interval: 2000 } });
  proxies.program(pod, wishOf(service(await freePort(), {})));
  await reaches(pod.uid, 'programmed');
  await proxy.restart();
  await until(() => watcher.repairs.length > 0 || watcher.failures.length > 0, 'it has looked');
  await until(async () => (await oursOf(proxy.client)).includes(listenerName), 'it is as wished');
  if (watcher.failures.length === 0) assert.equal(watcher.repairs[0]?.cause, 'restarted');
});

test('what a change of the whole has changed is not taken for what had been the same', async (t) => {
  const proxy = await startRealProxy(t);
  const pod = podAt('127.0.0.1');
  const { proxies, reaches } = startProxies(t, { port: proxy.port, timing: { interval: 20 } });
  const name = `${cluster}/10.0.0.1`;
  // So many that they are changed with their cluster.
  const addresses = Array.from({ length: 6 }, (_, n) => `10.0.0.${n + 1}`);
  const endpoint = (weight: number) =>
    Object.fromEntries(addresses.map((address) => [`${cluster}/${address}`, { spec: { address }, weight }]));
  const written = service(await freePort(), endpoint(1));
  proxies.program(pod, wishOf(written));
  await reaches(pod.uid, 'programmed');
  const echoes = Array.from({ length: 10 }, (_, n) => [at('Target', `echo-${n}`), { spec: { protocol: 'Echo' } }]);
  const drained = { [cluster]: { spec: { protocol: 'UDP', port: 9 }, endpoints: endpoint(0) } };
  proxies.program(pod, wishOf({ ...written, clusters: { ...drained, ...Object.fromEntries(echoes) } }));
  await reaches(pod.uid, 'programmed');
  const weight = async () => (await proxy.client.get('/endpoints/{name}', { params: { name } })).body.weight;
  assert.equal(await weight(), 0);
  await proxy.client.put('/endpoints/{name}', {
    params: { name },
    body: { endpoint: { spec: { address: '10.0.0.1' } } },
  });
  await until(async () => (await weight()) === 0, 'the weight is as wished');
});

test('where the first endpoint takes all, their order is kept', async (t) => {
  const proxy = await startRealProxy(t);
  const pod = podAt('127.0.0.1');
  const { proxies, watcher, reaches } = startProxies(t, { port: proxy.port });
  const port = await freePort();
  const name = (n: number) => `${cluster}/10.0.0.${n}`;
  const endpoints = (...all: number[]) =>
    Object.fromEntries(all.map((n) => [name(n), { spec: { address: `10.0.0.${n}` } }]));
  for (const order of [
    [2, 3],
    [1, 2, 3],
    [3, 1],
    [3, 1, 2],
  ]) {
    proxies.program(pod, wishOf(service(port, endpoints(...order))));
    await reaches(pod.uid, 'programmed');
    const names = (await endpointsOf(proxy.client)).map(({ name }) => name);
    assert.deepEqual(names, order.map(name));
  }
  // The last one comes last by itself.
  assert.deepEqual(watcher.work.slice(-1), ['put']);
});

test('ports go from one listener to another, and two are exchanged', async (t) => {
  const proxy = await startRealProxy(t);
  const pod = podAt('127.0.0.1');
  const { proxies, reaches } = startProxies(t, { port: proxy.port });
  const [a, b, c] = await Promise.all([freePort(), freePort(), freePort()]);
  const listeners = (ports: Readonly<Record<string, number>>) => ({
    listeners: Object.fromEntries(
      Object.entries(ports).map(([name, port]) => [
        at('VirtualService', name),
        { spec: { protocol: 'TCP', port, ...local }, rules: at('RuleList', 'none') },
      ]),
    ),
  });
  for (const ports of [
    { x: a, y: b },
    { x: b, y: a },
    { y: a, z: b },
    { y: b, z: c },
    { w: b, z: c },
  ]) {
    proxies.program(pod, wishOf(listeners(ports as Record<string, number>)));
    await reaches(pod.uid, 'programmed');
    const { body } = await proxy.client.config();
    const there = body.listeners?.slice(1).map(({ name, spec }) => [name, (spec as { port: number }).port]);
    const wished = Object.entries(ports).map(([name, port]) => [at('VirtualService', name), port]);
    assert.deepEqual(Object.fromEntries(there ?? []), Object.fromEntries(wished));
  }
});

test('a change in place is not noticed by a live UDP session', async (t) => {
  const proxy = await startRealProxy(t);
  const pod = podAt('127.0.0.1');
  const { proxies, watcher, reaches } = startProxies(t, { port: proxy.port });
  const port = await freePort();
  const [first, second] = [await UdpPeer.echo(t), await UdpPeer.echo(t)];
  const endpoint = (peer: UdpPeer, weight: number) => ({
    [`${cluster}/${peer.port}`]: { spec: { address: '127.0.0.1', port: peer.port }, weight },
  });
  proxies.program(pod, wishOf(service(port, endpoint(first, 1))));
  await reaches(pod.uid, 'programmed');
  const client = await UdpPeer.to(t, port);
  // Its pod is still there, and so are its sessions.
  const drained = { ...endpoint(first, 0), ...endpoint(second, 1) };
  const wishes = [
    service(port, { ...endpoint(first, 1), ...endpoint(second, 1) }),
    service(port, drained),
    service(port, drained, { loadbalancer: { policy: 'RoundRobin' } }),
    service(port, drained, { options: { idle_timeout: 30_000 } }),
    {
      ...service(port, drained),
      rules: { [at('Rule', 'web')]: { match: { op: 'defined', path: '/UDP' }, action: { route: at('Route', 'web') } } },
    },
  ];
  const echoes = Array.from({ length: 10 }, (_, n) => [at('Target', `echo-${n}`), { spec: { protocol: 'Echo' } }]);
  const last = service(port, drained);
  wishes.push({ ...last, clusters: { ...last.clusters, ...Object.fromEntries(echoes) } });
  const rounds = 20;
  for (const [n, written] of wishes.entries()) {
    const before = watcher.work.length;
    proxies.program(pod, wishOf(written));
    for (let round = 0; round < rounds; round++) await client.roundTrip(`${n}-${round}`);
    await reaches(pod.uid, 'programmed');
    assert.ok(watcher.work.length > before);
  }
  assert.equal(watcher.count('replace'), 1);
  assert.equal(first.received, wishes.length * rounds, 'every datagram has come to where the session began');
  assert.equal(second.received, 0);
});

test('names of the Gateway API’s objects are ours, in full length too', async (t) => {
  const proxy = await startRealProxy(t);
  const pod = podAt('127.0.0.1');
  const { proxies, watcher, reaches } = startProxies(t, { port: proxy.port });
  const long = `/l7mp.io/v1/Target/${'n'.repeat(253)}/${'é%/?#'.repeat(100)}`;
  const names = [gateway, long, at('Target', 'a%2Fb')];
  proxies.program(
    pod,
    wishOf({ clusters: Object.fromEntries(names.map((name) => [name, { spec: { protocol: 'Echo' } }])) }),
  );
  await reaches(pod.uid, 'programmed');
  assert.deepEqual(namesOf((await proxy.client.config()).body, 'clusters'), names);
  proxies.program(pod, wishOf({}));
  await until(() => watcher.count('delete') === 3, 'they are deleted');
  await reaches(pod.uid, 'programmed');
  assert.equal((await proxy.client.config()).body.clusters, undefined);
});
