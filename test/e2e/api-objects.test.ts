import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { freePort } from '../../src/testing/ports.ts';
import { configOf, names, refused } from '../support/config.ts';
import { request, startProxy, type TestProxy } from '../support/proxy.ts';

const UDP = { protocol: 'UDP', port: 7 };
const ECHO = { spec: { protocol: 'Echo' } };

const start = async (t: TestContext, config: object = {}): Promise<TestProxy> =>
  (await startProxy(t, [], () => config)).proxy;

/** A listener of which a test only looks at the rules, or asks one request. */
async function addWeb(proxy: TestProxy, name: string, rules: unknown): Promise<number> {
  const port = await freePort();
  await proxy.ok('POST', 'listeners', {
    listener: {
      name,
      spec: { protocol: 'HTTP', port, address: '127.0.0.1' },
      rules,
      options: { verbose_errors: true },
    },
  });
  return port;
}

const post = (port: number, text: string) => request({ port, method: 'POST', path: '/' }, text);

// -------------------------------------------------------------------- names

test('what is written inline becomes objects with automatic names', async (t) => {
  const proxy = await start(t);
  const endpoints = [{ spec: { address: 'a' } }, { spec: { address: 'b' } }];
  const route = {
    destination: { spec: UDP, endpoints },
    ingress: ['x', { spec: { protocol: 'Logger' } }],
    egress: [{ spec: { protocol: 'Discard' } }],
  };
  await addWeb(proxy, 'l', [{ action: { apply: 'other' } }, { action: { route } }]);
  assert.equal((await proxy.ok('GET', 'listeners/l')).rules, 'l-RuleList-0');
  assert.deepEqual((await proxy.ok('GET', 'rulelists/l-RuleList-0')).rules, [
    'l-RuleList-0-Rule-0',
    'l-RuleList-0-Rule-1',
  ]);
  const { action } = await proxy.ok('GET', 'rules/l-RuleList-0-Rule-1');
  assert.equal(action.route, 'l-RuleList-0-Rule-1-Route-0');
  const read = await proxy.ok('GET', `routes/${action.route}`);
  assert.equal(read.destination, `${action.route}-Cluster-0`);
  assert.deepEqual(read.ingress, ['x', `${action.route}-ingress-Cluster-1`]);
  assert.deepEqual(read.egress, [`${action.route}-egress-Cluster-0`]);
  const inCluster = await proxy.ok('GET', `clusters/${read.destination}/endpoints`);
  assert.deepEqual(names(inCluster), [`${read.destination}-EndPoint-0`, `${read.destination}-EndPoint-1`]);
});

test('an automatic name that is taken gets _1, _2, …', async (t) => {
  const proxy = await start(t, {
    rulelists: [
      { name: 'l-RuleList-0', rules: [] },
      { name: 'l-RuleList-0_1', rules: [] },
    ],
  });
  await addWeb(proxy, 'l', []);
  assert.equal((await proxy.ok('GET', 'listeners/l')).rules, 'l-RuleList-0_2');
  await proxy.ok('POST', 'rulelists', { rulelist: { name: 'r', rules: [] } });
  for (let n = 0; n < 3; n++) await proxy.ok('POST', 'rulelists/r/rules/0', { rule: { action: { apply: 'x' } } });
  assert.deepEqual((await proxy.ok('GET', 'rulelists/r')).rules, ['r-Rule-0_2', 'r-Rule-0_1', 'r-Rule-0']);
  await proxy.ok('POST', 'clusters', { cluster: { name: 'c', spec: UDP } });
  const add = () => proxy.ok('POST', 'clusters/c/endpoints', { endpoint: { spec: { address: 'x' } } });
  await add();
  await add();
  await proxy.ok('DELETE', 'endpoints/c-EndPoint-0');
  await add();
  assert.deepEqual(names(await proxy.ok('GET', 'clusters/c/endpoints')), ['c-EndPoint-1', 'c-EndPoint-1_1']);
});

