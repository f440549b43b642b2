/** What real proxies will not have, or not from us. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { freePort } from '../../../../src/testing/ports.ts';
import { until } from '../../../../src/testing/until.ts';
import { podAt, startProxies, startRealProxy, wishOf } from '../../testing/proxies.ts';
import { at, cluster, listenerName, local, oursOf, service } from '../../testing/service.ts';

for (const many of [false, true]) {
  test(`an object that is refused harms no other, and is tried again (${many ? 'many' : 'few'} others)`, async (t) => {
    const proxy = await startRealProxy(t);
    const pod = podAt('127.0.0.1');
    const timing = { refused: { first: 30, most: 100 }, interval: 60_000 };
    const { proxies, watcher, reaches } = startProxies(t, { port: proxy.port, timing });
    const [port, taken] = await Promise.all([freePort(), freePort()]);
    const rules = at('RuleList', 'web');
    const blocker = { name: 'blocker', spec: { protocol: 'TCP' as const, port: taken, ...local }, rules };
    await proxy.client.post('/listeners', { body: { listener: blocker } });
    const wished = service(port, {});
    const more = Object.fromEntries(
      Array.from({ length: many ? 20 : 0 }, (_, n) => [at('Target', `t${n}`), { spec: { protocol: 'Echo' } }]),
    );
    const bad = {
      clusters: { ...wished.clusters, ...more, [at('Target', 'bad')]: { spec: { protocol: 'Nonsense' } } },
      listeners: {
        [at('VirtualService', 'taken')]: { spec: { protocol: 'TCP', port: taken, ...local }, rules },
        ...wished.listeners,
      },
    };
    proxies.program(pod, wishOf({ ...wished, ...bad }));
    await reaches(pod.uid, 'refused');
    const state = proxies.state(pod.uid);
    assert.ok(state?.state === 'refused');
    assert.deepEqual([...state.objects.keys()].sort(), [at('Target', 'bad'), at('VirtualService', 'taken')]);
    assert.match(state.objects.get(at('Target', 'bad')) ?? '', /"Nonsense" is no protocol/);
    assert.match(state.objects.get(at('VirtualService', 'taken')) ?? '', /the address is in use/);
    assert.ok((await oursOf(proxy.client)).includes(listenerName));
    await proxy.client.delete('/listeners/{name}', { params: { name: 'blocker' } });
    await until(async () => (await oursOf(proxy.client)).includes(at('VirtualService', 'taken')), 'the port is had');
    proxies.program(pod, wishOf({ ...wished, ...bad, clusters: { ...wished.clusters, ...more } }));
    await reaches(pod.uid, 'programmed');
    assert.ok(!(await oursOf(proxy.client)).includes(at('Target', 'bad')));
    assert.ok(watcher.calls.length < 200);
  });
}

test('what is refused is tried at once when it is wished otherwise; endpoints of what is not there are no calls', async (t) => {
  const proxy = await startRealProxy(t);
  const pod = podAt('127.0.0.1');
  const { proxies, watcher, reaches } = startProxies(t, {
    port: proxy.port,
    timing: { refused: { first: 60_000, most: 60_000 } },
  });
  const endpoints = { [`${cluster}/1`]: { spec: { address: '10.0.0.1' } } };
  const bad = { spec: { protocol: 'UDP', port: 70_000 } };
  proxies.program(pod, wishOf({ clusters: { [cluster]: bad } }));
  await reaches(pod.uid, 'refused');
  assert.equal(watcher.count('put'), 1);
  proxies.program(pod, wishOf({ clusters: { [cluster]: { ...bad, endpoints } } }));
  await until(() => watcher.count('put') === 2, 'it is tried again');
  await reaches(pod.uid, 'refused');
  proxies.program(pod, wishOf({ clusters: { [cluster]: { spec: { protocol: 'UDP', port: 7 }, endpoints } } }));
  await reaches(pod.uid, 'programmed');
  assert.deepEqual(watcher.work, ['read', 'put', 'put', 'put']);
});

for (const limit of [2048, 1 << 20]) {
  test(`what is too long for one body is sent in single ones (${limit} bytes)`, async (t) => {
    const proxy = await startRealProxy(t, { admin: { body_limit: limit } });
    const pod = podAt('127.0.0.1');
    const { proxies, watcher, reaches } = startProxies(t, { port: proxy.port });
    const prefix = 'x'.repeat(limit / 20);
    const logger = (n: number) => [
      at('Target', `t${n}`),
      { spec: { protocol: 'Logger', log_prefix: `${prefix}${n}` } },
    ];
    const clusters = Object.fromEntries(Array.from({ length: 25 }, (_, n) => logger(n)));
    proxies.program(pod, wishOf({ clusters }));
    await reaches(pod.uid, 'programmed');
    assert.deepEqual(watcher.work, ['read', 'replace', ...Object.keys(clusters).map(() => 'put')]);
    assert.deepEqual(await oursOf(proxy.client), Object.keys(clusters));
  });
}

test('a proxy that asks for a token is unreachable without, and gets it from the file as it is then', async (t) => {
  const token = 'a'.repeat(32);
  const proxy = await startRealProxy(t, { admin: { auth: { tokens: [{ name: 'operator', token, role: 'admin' }] } } });
  const pod = podAt('127.0.0.1');
  let held = 'b'.repeat(32);
  const timing = { retry: { first: 5, most: 20 } };
  const { proxies, reaches } = startProxies(t, { port: proxy.port, token: () => held, timing });
  proxies.program(pod, wishOf(service(await freePort(), {})));
  await reaches(pod.uid, 'unreachable');
  const state = proxies.state(pod.uid);
  assert.match(state?.state === 'unreachable' ? state.message : '', / 401 /);
  held = token;
  await reaches(pod.uid, 'programmed');
});

test('a token that may only read makes a proxy unreachable, and is not asked for each object', async (t) => {
  const token = 'a'.repeat(32);
  const proxy = await startRealProxy(t, { admin: { auth: { tokens: [{ name: 'operator', token, role: 'reader' }] } } });
  const pod = podAt('127.0.0.1');
  const { proxies, watcher, reaches } = startProxies(t, { port: proxy.port, token: () => token });
  proxies.program(pod, wishOf(service(await freePort(), {})));
  await reaches(pod.uid, 'unreachable');
  assert.deepEqual(watcher.work, ['read', 'put']);
});
