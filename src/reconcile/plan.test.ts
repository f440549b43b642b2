import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Registry } from '../core/registry.ts';
import type {
  ClusterDefinition,
  Definition,
  EndpointDefinition,
  ListenerDefinition,
  RuleListDefinition,
} from '../model/definitions.ts';
import type { Change } from '../model/step.ts';
import { PROTOCOLS } from '../protocols.ts';
import { decide, plan } from './plan.ts';
import { restartsOf } from './restarts.ts';

const RESTARTS = restartsOf(new Registry(PROTOCOLS));

const listener: ListenerDefinition = {
  kind: 'listener',
  name: 'l',
  spec: { protocol: 'TCP', port: 1 },
  rules: 'r',
  options: {},
};
const cluster: ClusterDefinition = {
  kind: 'cluster',
  name: 'c',
  owner: undefined,
  spec: { protocol: 'TCP', port: 1 },
  loadbalancer: { policy: 'Trivial' },
  options: {},
};
const rulelist: RuleListDefinition = { kind: 'rulelist', name: 'r', owner: undefined, rules: ['a'] };

/** What becomes of an object, and which fields differ. */
function becomes(before: Definition | undefined, after: Definition | undefined): string {
  const step = decide({ before, after }, RESTARTS);
  return step ? [step.action, ...step.fields].join(' ') : 'none';
}

test('what was not there is created, what shall not be there is deleted', () => {
  assert.equal(becomes(undefined, listener), 'create');
  assert.equal(becomes(listener, undefined), 'delete');
});

test('an equal definition changes nothing', () => {
  for (const one of [listener, cluster, rulelist]) assert.equal(becomes(one, structuredClone(one)), 'none');
});

// What each change of a listener does to it: the row is the test.
const LISTENER_CHANGES: readonly [string, Partial<ListenerDefinition>][] = [
  ['restart /spec/port', { spec: { protocol: 'TCP', port: 2 } }],
  ['restart /spec/address', { spec: { protocol: 'TCP', port: 1, address: '127.0.0.1' } }],
  ['restart /spec/protocol', { spec: { protocol: 'UDP', port: 1 } }],
  ['restart /options/queue_bytes', { options: { queue_bytes: 1 } }],
  ['update /rules', { rules: 'other' }],
  ['update /options/max_sessions', { options: { max_sessions: 1 } }],
  ['update /options/idle_timeout', { options: { idle_timeout: 1 } }],
  ['update /options/connect_timeout', { options: { connect_timeout: 1 } }],
  ['update /options/track', { options: { track: 1 } }],
];
for (const [wanted, fields] of LISTENER_CHANGES) {
  test(`of a listener: ${wanted}`, () => assert.equal(becomes(listener, { ...listener, ...fields }), wanted));
}

const CLUSTER_CHANGES: readonly [string, Partial<ClusterDefinition>][] = [
  ['restart /spec/port', { spec: { protocol: 'TCP', port: 2 } }],
  ['restart /options/queue_messages', { options: { queue_messages: 1 } }],
  ['update /loadbalancer/policy', { loadbalancer: { policy: 'Random' } }],
  ['update /loadbalancer/key', { loadbalancer: { policy: 'Trivial', key: '/IP/src_addr' } }],
  ['update /options/idle_timeout', { options: { idle_timeout: 1 } }],
];
for (const [wanted, fields] of CLUSTER_CHANGES) {
  test(`of a cluster: ${wanted}`, () => assert.equal(becomes(cluster, { ...cluster, ...fields }), wanted));
}

test('a range of ports is taken up in place, also below another protocol; one port in its place is not', () => {
  for (const protocol of ['TCP', 'UDP', 'SCTP', 'HTTP', 'WebSocket']) {
    const before = { ...listener, spec: { protocol, ports: '1-9' } };
    assert.equal(becomes(before, { ...before, spec: { protocol, ports: '1-10' } }), 'update /spec/ports');
    assert.equal(becomes(before, { ...before, spec: { protocol, port: 1 } }), 'restart /spec/ports /spec/port');
  }
});

test('listeners whose ranges change together are opened anew, since one may want what the other gives up', () => {
  const on = (name: string, ports: string): Definition => ({ ...listener, name, spec: { protocol: 'UDP', ports } });
  const changes = [
    { before: on('a', '1-9'), after: on('a', '1-5') },
    { before: on('b', '10-19'), after: on('b', '6-19') },
  ];
  assert.deepEqual(
    plan(changes, RESTARTS).map(({ action }) => action),
    ['restart', 'restart'],
  );
});

test('a range shrinks before another listener takes what it gives up', () => {
  const on = (name: string, ports: string): Definition => ({ ...listener, name, spec: { protocol: 'UDP', ports } });
  const changes = [
    { before: undefined, after: on('b', '6-9') },
    { before: on('a', '1-9'), after: on('a', '1-5') },
  ];
  assert.deepEqual(
    plan(changes, RESTARTS).map(({ action }) => action),
    ['update', 'create'],
  );
});

test('a field of the specification that a protocol takes up in place updates its object, beside others it does not', () => {
  const http = { ...listener, spec: { protocol: 'HTTP', port: 1 } };
  const spec = { ...http.spec, path: '/' };
  assert.equal(becomes(http, { ...http, spec }), 'update /spec/path');
  assert.equal(becomes(http, { ...http, spec: { ...spec, port: 2 } }), 'restart /spec/port /spec/path');
});

test('an option that a protocol looks at each time updates its listener', () => {
  const websocket = { ...listener, spec: { protocol: 'WebSocket', port: 1 } };
  assert.equal(becomes(websocket, { ...websocket, options: { accept: 'connected' } }), 'update /options/accept');
});

test('other rules update the rulelist', () => {
  assert.equal(becomes(rulelist, { ...rulelist, rules: [] }), 'update /rules');
});

test('another cluster updates an endpoint', () => {
  const endpoint: EndpointDefinition = {
    kind: 'endpoint',
    name: 'e',
    cluster: 'a',
    address: 'x',
    port: undefined,
    weight: 1,
  };
  assert.equal(becomes(endpoint, { ...endpoint, cluster: 'b' }), 'update /cluster');
});

test('another order of its endpoints updates a cluster', () => {
  const change: Change = { before: cluster, after: cluster, order: ['b', 'a'] };
  assert.deepEqual(decide(change, RESTARTS)?.fields, ['/endpoints']);
});

test('what is referred to comes first and goes last', () => {
  const both: Definition[] = [listener, cluster, rulelist];
  const created = plan(
    both.map((after) => ({ before: undefined, after })),
    RESTARTS,
  );
  assert.deepEqual(
    created.map(({ after }) => after?.kind),
    ['cluster', 'rulelist', 'listener'],
  );
  const deleted = plan(
    both.map((before) => ({ before, after: undefined })),
    RESTARTS,
  );
  assert.deepEqual(
    deleted.map(({ before }) => before?.kind),
    ['listener', 'rulelist', 'cluster'],
  );
});
