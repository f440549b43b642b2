import assert from 'node:assert/strict';
import { test } from 'node:test';
import { defineProtocol } from '../core/protocol.ts';
import { Registry } from '../core/registry.ts';
import type { ClusterDefinition } from '../model/definitions.ts';
import { keepSecrets } from './secrets.ts';

const REGISTRY = new Registry([
  defineProtocol({
    name: 'Keyed',
    title: '',
    cluster: {
      schema: ({ strict, Type }) => strict({ certificates: Type.Array(Type.Object({ key: Type.String() })) }),
      kind: 'same',
      secrets: ({ certificates }) => certificates.map((_one, n) => `/certificates/${n}/key`),
      open: () => ({ dial: () => assert.fail() }),
    },
  }),
]);

const keyed = (...keys: string[]): ClusterDefinition => ({
  kind: 'cluster',
  name: 'c',
  owner: undefined,
  spec: { protocol: 'Keyed', certificates: keys.map((key) => ({ key })) },
  loadbalancer: { policy: 'Trivial' },
  options: {},
});

test('what was read and is written back keeps its secrets, beside others that change', () => {
  const before = keyed('one', 'two');
  const { after } = keepSecrets({ before, after: keyed('<redacted>', 'new') }, REGISTRY);
  assert.deepEqual(after, keyed('one', 'new'));
  assert.deepEqual(before, keyed('one', 'two'));
});

test('a secret that was not there cannot be kept', () => {
  const message = /^\/cluster\/spec\/certificates\/1\/key: <redacted> stands for what was not shown/;
  for (const before of [undefined, keyed('one')]) {
    assert.throws(() => keepSecrets({ before, after: keyed('x', '<redacted>') }, REGISTRY), {
      message,
      code: 'E_INVALID',
    });
  }
});

test('a change without any is handed on as it is', () => {
  const change = { before: keyed('one'), after: keyed('two') };
  assert.equal(keepSecrets(change, REGISTRY), change);
});
