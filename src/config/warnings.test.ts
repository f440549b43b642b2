import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Registry } from '../core/registry.ts';
import { PROTOCOLS } from '../protocols.ts';
import { Validator } from './validate.ts';
import { findWarnings } from './warnings.ts';

const REGISTRY = new Registry(PROTOCOLS);
const LOCAL = { protocol: 'HTTP', port: 1, address: '127.0.0.1' };

function warned(config: object): string[] {
  const checked = new Validator(REGISTRY).config(config);
  return findWarnings(checked, REGISTRY).map(({ path, message }) => `${path}: ${message}`);
}

const missing = (path: string, kind: string, name: string): string =>
  `${path}: there is no ${kind} named "${name}"; sessions fail until there is`;

test('a configuration in which every name leads somewhere has nothing to warn of', () => {
  const config = {
    listeners: [
      { name: 'l', spec: LOCAL, rules: 'rl' },
      {
        name: 'm',
        spec: { ...LOCAL, port: 2 },
        rules: [{ action: { route: { destination: { spec: { protocol: 'Echo' } } } } }],
      },
    ],
    rulelists: [{ name: 'rl', rules: ['ru', { action: { apply: 'rl' } }] }],
    rules: [{ name: 'ru', action: { route: 'ro' } }],
    routes: [{ name: 'ro', destination: 'c', ingress: ['d'] }],
    clusters: [
      { name: 'c', spec: { protocol: 'TCP', port: 1 }, endpoints: [{ spec: { address: 'x' } }] },
      { name: 'd', spec: { protocol: 'UnixDomainSocket', filename: '/x' } },
      { name: 'e', spec: { protocol: 'UDP', port: 1 }, endpoints: 1 },
    ],
    endpoints: [{ cluster: 'e', spec: { address: 'x' } }],
  };
  assert.deepEqual(warned(config), []);
});

test('a name that leads nowhere is warned about where it stands, however deep', () => {
  const route = { destination: 'c', ingress: ['d'], egress: [{ spec: { protocol: 'Echo' } }, 'e'] };
  const config = {
    listeners: [
      { name: 'l', spec: LOCAL, rules: 'rl' },
      { name: 'm', spec: LOCAL, rules: ['ru', { action: { route } }] },
      { name: 'n', spec: LOCAL, rules: { rules: [{ action: { apply: 'rm' } }] } },
    ],
    rules: [{ name: 'x', action: { route: 'ro' } }],
  };
  assert.deepEqual(warned(config).toSorted(), [
    missing('/listeners/0/rules', 'rulelist', 'rl'),
    missing('/listeners/1/rules/0', 'rule', 'ru'),
    missing('/listeners/1/rules/1/action/route/destination', 'cluster', 'c'),
    missing('/listeners/1/rules/1/action/route/egress/1', 'cluster', 'e'),
    missing('/listeners/1/rules/1/action/route/ingress/0', 'cluster', 'd'),
    missing('/listeners/2/rules/rules/0/action/apply', 'rulelist', 'rm'),
    missing('/rules/0/action/route', 'route', 'ro'),
  ]);
});

test('a cluster with a network and no endpoint is warned about, and so is a proxy that nobody reaches', () => {
  const clusters = [
    { name: 'c', spec: { protocol: 'TCP', port: 1 } },
    { name: 'd', spec: { protocol: 'Echo' } },
    { name: 'e', spec: { protocol: 'JSONSocket', transport: { protocol: 'UDP', port: 1 } }, endpoints: [] },
  ];
  assert.deepEqual(warned({ clusters }), [
    '/: there is no listener: nobody can reach the proxy, nor its API',
    '/clusters/0: the cluster c has no endpoints; sessions fail until it has',
    '/clusters/2: the cluster e has no endpoints; sessions fail until it has',
  ]);
});

test('a controller that others reach is warned about', () => {
  const rules = [{ action: { route: { destination: { spec: { protocol: 'L7mpController' } } } } }];
  const config = {
    listeners: [
      { name: 'l', spec: { protocol: 'HTTP', port: 1234 }, rules },
      { name: 'm', spec: LOCAL, rules },
    ],
  };
  assert.deepEqual(warned(config), [
    '/listeners/0: the controller is reachable from other machines through l, at 0.0.0.0:1234, without authentication (admin.auth)',
  ]);
});
