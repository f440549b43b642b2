import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ClusterDefinition, Definition, ListenerDefinition, RuleListDefinition } from './definitions.ts';
import { decide, plan } from './plan.ts';

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

test('what was not there is created, what shall not be there is deleted', () => {
  assert.equal(decide({ before: undefined, after: listener }), 'create');
  assert.equal(decide({ before: listener, after: undefined }), 'delete');
});

test('an equal definition changes nothing', () => {
  assert.equal(decide({ before: listener, after: structuredClone(listener) }), 'none');
});

test('a changed port restarts the listener', () => {
  assert.equal(decide({ before: listener, after: { ...listener, spec: { protocol: 'TCP', port: 2 } } }), 'restart');
});

test('other rules only update the listener', () => {
  assert.equal(decide({ before: listener, after: { ...listener, rules: 'other' } }), 'update');
});

test('another protocol restarts the cluster', () => {
  assert.equal(decide({ before: cluster, after: { ...cluster, spec: { protocol: 'UDP', port: 1 } } }), 'restart');
});

test('other rules update the rulelist', () => {
  assert.equal(decide({ before: rulelist, after: { ...rulelist, rules: [] } }), 'update');
});

test('what is referred to comes first and goes last', () => {
  const both: Definition[] = [listener, cluster, rulelist];
  const created = plan(both.map((after) => ({ before: undefined, after })));
  assert.deepEqual(
    created.map(({ after }) => after?.kind),
    ['cluster', 'rulelist', 'listener'],
  );
  const deleted = plan(both.map((before) => ({ before, after: undefined })));
  assert.deepEqual(
    deleted.map(({ before }) => before?.kind),
    ['listener', 'rulelist', 'cluster'],
  );
});

test('deletions come after everything that may fail', () => {
  const steps = plan([
    { before: rulelist, after: undefined },
    { before: undefined, after: listener },
  ]);
  assert.deepEqual(
    steps.map(({ action }) => action),
    ['create', 'delete'],
  );
});
