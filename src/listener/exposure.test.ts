import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Cluster } from '../cluster/cluster.ts';
import type { Spec } from '../core/protocol.ts';
import { Registry } from '../core/registry.ts';
import { SharedCounts } from '../counts/shared-counts.ts';
import { Store } from '../data-plane/store.ts';
import { PROTOCOLS } from '../protocols.ts';
import { Route, Rule, RuleList } from '../routing/objects.ts';
import { exposedControl } from './exposure.ts';
import { Listener } from './listener.ts';

const REGISTRY = new Registry(PROTOCOLS);
const OPEN = { protocol: 'HTTP', port: 1234 };

/** Rulelists by name: each rule leads to a cluster, or applies a rulelist. */
type Lists = Record<string, ({ to: string } | { apply: string })[]>;

function storeOf(listeners: Record<string, { spec: Spec; rules: string }>, lists: Lists): Store {
  const store = new Store();
  for (const [name, { spec, rules }] of Object.entries(listeners)) {
    const definition = { kind: 'listener', name, spec, rules, options: {} } as const;
    store.listeners.set(name, new Listener(definition, REGISTRY.listener(spec.protocol), SharedCounts.alone()));
  }
  for (const [name, actions] of Object.entries(lists)) {
    const rules = actions.map((action, n) => addRule(store, `${name}-${n}`, action));
    store.rulelists.set(name, new RuleList({ kind: 'rulelist', name, owner: undefined, rules }));
  }
  for (const protocol of ['L7mpController', 'Echo']) {
    store.clusters.set(protocol, { definition: { spec: { protocol } } } as Cluster);
  }
  return store;
}

function addRule(store: Store, name: string, action: Lists[string][number]): string {
  const apply = 'apply' in action ? action.apply : undefined;
  const route = 'to' in action ? name : undefined;
  store.rules.set(
    name,
    new Rule({ kind: 'rule', name, owner: undefined, match: undefined, rewrite: undefined, route, apply }),
  );
  if ('to' in action) {
    const retry = { retry_on: 'never', num_retries: 1, timeout: 2000 } as const;
    store.routes.set(
      name,
      new Route({ kind: 'route', name, owner: undefined, destination: action.to, ingress: [], egress: [], retry }),
    );
  }
  return name;
}

const exposed = (store: Store): string[] => exposedControl(store, REGISTRY).map(({ listener }) => listener.name);

test('a controller is exposed where its listener has another address than a loopback one', () => {
  const spec = (address: string) => ({ spec: { ...OPEN, address }, rules: 'api' });
  const lists = { api: [{ to: 'L7mpController' }] };
  const store = storeOf(
    {
      any: { spec: OPEN, rules: 'api' },
      six: spec('::'),
      named: spec('host.example'),
      four: spec('127.0.0.1'),
      loopback: spec('::1'),
      local: spec('localhost'),
      unix: { spec: { protocol: 'UnixDomainSocket', filename: '/x' }, rules: 'api' },
      layered: { spec: { protocol: 'JSONSocket', transport: { protocol: 'TCP', port: 1 } }, rules: 'api' },
    },
    lists,
  );
  assert.deepEqual(exposed(store), ['any', 'six', 'named', 'layered']);
});

test('a controller is found behind other rules and rulelists, also where these go round in a circle', () => {
  const lists: Lists = {
    direct: [{ to: 'Echo' }, { to: 'L7mpController' }],
    applied: [{ to: 'nix' }, { apply: 'circle' }],
    circle: [{ apply: 'applied' }, { apply: 'nix' }, { apply: 'direct' }],
    harmless: [{ to: 'Echo' }, { apply: 'harmless' }],
  };
  const names = ['direct', 'applied', 'harmless', 'nix'];
  const listeners = Object.fromEntries(names.map((rules) => [rules, { spec: OPEN, rules }]));
  assert.deepEqual(exposed(storeOf(listeners, lists)), ['direct', 'applied']);
});

test('a chain of many rulelists is followed to its end', () => {
  const long = Array.from({ length: 20_000 }, (_, n): [string, Lists[string]] => [`l${n}`, [{ apply: `l${n + 1}` }]]);
  const lists = { ...Object.fromEntries(long), l20000: [{ to: 'L7mpController' }] };
  assert.deepEqual(exposed(storeOf({ l: { spec: OPEN, rules: 'l0' } }, lists)), ['l']);
});
