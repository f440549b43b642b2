import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import * as net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { freePort } from '../../src/testing/ports.ts';
import { configOf, refused } from '../support/config.ts';
import { ask, connectStream, serveDatagram, serveStream } from '../support/peers.ts';
import { listener, startProxy } from '../support/proxy.ts';

type Kind = 'listener' | 'cluster' | 'rulelist' | 'rule' | 'route' | 'admin';

/** A kind, its definition, and how what is said of it begins. */
type Case = readonly [Kind, unknown, string | RegExp];

const TCP = { protocol: 'TCP', port: 29_999, address: '127.0.0.1' };
const UDP = { protocol: 'UDP', port: 7 };

const inListener = (rules: unknown): object => ({ name: 'l', spec: TCP, rules });
const inRule = (rule: object): object => inListener([{ action: { route: 'x' }, ...rule }]);
const inRoute = (route: unknown): object => inListener([{ action: { route } }]);
const cluster = (fields: object): object => ({ name: 'c', spec: UDP, ...fields });
const match = (predicate: unknown): object => ({ name: 'r', match: predicate, action: { route: 'x' } });
const rewrite = (...list: unknown[]): object => ({ name: 'r', action: { route: 'x', rewrite: list } });

const GROUPS: Readonly<Record<string, readonly Case[]>> = {
  'an unknown field': [
    ['listener', { ...inListener([]), foo: 1 }, '/listener/foo: unknown field'],
    ['listener', { ...inListener([]), 'a/b~c': 1 }, '/listener/a~1b~0c: unknown field'],
    ['listener', { ...inListener([]), spec: { ...TCP, nix: 1 } }, '/listener/spec/nix: unknown field'],
    ['listener', { ...inListener([]), options: { tracks: 1 } }, '/listener/options/tracks: unknown field'],
    ['listener', inRule({ foo: 1 }), '/listener/rules/0/foo: unknown field'],
    ['cluster', cluster({ endpoint: [] }), '/cluster/endpoint: unknown field'],
    ['cluster', cluster({ options: { track: 1 } }), '/cluster/options/track: unknown field'],
    ['cluster', cluster({ loadbalancer: { policies: 1 } }), '/cluster/loadbalancer/policies: unknown field'],
    ['rule', { ...match('*'), __proto__x: 1 }, '/rule/__proto__x: unknown field'],
    ['rule', JSON.parse('{"name": "r", "action": {"route": "x"}, "__proto__": {}}'), '/rule/__proto__: unknown field'],
    ['rulelist', { name: 'r', rules: [], constructor: 1 }, '/rulelist/constructor: unknown field'],
    ['admin', { loglevel: 'info' }, '/admin/loglevel: unknown field'],
  ],
  'a field that is missing': [
    ['listener', { spec: TCP, rules: [] }, '/listener/name: missing'],
    ['listener', { name: 'l', rules: [] }, '/listener/spec: missing'],
    ['listener', { name: 'l', spec: TCP }, '/listener/rules: missing'],
    ['listener', { name: 'l', spec: {}, rules: [] }, '/listener/spec/protocol: missing'],
    ['listener', { name: 'l', spec: { protocol: 'TCP' }, rules: [] }, '/listener/spec/port: missing'],
    ['listener', { name: 'l', spec: { protocol: 'UnixDomainSocket' }, rules: [] }, '/listener/spec/filename: missing'],
    ['listener', { name: 'l', spec: { protocol: 'JSONSocket' }, rules: [] }, '/listener/spec/transport: missing'],
    ['listener', inListener([{}]), '/listener/rules/0/action: missing'],
    ['listener', inListener({}), '/listener/rules/rules: missing'],
    ['rule', { name: 'r', action: {} }, '/rule/action/route: missing'],
    ['rule', { name: 'r', action: { rewrite: [{ path: '/a', value: 1 }] } }, '/rule/action/route: missing'],
    ['rule', rewrite({ path: '/a' }), '/rule/action/rewrite/0/value: missing'],
    ['rule', rewrite({ value: 1 }), '/rule/action/rewrite/0/path: missing'],
    ['route', { name: 'r' }, '/route/destination: missing'],
    ['rulelist', { name: 'r' }, '/rulelist/rules: missing'],
    ['cluster', cluster({ spec: { protocol: 'Sync' } }), '/cluster/spec/query: missing'],
    ['cluster', cluster({ endpoints: [{ spec: {} }] }), '/cluster/endpoints/0/spec/address: missing'],
  ],
  'a value of the wrong type': [
    ['listener', 5, '/listener: must be object'],
    ['listener', null, '/listener: must be object'],
    ['listener', [], '/listener: must be object'],
    ['listener', inListener(5), '/listener/rules: must be string, array, or object'],
    ['listener', inListener([5]), '/listener/rules/0: must be string or object'],
    [
      'listener',
      { name: 'l', spec: { protocol: 'TCP', port: '80' }, rules: [] },
      '/listener/spec/port: must be integer',
    ],
    [
      'listener',
      { name: 'l', spec: { protocol: 'TCP', port: 80.5 }, rules: [] },
      '/listener/spec/port: must be integer',
    ],
    ['listener', { name: 'l', spec: { protocol: 5 }, rules: [] }, '/listener/spec/protocol: must be string'],
    ['listener', { ...inListener([]), options: { track: '1' } }, '/listener/options/track: must be number'],
    [
      'listener',
      { ...inListener([]), options: { idle_timeout: 0.5 } },
      '/listener/options/idle_timeout: must be integer',
    ],
    ['listener', inRoute({ destination: 5 }), '/listener/rules/0/action/route/destination: must be string or object'],
    ['listener', inRoute({ destination: 'x', ingress: 'y' }), '/listener/rules/0/action/route/ingress: must be array'],
    ['cluster', cluster({ endpoints: 5 }), '/cluster/endpoints: must be array'],
    [
      'cluster',
      cluster({ endpoints: [{ spec: { address: 5 } }] }),
      '/cluster/endpoints/0/spec/address: must be string',
    ],
    ['rule', match(5), '/rule/match: must be object or string'],
    ['rule', match({}), '/rule/match/op: missing'],
    ['admin', { strict: 'yes' }, '/admin/strict: must be boolean'],
    [
      'admin',
      { log_level: 'loud' },
      '/admin/log_level: must be one of silly, verbose, info, notice, warn, error, silent',
    ],
  ],
  'a number out of range': [
    ['listener', { name: 'l', spec: { protocol: 'TCP', port: 0 }, rules: [] }, '/listener/spec/port: must be >= 1'],
    [
      'listener',
      { name: 'l', spec: { protocol: 'UDP', port: 70_000 }, rules: [] },
      '/listener/spec/port: must be <= 65535',
    ],
    ['listener', { name: 'l', spec: { protocol: 'HTTP', port: -1 }, rules: [] }, '/listener/spec/port: must be >= 1'],
    [
      'listener',
      { name: 'l', spec: { ...UDP, connect: { port: 0 } }, rules: [] },
      '/listener/spec/connect/port: must be >=',
    ],
    ['listener', { ...inListener([]), options: { track: -0.5 } }, '/listener/options/track: must be >= 0'],
    ['cluster', cluster({ spec: { protocol: 'TCP', port: 65_536 } }), '/cluster/spec/port: must be <= 65535'],
    ['cluster', cluster({ spec: { ...UDP, bind: { port: 0 } } }), '/cluster/spec/bind/port: must be >= 1'],
    [
      'cluster',
      cluster({ endpoints: [{ spec: { address: 'x' }, weight: -1 }] }),
      '/cluster/endpoints/0/weight: must be >= 0',
    ],
    [
      'cluster',
      cluster({ endpoints: [{ spec: { address: 'x', weight: -1 } }] }),
      '/cluster/endpoints/0/spec/weight: must be',
    ],
    [
      'cluster',
      cluster({ endpoints: [{ spec: { address: 'x' }, weight: 1e300 }] }),
      '/cluster/endpoints/0/weight: must be',
    ],
    ['route', { name: 'r', destination: 'x', retry: { num_retries: -1 } }, '/route/retry/num_retries: must be >= 0'],
    ['route', { name: 'r', destination: 'x', retry: { timeout: 0 } }, '/route/retry/timeout: must be >= 1'],
  ],
  'an address that is none': [
    [
      'listener',
      { ...inListener([]), spec: { ...TCP, address: '127.1' } },
      '/listener/spec/address: "127.1" is no IPv4 address: four numbers up to 255',
    ],
    [
      'listener',
      { ...inListener([]), spec: { ...TCP, address: '127.0.0.1:80' } },
      '/listener/spec/address: "127.0.0.1:80" has a port in it: the address is 127.0.0.1, and 80 belongs into the field "port"',
    ],
    ...['TCP', 'UDP', 'HTTP', 'WebSocket'].map(
      (protocol): Case => [
        'listener',
        { ...inListener([]), spec: { protocol, port: 7, address: '127.0.0.300' } },
        '/listener/spec/address: "127.0.0.300" is no IPv4 address: four numbers up to 255',
      ],
    ),
    [
      'listener',
      { ...inListener([]), spec: { protocol: 'JSONSocket', transport: { ...UDP, address: 'a b' } } },
      '/listener/spec/transport/address: "a b" is no name of a host',
    ],
    [
      'listener',
      { ...inListener([]), spec: { ...UDP, connect: { address: '::1::' } } },
      '/listener/spec/connect/address: "::1::" is no IPv6 address',
    ],
    ...['TCP', 'UDP', 'WebSocket'].flatMap((protocol): Case[] => [
      [
        'cluster',
        cluster({ spec: { protocol, port: 7, bind: { address: '127.1' } } }),
        '/cluster/spec/bind/address: "127.1" is no IPv4 address: four numbers up to 255',
      ],
      [
        'cluster',
        cluster({ spec: { protocol, port: 7, bind: { address: 'localhost' } } }),
        '/cluster/spec/bind/address: "localhost" is a name, and must be an IP address',
      ],
      [
        'cluster',
        cluster({ spec: { protocol, port: 7 }, endpoints: [{ spec: { address: '[::1]:9000' } }] }),
        '/cluster/endpoints/0/spec/address: "[::1]:9000" has a port in it: the address is [::1], and 9000 belongs into the field "port"',
      ],
    ]),
    [
      'cluster',
      cluster({ spec: { protocol: 'JSONSocket', transport: UDP }, endpoints: [{ spec: { address: '127.0.0.300' } }] }),
      '/cluster/endpoints/0/spec/address: "127.0.0.300" is no IPv4 address: four numbers up to 255',
    ],
  ],
  'an unknown protocol, policy or mode': [
    [
      'listener',
      { name: 'l', spec: { protocol: 'Foo' }, rules: [] },
      /^\/listener\/spec\/protocol: "Foo" is no protocol for a listener; there are UDP/,
    ],
    [
      'listener',
      { name: 'l', spec: { protocol: 'Echo' }, rules: [] },
      /^\/listener\/spec\/protocol: "Echo" is no protocol for a listener/,
    ],
    [
      'listener',
      { name: 'l', spec: { protocol: 'constructor' }, rules: [] },
      /^\/listener\/spec\/protocol: "constructor" is no/,
    ],
    [
      'cluster',
      cluster({ spec: { protocol: '__proto__' } }),
      /^\/cluster\/spec\/protocol: "__proto__" is no protocol for a cluster/,
    ],
    [
      'cluster',
      cluster({ spec: { protocol: 'JSONSocket', transport: { protocol: 'Nix' } } }),
      /^\/cluster\/spec\/transport\/protocol: "Nix"/,
    ],
    [
      'cluster',
      cluster({ spec: { protocol: 'JSONSocket', transport: { protocol: 'Echo' } } }),
      /^\/cluster\/spec\/transport\/protocol: Echo cannot carry/,
    ],
    [
      'cluster',
      cluster({ loadbalancer: { policy: 'Best' } }),
      /^\/cluster\/loadbalancer\/policy: must be one of Trivial, /,
    ],
    [
      'route',
      { name: 'r', destination: 'x', retry: { retry_on: 'often' } },
      /^\/route\/retry\/retry_on: must be one of never, /,
    ],
    [
      'listener',
      { name: 'l', spec: { ...UDP, options: { mode: 'x' } }, rules: [] },
      /^\/listener\/spec\/options\/mode: must be one of/,
    ],
  ],
  'a field of an object that is written inline': [
    [
      'listener',
      inRoute({ destination: { spec: { protocol: 'UDP', port: 0 } } }),
      '/listener/rules/0/action/route/destination/spec/port: must be >= 1',
    ],
    [
      'listener',
      inRoute({ cluster: { spec: { protocol: 'UDP', port: 0 } } }),
      '/listener/rules/0/action/route/cluster/spec/port: must be >= 1',
    ],
    [
      'listener',
      inRoute({ destination: 'x', ingress: ['y', { spec: { ...UDP, foo: 1 } }] }),
      '/listener/rules/0/action/route/ingress/1/spec/foo: unknown field',
    ],
    [
      'listener',
      inRoute({ destination: 'x', egress: [{ spec: { protocol: 'Nix' } }] }),
      '/listener/rules/0/action/route/egress/0/spec/protocol: "Nix"',
    ],
    [
      'listener',
      inListener({ rules: ['x', { action: { route: 5 } }] }),
      '/listener/rules/rules/1/action/route: must be string or object',
    ],
    [
      'listener',
      inListener([{ match: { op: 'and', apply: [{ op: 'nix', path: '/a' }] }, action: { route: 'x' } }]),
      '/listener/rules/0/match/apply/0/op: unknown operation "nix"',
    ],
    [
      'listener',
      { name: 'l', spec: { protocol: 'JSONSocket', transport: { protocol: 'UDP', port: 0 } }, rules: [] },
      '/listener/spec/transport/port: must be >= 1',
    ],
    [
      'rulelist',
      { name: 'r', rules: ['x', { action: { route: { destination: { spec: UDP, endpoints: [{}] } } } }] },
      '/rulelist/rules/1/action/route/destination/endpoints/0/spec: missing',
    ],
    [
      'cluster',
      cluster({
        spec: { protocol: 'JSONSocket', transport: UDP, header: [{ set: { key: '/__proto__/a', value: 1 } }] },
      }),
      '/cluster/spec/header/0/set/key: "/__proto__/a" leads through "__proto__"',
    ],
  ],
  'a predicate or a rewrite that cannot be': [
    ['rule', match({ op: 'nix', path: '/a', value: 1 }), '/rule/match/op: unknown operation "nix"'],
    ['rule', match({ op: 'toString', path: '/a', value: 1 }), '/rule/match/op: unknown operation "toString"'],
    ['rule', match({ op: 'test', value: 1 }), '/rule/match/path: missing'],
    ['rule', match({ op: 'test', path: '/a' }), '/rule/match/value'],
    ['rule', match({ op: 'test', path: '/a', value: 1, ignorecase: true }), '/rule/match/ignorecase: unknown field'],
    ['rule', match({ op: 'test', path: '/a~2', value: 1 }), '/rule/match/path: "/a~2" has a "~"'],
    ['rule', match({ op: 'matches', path: '/a', value: '(a)\\1' }), /^\/rule\/match\/value: .*no back-references/],
    ['rule', match({ op: 'matches', path: '/a', value: '(?=a)' }), /^\/rule\/match\/value: .*no look-around/],
    ['rule', match({ op: 'matches', path: '/a', value: '[' }), /^\/rule\/match\/value: /],
    ['rule', match({ op: 'and', apply: [] }), '/rule/match/apply: must be a list'],
    ['rule', match({ op: 'less', path: '/a', value: 'x' }), '/rule/match/value'],
    ['rule', match({ match: '*', foo: 1 }), /^\/rule\/match\//],
    ['rule', rewrite({ path: '/a', value: 1, from: '/b' }), '/rule/action/rewrite/0/from: has no place beside value'],
    [
      'rule',
      rewrite({ path: '/a/__proto__/b', value: 1 }),
      '/rule/action/rewrite/0/path: "/a/__proto__/b" leads through "__proto__"',
    ],
    [
      'rule',
      rewrite({ path: '/a', value: 1 }, { path: 'constructor', value: 1 }),
      '/rule/action/rewrite/1/path: "constructor" leads',
    ],
    ['rule', rewrite({ path: '/a/prototype', value: 1 }), '/rule/action/rewrite/0/path: '],
    ['rule', rewrite({ path: '/', value: 1 }), '/rule/action/rewrite/0/value: must be an object'],
    ['rule', rewrite({ path: '/~', value: 1 }), '/rule/action/rewrite/0/path: "/~" has a "~"'],
    [
      'cluster',
      cluster({ loadbalancer: { policy: 'HashRing', key: 'a~b' } }),
      '/cluster/loadbalancer/key: "a~b" has a "~"',
    ],
    ['cluster', cluster({ spec: { protocol: 'Sync', query: '/a~b' } }), '/cluster/spec/query: "/a~b" has a "~"'],
  ],
  'things that exclude each other': [
    ['route', { name: 'r', destination: 'x', cluster: 'y' }, '/route/cluster: is another name of destination'],
    [
      'listener',
      { name: 'l', spec: { protocol: 'JSONSocket', transport: UDP, transport_spec: UDP }, rules: [] },
      '/listener/spec/transport_spec: is another name of transport',
    ],
    [
      'cluster',
      cluster({ endpoints: [{ spec: { address: 'x', weight: 2 }, weight: 3 }] }),
      '/cluster/endpoints/0/spec/weight: differs',
    ],
    [
      'cluster',
      cluster({ spec: { protocol: 'Echo' }, endpoints: [{ spec: { address: 'x' } }] }),
      '/cluster/endpoints/0: a cluster without a network',
    ],
    [
      'listener',
      { name: 'l', spec: { ...UDP, options: { mode: 'singleton' } }, rules: [] },
      '/listener/spec/connect: singleton mode needs',
    ],
    [
      'listener',
      { name: 'l', spec: { protocol: 'UnixDomainSocket', filename: 'x'.repeat(108) }, rules: [] },
      '/listener/spec/filename: longer than 107 bytes',
    ],
  ],
  'a name that is none': [
    ['listener', { ...inListener([]), name: '' }, /^\/listener\/name: .*blank/],
    ['listener', { ...inListener([]), name: 'a b' }, /^\/listener\/name: .*blank/],
    ['listener', { ...inListener([]), name: 'a\n' }, /^\/listener\/name: .*blank/],
    ['cluster', cluster({ name: ' ' }), /^\/cluster\/name: .*blank/],
    ['cluster', cluster({ name: '\u00a0' }), /^\/cluster\/name: .*blank/],
    ['cluster', cluster({ name: 'x'.repeat(1025) }), /^\/cluster\/name: must not have more than 1024/],
    [
      'cluster',
      cluster({ endpoints: [{ name: 'a b', spec: { address: 'x' } }] }),
      /^\/cluster\/endpoints\/0\/name: .*blank/,
    ],
    ['rulelist', { name: 'r', rules: ['a b'] }, /^\/rulelist\/rules\/0: .*blank/],
    ['route', { name: 'r', destination: 'a b' }, /^\/route\/destination: .*blank/],
    ['listener', inListener('a b'), /^\/listener\/rules: .*blank/],
  ],
};

for (const [what, cases] of Object.entries(GROUPS)) {
  test(`${what} is a 422 that names the field`, async (t) => {
    const { proxy } = await startProxy(t, [], () => ({}));
    for (const [kind, value, expected] of cases) {
      const path = kind === 'admin' ? 'admin' : `${kind}s`;
      const content = await refused(proxy, 422, 'POST', path, { [kind]: value });
      if (expected instanceof RegExp) assert.match(content, expected);
      else assert.equal(content.slice(0, expected.length), expected, content);
    }
  });
}

test('a wrapper that is wrong is a 422', async (t) => {
  const { proxy } = await startProxy(t, [], () => ({}));
  for (const [body, expected] of [
    [5, '/: must be an object with the field cluster'],
    [[], '/: must be an object with the field cluster'],
    [null, '/: must be an object with the field cluster'],
    [{}, '/cluster: missing'],
    [{ name: 'c', spec: { protocol: 'Echo' } }, '/name: unknown field'],
    [
      { cluster: { name: 'c', spec: { protocol: 'Echo' } }, clusters: [] },
      '/clusters: unknown field; did you mean cluster?',
    ],
    [JSON.parse('{"__proto__": {"cluster": {}}}'), '/__proto__: unknown field'],
  ] as const) {
    assert.equal(await refused(proxy, 422, 'POST', 'clusters', body), expected);
  }
  assert.match(await refused(proxy, 422, 'POST', 'clusters', undefined, { raw: '' }), /^\/: must be an object/);
  assert.equal(await refused(proxy, 422, 'POST', 'config', []), '/: must be object');
  assert.equal(await refused(proxy, 422, 'POST', 'config', { config: {} }), '/config: unknown field');
  assert.equal(await refused(proxy, 422, 'POST', 'config', { clusters: {} }), '/clusters: must be array');
});

test('the same holds for an endpoint and for a rule at a position', async (t) => {
  const { proxy } = await startProxy(t, [], () => ({
    clusters: [
      { name: 'udp', spec: UDP },
      { name: 'echo', spec: { protocol: 'Echo' } },
    ],
    rulelists: [{ name: 'list', rules: [] }],
  }));
  const endpoint = (value: unknown, cluster = 'udp') =>
    refused(proxy, 422, 'POST', `clusters/${cluster}/endpoints`, { endpoint: value });
  assert.equal(await endpoint({ spec: { address: 'x' }, weight: -1 }), '/endpoint/weight: must be >= 0');
  assert.equal(
    await endpoint({ spec: { address: 'x', prot: 1 } }),
    '/endpoint/spec/prot: unknown field; did you mean port?',
  );
  assert.match(await endpoint({ spec: { address: 'x' } }, 'echo'), /^\/endpoint: a cluster without a network/);
  const rule = (value: unknown) => refused(proxy, 422, 'POST', 'rulelists/list/rules/0', { rule: value });
  assert.equal(await rule(5), '/rule: must be object');
  assert.match(await rule('a b'), /^\/rule: .*blank/);
  assert.match(
    await rule({ action: { route: { destination: { spec: { protocol: 'TCP', port: 0 } } } } }),
    /^\/rule\/action\/route\/destination\/spec\/port: /,
  );
});

test('in a configuration the path says which object it is', async (t) => {
  const { proxy } = await startProxy(t, [], () => ({}));
  const echo = { name: 'a', spec: { protocol: 'Echo' } };
  for (const [body, expected] of [
    [{ clusters: [echo, { name: 'b', spec: { protocol: 'Echo', x: 1 } }] }, '/clusters/1/spec/x: unknown field'],
    [{ rulelists: [{ name: 'r', rules: [{ action: {} }] }] }, '/rulelists/0/rules/0/action/route: missing'],
    [
      { rules: [{ name: 'r', match: { op: 'x' }, action: { apply: 'y' } }] },
      '/rules/0/match/op: unknown operation "x"',
    ],
    [
      { routes: [{ name: 'r', destination: { spec: { protocol: 'TCP', port: 0 } } }] },
      '/routes/0/destination/spec/port: must be >= 1',
    ],
    [
      { listeners: [inListener([]), { name: 'm', spec: { protocol: 'TCP' }, rules: [] }] },
      '/listeners/1/spec/port: missing',
    ],
    [{ admin: { threads: -1 } }, '/admin/threads: must be >= 0'],
    [{ admin: null }, '/admin: must be object'],
  ] as const) {
    assert.equal(await refused(proxy, 422, 'POST', 'config', body), expected);
  }
});

test('a name that is taken is a 400 that names it', async (t) => {
  const { proxy } = await startProxy(t, [], () => ({
    clusters: [{ name: 'c', spec: UDP, endpoints: [{ name: 'e', spec: { address: 'x' } }] }],
    routes: [{ name: 'ro', destination: 'c' }],
    rules: [{ name: 'ru', action: { route: 'ro' } }],
    rulelists: [{ name: 'rl', rules: ['ru'] }],
  }));
  for (const [path, body, what] of [
    ['clusters', { cluster: { name: 'c', spec: UDP } }, '/cluster/name: there is a cluster named "c"'],
    [
      'clusters',
      { cluster: { name: 'd', spec: UDP, endpoints: [{ name: 'e', spec: { address: 'x' } }] } },
      '/cluster/endpoints/0/name: there is a endpoint named "e"',
    ],
    [
      'clusters/c/endpoints',
      { endpoint: { name: 'e', spec: { address: 'x' } } },
      '/endpoint/name: there is a endpoint named "e"',
    ],
    ['routes', { route: { name: 'ro', destination: 'c' } }, '/route/name: there is a route named "ro"'],
    [
      'routes',
      { route: { name: 'r2', destination: 'c', ingress: [{ name: 'c', spec: UDP }] } },
      '/route/ingress/0/name: there is a cluster named "c"',
    ],
    ['rules', { rule: { name: 'ru', action: { route: 'ro' } } }, '/rule/name: there is a rule named "ru"'],
    [
      'rules',
      { rule: { name: 'r3', action: { route: { name: 'ro', destination: 'c' } } } },
      '/rule/action/route/name: there is a route named "ro"',
    ],
    ['rulelists', { rulelist: { name: 'rl', rules: [] } }, '/rulelist/name: there is a rulelist named "rl"'],
    [
      'rulelists/rl/rules/0',
      { rule: { name: 'ru', action: { route: 'ro' } } },
      '/rule/name: there is a rule named "ru"',
    ],
    [
      'listeners',
      { listener: { name: 'controller', spec: TCP, rules: [] } },
      '/listener/name: there is a listener named "controller"',
    ],
    [
      'listeners',
      { listener: { name: 'l', spec: TCP, rules: { name: 'rl', rules: [] } } },
      '/listener/rules/name: there is a rulelist named "rl"',
    ],
    [
      'config',
      {
        clusters: [
          { name: 'd', spec: UDP },
          { name: 'd', spec: UDP },
        ],
      },
      '/clusters/1/name: there is a cluster named "d"',
    ],
    [
      'config',
      { listeners: [{ name: 'controller', spec: TCP, rules: [] }] },
      '/listeners/0/name: there is a listener named "controller"',
    ],
  ] as const) {
    assert.equal(await refused(proxy, 400, 'POST', path, body), `${what} already`, path);
  }
});

test('an address that cannot be listened on is a 400 that names listener and address, and nothing is left', async (t) => {
  const folder = await temporary(t);
  const stream = await serveStream(t);
  const datagram = await serveDatagram(t);
  const path = join(folder, 'taken.sock');
  await serveStream(t, { path });
  await mkdir(join(folder, 'directory'));
  const { proxy } = await startProxy(t, [], () => ({}));
  for (const [spec, expected] of [
    [{ protocol: 'TCP', port: stream.port }, /in use/],
    [{ protocol: 'HTTP', port: stream.port, address: '127.0.0.1' }, /in use/],
    [{ protocol: 'WebSocket', port: stream.port, address: '127.0.0.1' }, /in use/],
    [{ protocol: 'UDP', port: datagram.port, address: '127.0.0.1' }, /in use/],
    [{ protocol: 'UDP', port: datagram.port }, /in use/],
    [{ protocol: 'JSONSocket', transport: { protocol: 'UDP', port: datagram.port } }, /in use/],
    [{ protocol: 'TCP', port: proxy.port }, /in use/],
    [{ protocol: 'UnixDomainSocket', filename: path }, /in use/],
    [{ protocol: 'UnixDomainSocket', filename: join(folder, 'directory') }, /directory/],
    [{ protocol: 'UnixDomainSocket', filename: join(folder, 'nix', 'x.sock') }, /nix/],
    [{ protocol: 'TCP', port: await freePort(), address: '192.0.2.1' }, /192\.0\.2\.1/],
    [{ protocol: 'UDP', port: await freePort(), address: 'nowhere.invalid' }, /nowhere\.invalid/],
  ] as const) {
    const destination = { spec: UDP, endpoints: [{ spec: { address: '127.0.0.1' } }] };
    const content = await refused(proxy, 400, 'POST', 'listeners', { listener: listener('l', spec, { destination }) });
    assert.match(content, /^listener l: cannot /);
    assert.match(content, expected);
  }
  assert.deepEqual((await readdir(folder)).sort(), ['directory', 'taken.sock']);
  const client = await connectStream(t, { path });
  assert.equal(await ask(client, 'still there'), 'still there');
});

test('the address of a listener that was refused is free', async (t) => {
  const server = await serveStream(t);
  const port = await freePort();
  const { proxy } = await startProxy(t, [], () => ({}));
  const listeners = [
    listener('good', { protocol: 'TCP', port, address: '127.0.0.1' }, { destination: { spec: { protocol: 'Echo' } } }),
    listener('bad', { protocol: 'TCP', port: server.port, address: '127.0.0.1' }, { destination: 'x' }),
  ];
  assert.match(await refused(proxy, 400, 'POST', 'config', { listeners }), /^listener bad: /);
  const other = net.createServer().listen({ port, host: '127.0.0.1' });
  t.after(() => other.close());
  await once(other, 'listening');
});

test('a file that cannot be written is a 400 that names it, and the old ones stay', async (t) => {
  const folder = await temporary(t);
  const access = join(folder, 'access.log');
  const { proxy } = await startProxy(t, [], () => ({ admin: { access_log_path: access } }));
  const nowhere = join(folder, 'nix', 'x.log');
  for (const [path, body, expected] of [
    ['admin', { admin: { log_file: nowhere } }, '/admin/log_file: '],
    ['admin', { admin: { access_log_path: nowhere } }, '/admin/access_log_path: '],
    ['admin', { admin: { access_log_path: folder, log_level: 'silly' } }, '/admin/access_log_path: '],
    ['config', { admin: { log_file: nowhere }, clusters: [{ name: 'c', spec: UDP }] }, '/admin/log_file: '],
    [
      'clusters',
      { cluster: { name: 'c', spec: { protocol: 'Logger', log_file: nowhere } } },
      'cluster c: /spec/log_file: ',
    ],
    [
      'config',
      {
        clusters: [
          { name: 'a', spec: UDP },
          { name: 'c', spec: { protocol: 'Logger', log_file: nowhere } },
        ],
      },
      'cluster c: /spec/log_file: ',
    ],
  ] as const) {
    const content = await refused(proxy, 400, 'POST', path, body);
    assert.ok(content.startsWith(expected), content);
    assert.ok(content.includes(folder), content);
  }
  assert.equal((await configOf(proxy)).admin.access_log_path, access);
});

async function temporary(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'l7mp-api-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

test('regular expressions that cost too much are refused, in a rule and in a whole configuration', async (t) => {
  const { proxy } = await startProxy(t, [], () => ({}));
  const match = (n: number) => ({ op: 'matches', path: '/a', value: `${n}x{999}` });
  const rule = (n: number) => ({ name: `r${n}`, match: match(n), action: { route: 'x' } });
  const many = Array.from({ length: 5_000 }, (_, n) => n);
  const rules = many.map(rule);
  const one = { ...rule(0), match: { op: 'or', apply: many.map(match) } };
  const bodies = { rules: { rule: one }, rulelists: { rulelist: { name: 'l', rules } }, config: { rules } };
  for (const [path, body] of Object.entries(bodies)) {
    assert.match(await refused(proxy, 422, 'POST', path, body), /match.*value: too many regular expressions/);
  }
  await proxy.ok('POST', 'rules', { rule: rule(1) });
  await proxy.ok('POST', 'config', { rules: rules.slice(2, 100) });
});
