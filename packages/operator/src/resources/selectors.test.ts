import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Pod, Requirement } from './objects.ts';
import { matches, NO_PODS, type Query, queryKey } from './selectors.ts';

const POD = {
  kind: 'Pod',
  metadata: { name: 'p', namespace: 'default', labels: { app: 'web', empty: '' } },
  spec: { containers: [], nodeName: 'n', hostNetwork: true },
  status: {},
} as unknown as Pod;

const query = (part: Partial<Query>): Query => ({ labels: [], expressions: [], fields: [], ...part });
const requirement = (key: string, operator: Requirement['operator'], ...values: string[]) => ({
  key,
  operator,
  values,
});

describe('a selector', () => {
  it('without anything matches every pod of its namespaces', () => {
    assert.ok(matches(query({}), POD));
    assert.ok(matches(query({ namespaces: ['other', 'default'] }), POD));
    assert.ok(!matches(query({ namespaces: ['other'] }), POD));
    assert.ok(!matches(NO_PODS, POD));
  });

  it('wants all of its labels', () => {
    assert.ok(matches(query({ labels: [['app', 'web']] }), POD));
    assert.ok(
      !matches(
        query({
          labels: [
            ['app', 'web'],
            ['tier', 'edge'],
          ],
        }),
        POD,
      ),
    );
    assert.ok(!matches(query({ labels: [['constructor', 'x']] }), POD));
  });

  it('has the operators of Kubernetes', () => {
    const holds = (...parts: Parameters<typeof requirement>) =>
      matches(query({ expressions: [requirement(...parts)] }), POD);
    assert.ok(holds('app', 'In', 'x', 'web'));
    assert.ok(!holds('none', 'In', 'web'));
    assert.ok(!holds('app', 'NotIn', 'web'));
    assert.ok(holds('none', 'NotIn', 'web'), 'what is not there has none of the values');
    assert.ok(holds('empty', 'Exists'));
    assert.ok(!holds('toString', 'Exists'));
    assert.ok(holds('none', 'DoesNotExist'));
    assert.ok(!holds('app', 'DoesNotExist'));
  });

  it('looks at fields by dotted paths', () => {
    const holds = (...parts: Parameters<typeof requirement>) =>
      matches(query({ fields: [requirement(...parts)] }), POD);
    assert.ok(holds('spec.nodeName', 'In', 'n'));
    assert.ok(holds('spec.hostNetwork', 'In', 'true'), 'as text');
    assert.ok(holds('metadata.labels.app', 'In', 'web'));
    assert.ok(holds('metadata', 'DoesNotExist'), 'an object is no value');
    assert.ok(holds('spec.nodeName.x.y', 'DoesNotExist'));
  });

  it('is the same in whatever order it is written', () => {
    const one = query({
      labels: [
        ['a', '1'],
        ['b', '2'],
      ],
      expressions: [requirement('k', 'In', 'x', 'y')],
      namespaces: ['m', 'n'],
    });
    const other = query({
      labels: [
        ['b', '2'],
        ['a', '1'],
      ],
      expressions: [requirement('k', 'In', 'y', 'x')],
      namespaces: ['n', 'm'],
    });
    assert.equal(queryKey(one), queryKey(other));
    assert.notEqual(queryKey(query({})), queryKey(NO_PODS));
    assert.notEqual(
      queryKey(query({ fields: [requirement('k', 'Exists')] })),
      queryKey(query({ expressions: [requirement('k', 'Exists')] })),
    );
  });
});
