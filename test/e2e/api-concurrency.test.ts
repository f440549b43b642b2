import assert from 'node:assert/strict';
import { test } from 'node:test';
import { freePort } from '../../src/testing/ports.ts';
import { configOf, names } from '../support/config.ts';
import { startProxy } from '../support/proxy.ts';

const HOST = '127.0.0.1';
const UDP = { protocol: 'UDP', port: 7 };

const times = <T>(n: number, make: (n: number) => Promise<T>): Promise<T[]> =>
  Promise.all(Array.from({ length: n }, (_, i) => make(i)));

test('of many requests for one name one wins, and the others are told that it is taken', async (t) => {
  const { proxy } = await startProxy(t, [], () => ({}));
  const port = await freePort();
  const bodies: Record<string, (n: number) => object> = {
    clusters: (n) => ({ cluster: { name: 'x', spec: UDP, endpoints: [{ spec: { address: `a${n}` } }] } }),
    routes: (n) => ({ route: { name: 'x', destination: { spec: { ...UDP, port: n + 1 } } } }),
    rules: () => ({ rule: { name: 'x', action: { route: { destination: { spec: UDP } } } } }),
    rulelists: () => ({ rulelist: { name: 'x', rules: [{ action: { apply: 'x' } }] } }),
    listeners: (n) => ({
      listener: {
        name: 'x',
        spec: { protocol: 'TCP', port, address: HOST },
        rules: n % 2 ? 'x' : [{ action: { apply: 'x' } }],
      },
    }),
  };
  for (const [path, bodyOf] of Object.entries(bodies)) {
    const answers = await times(50, (n) => proxy.api('POST', path, bodyOf(n)));
    assert.equal(answers.filter(({ status }) => status === 200).length, 1, path);
    const lost = answers.filter(({ status }) => status !== 200);
    for (const { status, body } of lost)
      assert.deepEqual(
        [status, body.content],
        [400, `/${path.slice(0, -1)}/name: there is a ${path.slice(0, -1)} named "x" already`],
      );
  }
  const { clusters, rules, endpoints } = await configOf(proxy);
  // Nothing of those that lost is left: no inline cluster, no rule, no endpoint.
  assert.equal(clusters.length, 4);
  assert.ok(rules.length <= 4);
  assert.deepEqual(names(endpoints), ['x-EndPoint-0']);
});

test('of many listeners on one port one wins', async (t) => {
  const { proxy } = await startProxy(t, [], () => ({}));
  for (const protocol of ['TCP', 'UDP', 'HTTP']) {
    const spec = { protocol, port: await freePort(), address: HOST };
    const answers = await times(20, (n) =>
      proxy.api('POST', 'listeners', { listener: { name: `${protocol}-${n}`, spec, rules: [] } }),
    );
    assert.equal(answers.filter(({ status }) => status === 200).length, 1, protocol);
  }
  assert.equal((await proxy.ok('GET', 'listeners')).length, 4);
  assert.equal((await proxy.ok('GET', 'rulelists')).length, 4);
});

test('changes that cross each other leave what some order of them would have left', async (t) => {
  const { proxy } = await startProxy(t, [], () => ({
    clusters: [{ name: 'c', spec: UDP }],
    rulelists: [{ name: 'list', rules: [] }],
  }));
  await times(40, async (n) => {
    const name = `r${n}`;
    await proxy.ok('POST', 'rulelists/list/rules/0', { rule: { name, action: { apply: 'x' } } });
    if (n % 2) await proxy.ok('DELETE', `rulelists/list/rules/${name}`);
  });
  const kept = Array.from({ length: 20 }, (_, n) => `r${2 * n}`).sort();
  assert.deepEqual((await proxy.ok('GET', 'rulelists/list')).rules.toSorted(), kept);
  assert.deepEqual(
    names(await proxy.ok('GET', 'rules'))
      .filter((name) => /^r\d/.test(name))
      .sort(),
    kept,
  );

  await times(40, async (n) => {
    await proxy.ok('POST', 'clusters/c/endpoints', { endpoint: { name: `e${n}`, spec: { address: 'x' } } });
    if (n % 2) await proxy.ok('DELETE', `endpoints/e${n}`);
  });
  assert.equal((await proxy.ok('GET', 'clusters/c')).endpoints, 20);
  assert.equal((await proxy.ok('GET', 'clusters/c/endpoints')).length, 20);
});

test('adding and deleting one listener again and again never leaves its port taken', async (t) => {
  const { proxy } = await startProxy(t, [], () => ({}));
  const before = await configOf(proxy);
  const spec = { protocol: 'TCP', port: await freePort(), address: HOST };
  const listener = { name: 'l', spec, rules: [{ action: { route: { destination: { spec: { protocol: 'Echo' } } } } }] };
  const answers = await times(60, (n) =>
    n % 2 ? proxy.api('DELETE', 'listeners/l?recursive=true') : proxy.api('POST', 'listeners', { listener }),
  );
  for (const { status, body } of answers) {
    if (status !== 200)
      assert.match(body.content, /there is a listener named "l" already|there is no listener named "l"/);
  }
  await proxy.api('DELETE', 'listeners/l?recursive=true');
  await proxy.ok('POST', 'listeners', { listener });
  await proxy.ok('DELETE', 'listeners/l?recursive=true');
  assert.deepEqual(await configOf(proxy), before);
});

test('a configuration that is being loaded is read whole, or not at all', async (t) => {
  const { proxy } = await startProxy(t, [], () => ({}));
  const before = (await proxy.ok('GET', 'listeners')).length;
  const free: number[] = [];
  for (let n = 0; n < 40; n++) free.push(await freePort());
  const listeners = free.map((port, n) => ({
    name: `l${n}`,
    spec: { protocol: 'TCP', port, address: HOST },
    rules: [],
  }));
  // The last one cannot be: the others are undone.
  const taken = [...listeners.slice(1), { name: 'again', spec: listeners[1]?.spec, rules: [] }];
  const seen: Promise<object[]>[] = [];
  for (const config of [{ listeners: taken }, { listeners }]) {
    let loaded = false;
    const loading = proxy.api('POST', 'config', config).then(() => {
      loaded = true;
    });
    while (!loaded) {
      seen.push(proxy.ok('GET', 'listeners'));
      await Promise.race([loading, seen.at(-1)]);
    }
  }
  const counts = new Set((await Promise.all(seen)).map(({ length }) => length - before));
  assert.deepEqual(
    [...counts].filter((count) => count !== 0 && count !== 40),
    [],
  );
});
