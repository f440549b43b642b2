import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Cluster } from '../cluster/cluster.ts';
import { SILENT } from '../core/log.ts';
import { SharedCounts } from '../counts/shared-counts.ts';
import { Listener } from '../listener/listener.ts';
import type { ClusterDefinition, ListenerDefinition, RouteDefinition } from '../model/definitions.ts';
import { Plans } from './plan.ts';

const retry = { retry_on: 'always', num_retries: 1, timeout: 2000 } as const;
const ROUTE: RouteDefinition = {
  kind: 'route',
  name: 'r',
  owner: undefined,
  destination: 'd',
  ingress: ['i'],
  egress: [],
  retry,
};

function listenerWith(options: object): Listener {
  const definition = { kind: 'listener', name: 'l', owner: undefined, spec: {}, rules: 'l', options };
  return new Listener(definition as unknown as ListenerDefinition, {} as never, SharedCounts.alone());
}

function cluster(name: string, options: object = {}): Cluster {
  const definition = {
    kind: 'cluster',
    name,
    owner: undefined,
    spec: {},
    loadbalancer: { policy: 'HashRing' },
    options,
  };
  return new Cluster(definition as unknown as ClusterDefinition, {} as never, {} as never, 'stream', new Map(), SILENT);
}

/** Plans over clusters of these names, which the test may replace. */
function plansOver(...clusters: Cluster[]) {
  const known = new Map(clusters.map((cluster) => [cluster.name, cluster]));
  const replace = (cluster: Cluster): unknown => known.set(cluster.name, cluster);
  return { plans: new Plans((name) => known.get(name) as Cluster), replace };
}

test('a plan has the stages of the route, and the smallest timeout of all that set one', () => {
  const { plans } = plansOver(cluster('i', { half_close_timeout: 70 }), cluster('d', { idle_timeout: 300 }));
  const plan = plans.for(listenerWith({ idle_timeout: 400 }), ROUTE);
  assert.deepEqual([plan.route, plan.destination, plan.clusters[plan.destination]?.name], ['r', 1, 'd']);
  assert.deepEqual([plan.idleTimeout, plan.halfCloseTimeout, plan.policy.retries], [300, 70, 1]);
});

test('sessions that go the same way share a plan, until anything on the way is replaced', () => {
  const { plans, replace } = plansOver(cluster('i'), cluster('d'));
  const listener = listenerWith({});
  const first = plans.for(listener, ROUTE);
  assert.equal(plans.for(listener, ROUTE), first);
  assert.notEqual(plans.for(listenerWith({}), ROUTE), first);

  const patient = plans.for(listener, { ...ROUTE, retry: { ...retry, num_retries: 9 } });
  assert.equal(patient.policy.retries, 9);
  replace(cluster('d', { idle_timeout: 5 }));
  assert.equal(plans.for(listener, ROUTE).idleTimeout, 5);
  listener.define(listenerWith({ idle_timeout: 3 }).definition, listener.side);
  assert.equal(plans.for(listener, ROUTE).idleTimeout, 3);
});