test('names with slashes and other odd ones work in bodies and, encoded, in paths', async (t) => {
  const proxy = await start(t);
  const odd = [
    '/l7mp.io/v1/Target/default/x',
    'a?b#c',
    '100%',
    '%2F',
    'ä€😀',
    '..',
    '"',
    '\\',
    '<b>&',
    'a\u0000b',
    '-',
    '0',
  ];
  for (const name of odd) {
    const path = encodeURIComponent(name).replaceAll('.', '%2E');
    await proxy.ok('POST', 'clusters', { cluster: { name, spec: UDP, endpoints: [{ name, spec: { address: 'x' } }] } });
    assert.equal((await proxy.ok('GET', `clusters/${path}`)).name, name);
    assert.deepEqual(names(await proxy.ok('GET', `clusters/${path}/endpoints`)), [name]);
    await proxy.ok('POST', 'routes', { route: { name, destination: name } });
    assert.equal((await proxy.ok('GET', `routes/${path}?recursive=true`)).destination.name, name);
    await proxy.ok('DELETE', `routes/${path}`);
    await proxy.ok('DELETE', `clusters/${path}`);
  }
  assert.deepEqual(names(await proxy.ok('GET', 'clusters')), ['l7mp-controller']);
});

test('names such as __proto__ are names like others', async (t) => {
  const proxy = await start(t);
  for (const name of ['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'prototype', 'valueOf']) {
    await refused(proxy, 404, 'GET', `clusters/${name}`);
    await refused(proxy, 404, 'DELETE', `rules/${name}`);
    const port = await addWeb(proxy, name, {
      name,
      rules: [{ name, action: { route: { name, destination: { name, ...ECHO } } } }],
    });
    assert.equal((await post(port, 'hello')).text, 'hello', name);
    const read = await proxy.ok('GET', `listeners/${name}?recursive=true`);
    assert.equal(read.rules[0].action.route.destination.name, name);
    await proxy.ok('DELETE', `listeners/${name}?recursive=true`);
    await refused(proxy, 404, 'GET', `clusters/${name}`);
  }
  assert.equal(({} as { polluted?: unknown }).polluted, undefined);
});

test('one name can be of one object of each kind', async (t) => {
  const proxy = await start(t);
  await addWeb(proxy, 'x', {
    name: 'x',
    rules: [
      {
        name: 'x',
        action: {
          route: {
            name: 'x',
            destination: { name: 'x', spec: UDP, endpoints: [{ name: 'x', spec: { address: 'x' } }] },
          },
        },
      },
    ],
  });
  for (const kind of ['listeners', 'rulelists', 'rules', 'routes', 'clusters', 'endpoints']) {
    assert.equal((await proxy.ok('GET', `${kind}/x`)).name, 'x');
  }
});

// -------------------------------------------------------------------- inline or by name

test('wherever a name is accepted, an inline definition is', async (t) => {
  const proxy = await start(t, {
    clusters: [{ name: 'echo', ...ECHO }],
    routes: [{ name: 'route', destination: 'echo' }],
    rules: [{ name: 'rule', action: { route: 'route' } }],
    rulelists: [{ name: 'list', rules: ['rule'] }],
  });
  const variants: unknown[] = [
    'list',
    ['rule'],
    [{ action: { route: 'route' } }],
    [{ action: { route: { destination: 'echo' } } }],
    [{ action: { route: { cluster: 'echo' } } }],
    [{ action: { route: { destination: ECHO } } }],
    [{ action: { route: { destination: ECHO, ingress: [ECHO, 'echo'], egress: ['echo', ECHO] } } }],
    { rules: ['rule'] },
    { rules: [{ action: { route: { destination: ECHO } } }] },
    {
      name: 'named',
      rules: [{ name: 'named', action: { route: { name: 'named', destination: { name: 'named', ...ECHO } } } }],
    },
    ['gone', 'rule'],
    [{ match: '*', action: { route: 'route' } }],
    [{ match: { match: '*' }, action: { apply: 'list' } }],
  ];
  for (const [n, rules] of variants.entries()) {
    const port = await addWeb(proxy, `l${n}`, rules);
    const { status, text } = await post(port, 'hello');
    assert.deepEqual([status, text], [200, 'hello'], JSON.stringify(rules));
  }
  assert.equal((await proxy.ok('GET', 'listeners/l9')).rules, 'named');
});

test('a rule without a match, and any text for one, matches everything and reads as *', async (t) => {
  const proxy = await start(t);
  for (const [n, match] of [undefined, '*', 'anything', { match: '*' }, { match: 'x' }].entries()) {
    await proxy.ok('POST', 'rules', { rule: { name: `r${n}`, match, action: { apply: 'x' } } });
    assert.deepEqual((await proxy.ok('GET', `rules/r${n}`)).match, { match: '*' });
  }
});

// -------------------------------------------------------------------- late binding

test('what is referred to may come later, go, and come again', async (t) => {
  const proxy = await start(t);
  const port = await addWeb(proxy, 'l', 'list');
  const objects: [string, { name: string } & Record<string, unknown>, RegExp][] = [
    ['rulelist', { name: 'list', rules: ['rule'] }, /there is no rulelist list/],
    ['rule', { name: 'rule', action: { route: 'route' } }, /no rule of list matches/],
    ['route', { name: 'route', destination: 'cluster' }, /there is no route route/],
    ['cluster', { name: 'cluster', ...ECHO }, /there is no cluster cluster/],
  ];
  for (const [kind, object, missing] of objects) {
    const answer = await post(port, 'x');
    assert.deepEqual([answer.status, answer.body.status], [404, 404]);
    assert.match(answer.body.content, missing);
    await proxy.ok('POST', `${kind}s`, { [kind]: object });
  }
  assert.equal((await post(port, 'hello')).text, 'hello');
  for (const [kind, object, missing] of objects) {
    await proxy.ok('DELETE', `${kind}s/${object.name}`);
    assert.match((await post(port, 'x')).body.content, missing);
    await proxy.ok('POST', `${kind}s`, { [kind]: object });
    assert.equal((await post(port, 'hello')).text, 'hello');
  }
});

test('a reference that leads nowhere reads <name>:<STALE> in a recursive read, and as the name in another', async (t) => {
  const proxy = await start(t, {
    rules: [
      { name: 'lost', action: { route: 'no-route' } },
      { name: 'led', action: { route: 'route' } },
    ],
    routes: [{ name: 'route', destination: 'no-cluster', ingress: ['no-ingress'], egress: ['no-egress'] }],
    rulelists: [{ name: 'list', rules: ['no-rule', 'lost', 'led'] }],
  });
  await addWeb(proxy, 'l', 'no-list');
  await addWeb(proxy, 'm', 'list');
  assert.equal((await proxy.ok('GET', 'listeners/l')).rules, 'no-list');
  assert.equal((await proxy.ok('GET', 'listeners/l?recursive=true')).rules, 'no-list:<STALE>');
  const [rule, lost, led] = (await proxy.ok('GET', 'listeners/m?recursive=true')).rules;
  assert.equal(rule, 'no-rule:<STALE>');
  assert.equal(lost.action.route, 'no-route:<STALE>');
  assert.equal(led.action.route.destination, 'no-cluster:<STALE>');
  assert.deepEqual(led.action.route.ingress, ['no-ingress:<STALE>']);
  assert.deepEqual(led.action.route.egress, ['no-egress:<STALE>']);
  assert.deepEqual((await proxy.ok('GET', 'rulelists/list')).rules, ['no-rule', 'lost', 'led']);
  assert.equal((await proxy.ok('GET', 'config?recursive=true')).routes[0].destination, 'no-cluster:<STALE>');
});

test('a recursive read has everything that is referred to, at every level', async (t) => {
  const proxy = await start(t, {
    clusters: [{ name: 'c', spec: UDP, endpoints: [{ name: 'e', spec: { address: 'x' } }] }],
    routes: [{ name: 'ro', destination: 'c' }],
    rules: [{ name: 'ru', action: { route: 'ro' } }],
    rulelists: [{ name: 'rl', rules: ['ru'] }],
  });
  await addWeb(proxy, 'l', 'rl');
  const cluster = await proxy.ok('GET', 'clusters/c?recursive=true');
  assert.deepEqual(cluster.endpoints, [{ name: 'e', spec: { address: 'x' }, weight: 1 }]);
  const route = await proxy.ok('GET', 'routes/ro?recursive=true');
  assert.deepEqual(route.destination, cluster);
  const rule = await proxy.ok('GET', 'rules/ru?recursive=true');
  assert.deepEqual(rule.action.route, route);
  const list = await proxy.ok('GET', 'rulelists/rl?recursive=true');
  assert.deepEqual(list.rules, [rule]);
  const listener = await proxy.ok('GET', 'listeners/l?recursive=true');
  assert.deepEqual(listener.rules, [rule]);
  assert.deepEqual(await proxy.ok('GET', 'rulelists/rl/rules/0?recursive=true'), rule);
  const all = await proxy.ok('GET', 'config?recursive=true');
  assert.deepEqual(all.listeners.at(-1), listener);
  assert.deepEqual(all.clusters[0], cluster);
});

// -------------------------------------------------------------------- endpoints

test('endpoints are added, read and deleted by themselves, and the cluster counts them', async (t) => {
  const proxy = await start(t, { clusters: [{ name: 'c', spec: UDP, endpoints: [{ spec: { address: 'a' } }] }] });
  const count = async (): Promise<number> => (await proxy.ok('GET', 'clusters/c')).endpoints;
  assert.equal(await count(), 1);
  await proxy.ok('POST', 'clusters/c/endpoints', { endpoint: { name: 'e', spec: { address: 'b' }, weight: 0 } });
  await proxy.ok('POST', 'clusters/c/endpoints', { endpoint: { spec: { address: 'c', weight: 9 } } });
  assert.equal(await count(), 3);
  assert.deepEqual(await proxy.ok('GET', 'endpoints/e'), { name: 'e', spec: { address: 'b' }, weight: 0 });
  assert.deepEqual(await proxy.ok('GET', 'clusters/c/endpoints'), [
    { name: 'c-EndPoint-0', spec: { address: 'a' }, weight: 1 },
    { name: 'e', spec: { address: 'b' }, weight: 0 },
    { name: 'c-EndPoint-2', spec: { address: 'c' }, weight: 9 },
  ]);
  await proxy.ok('DELETE', 'endpoints/c-EndPoint-0');
  assert.equal(await count(), 2);
});

test('a UnixDomainSocket cluster with a filename has an endpoint there, unless it is given others', async (t) => {
  const spec = { protocol: 'UnixDomainSocket', filename: '/run/x.sock' };
  const proxy = await start(t, {
    clusters: [
      { name: 'own', spec },
      { name: 'others', spec, endpoints: [{ spec: { address: '/run/y.sock' } }] },
    ],
  });
  const addresses = async (name: string) =>
    (await proxy.ok('GET', `clusters/${name}/endpoints`)).map((e: { spec: object }) => e.spec);
  assert.deepEqual(await addresses('own'), [{ address: '/run/x.sock' }]);
  assert.deepEqual(await addresses('others'), [{ address: '/run/y.sock' }]);
});

// -------------------------------------------------------------------- rulelist positions

const rule = (name: string): object => ({ name, action: { apply: 'x' } });
const list = (...rules: string[]) => ({ rules: rules.map(rule), rulelists: [{ name: 'list', rules }] });

test('a rule is inserted at the start, in the middle and at the end of a rulelist', async (t) => {
  const proxy = await start(t, { ...list('a', 'b'), rules: ['a', 'b', 'c'].map(rule) });
  const insert = (position: number, value: unknown) =>
    proxy.ok('POST', `rulelists/list/rules/${position}`, { rule: value });
  const rules = async (): Promise<string[]> => (await proxy.ok('GET', 'rulelists/list')).rules;
  await insert(0, 'c');
  assert.deepEqual(await rules(), ['c', 'a', 'b']);
  await insert(1, rule('d'));
  assert.deepEqual(await rules(), ['c', 'd', 'a', 'b']);
  await insert(4, { match: '*', action: { route: { destination: ECHO } } });
  assert.deepEqual(await rules(), ['c', 'd', 'a', 'b', 'list-Rule-4']);
  await insert(5, 'comes-later');
  assert.equal((await rules()).at(-1), 'comes-later');
  assert.equal((await proxy.ok('GET', 'rulelists/list/rules/1')).name, 'd');
  assert.equal((await proxy.ok('GET', 'rulelists/list/rules/list-Rule-4')).name, 'list-Rule-4');
});

test('a rule is inserted at no position outside of the rulelist, and none is found there', async (t) => {
  const proxy = await start(t, list('a', 'b'));
  for (const position of [3, 1000, 999_999_999]) {
    assert.match(
      await refused(proxy, 400, 'POST', `rulelists/list/rules/${position}`, { rule: rule('x') }),
      /outside rulelist list/,
    );
  }
  for (const position of ['-1', '1.5', '1e0', 'x', '%20', '0x1', '99999999999999999999']) {
    assert.match(
      await refused(proxy, 400, 'POST', `rulelists/list/rules/${position}`, { rule: rule('x') }),
      /is no position/,
    );
  }
  for (const position of ['2', 'nix', '-1', 'constructor']) {
    await refused(proxy, 404, 'GET', `rulelists/list/rules/${position}`);
    await refused(proxy, 404, 'DELETE', `rulelists/list/rules/${position}`);
  }
});

test('deleting from a rulelist, by position or by name, deletes the rule itself', async (t) => {
  const proxy = await start(t, list('a', 'b', 'c', 'd'));
  const rules = async (): Promise<string[]> => (await proxy.ok('GET', 'rulelists/list')).rules;
  await proxy.ok('DELETE', 'rulelists/list/rules/1');
  assert.deepEqual(await rules(), ['a', 'c', 'd']);
  await proxy.ok('DELETE', 'rulelists/list/rules/d');
  assert.deepEqual(await rules(), ['a', 'c']);
  await proxy.ok('DELETE', 'rulelists/list/rules/0');
  assert.deepEqual(names(await proxy.ok('GET', 'rules')), ['c', 'controller-RuleList-0-Rule-0']);
  assert.deepEqual(await rules(), ['c']);
});

test('deleting from a rulelist takes along what was written inline in the rule only if recursive', async (t) => {
  const proxy = await start(t, { rulelists: [{ name: 'list', rules: [] }] });
  const add = () =>
    proxy.ok('POST', 'rulelists/list/rules/0', {
      rule: { name: 'r', action: { route: { name: 'ro', destination: { name: 'c', ...ECHO } } } },
    });
  await add();
  await proxy.ok('DELETE', 'rulelists/list/rules/0?recursive=true');
  await add();
  await proxy.ok('DELETE', 'rulelists/list/rules/r');
  assert.equal((await proxy.ok('GET', 'routes/ro')).destination, 'c');
});

test('deleting from a rulelist leaves a rule that is inline in another one, and one that is named elsewhere', async (t) => {
  const proxy = await start(t, {
    rules: [rule('named'), rule('twice')],
    rulelists: [
      { name: 'owner', rules: [rule('inline'), 'named'] },
      { name: 'list', rules: ['inline', 'named', 'twice', 'twice'] },
    ],
  });
  const rules = async () => names(await proxy.ok('GET', 'rules')).filter((name) => !/controller/.test(name));
  for (const name of ['inline', 'named', 'twice']) {
    await proxy.ok('DELETE', `rulelists/list/rules/${name}?recursive=true`);
  }
  assert.deepEqual((await proxy.ok('GET', 'rulelists/list')).rules, ['twice']);
  assert.deepEqual(await rules(), ['named', 'twice', 'inline']);
  await proxy.ok('DELETE', 'rulelists/list/rules/twice');
  await proxy.ok('DELETE', 'rulelists/owner/rules/inline');
  assert.deepEqual(await rules(), ['named']);
});

test('a name in a rulelist that leads nowhere can be taken out', async (t) => {
  const proxy = await start(t, { rulelists: [{ name: 'list', rules: ['gone', 'lost'] }] });
  await proxy.ok('DELETE', 'rulelists/list/rules/gone');
  await proxy.ok('DELETE', 'rulelists/list/rules/0');
  assert.deepEqual((await proxy.ok('GET', 'rulelists/list')).rules, []);
});

test('an inserted rule counts for the next session', async (t) => {
  const proxy = await start(t, { clusters: [{ name: 'echo', ...ECHO }] });
  const port = await addWeb(proxy, 'l', { name: 'list', rules: [] });
  assert.equal((await post(port, 'x')).status, 404);
  await proxy.ok('POST', 'rulelists/list/rules/0', { rule: { action: { route: { destination: 'echo' } } } });
  assert.equal((await post(port, 'hello')).text, 'hello');
  await proxy.ok('POST', 'rulelists/list/rules/0', {
    rule: { match: { op: 'test', path: '/HTTP/method', value: 'POST' }, action: { route: 'nix' } },
  });
  assert.equal((await post(port, 'x')).status, 404);
  await proxy.ok('DELETE', 'rulelists/list/rules/0');
  assert.equal((await post(port, 'hello')).text, 'hello');
});

// -------------------------------------------------------------------- round trips

test('what a recursive read of a listener gives can be posted again after a recursive deletion', async (t) => {
  const proxy = await start(t);
  await addWeb(proxy, 'l', [
    { match: { op: 'test', path: '/HTTP/method', value: 'PUT' }, action: { apply: 'x' } },
    {
      action: {
        rewrite: [{ path: '/a', value: { b: 1 } }],
        route: {
          destination: { ...ECHO, loadbalancer: { policy: 'None' } },
          ingress: [ECHO],
          retry: { num_retries: 5 },
        },
      },
    },
  ]);
  const before = await configOf(proxy);
  const listener = await proxy.ok('GET', 'listeners/l?recursive=true');
  await proxy.ok('DELETE', 'listeners/l?recursive=true');
  await proxy.ok('POST', 'listeners', { listener });
  assert.deepEqual(await proxy.ok('GET', 'listeners/l?recursive=true'), listener);
  assert.deepEqual(await configOf(proxy), before);
});

test('under another name the listener is posted again without the names of what is in it, which are taken', async (t) => {
  const proxy = await start(t);
  const port = await addWeb(proxy, 'l', [{ action: { route: { destination: ECHO } } }]);
  const listener = await proxy.ok('GET', 'listeners/l?recursive=true');
  const free = await freePort();
  const copy = { ...listener, name: 'm', spec: { ...listener.spec, port: free } };
  assert.equal(
    await refused(proxy, 400, 'POST', 'listeners', { listener: copy }),
    '/listener/rules/0/name: there is a rule named "l-RuleList-0-Rule-0" already',
  );
  const nameless = JSON.parse(JSON.stringify(copy.rules), (_key, value) => {
    if (typeof value === 'object' && value !== null) delete value.name;
    return value;
  });
  await proxy.ok('POST', 'listeners', { listener: { ...copy, rules: nameless } });
  assert.equal((await post(free, 'hello')).text, 'hello');
  assert.equal((await post(port, 'hello')).text, 'hello');
  assert.equal((await proxy.ok('GET', 'listeners/m')).rules, 'm-RuleList-0');
});

test('a recursive read that would show the same objects again and again without end is refused', async (t) => {
  const proxy = await start(t);
  const value = 'x'.repeat(500_000);
  const large = { name: 'large', action: { apply: 'x', rewrite: [{ path: '/a', value }] } };
  await proxy.ok('POST', 'rules', { rule: large });
  await proxy.ok('POST', 'rulelists', { rulelist: { name: 'many', rules: Array(50_000).fill('large') } });
  for (const path of ['rulelists', 'rulelists/many', 'config']) {
    const { status, body } = await proxy.api('GET', `${path}?recursive=true`);
    assert.deepEqual([status, /one by one/.test(body.content)], [400, true], path);
  }
  assert.equal((await proxy.ok('GET', 'rulelists/many')).rules.length, 50_000);
});
