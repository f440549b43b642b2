import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Registry } from '../core/registry.ts';
import type { Kind } from '../model/definitions.ts';
import { PROTOCOLS } from '../protocols.ts';
import { NOTHING, Normalizer } from './normalize.ts';

const REGISTRY = new Registry(PROTOCOLS);
const UDP = { protocol: 'UDP', port: 7 };

const taking = (kind: Kind, ...names: string[]) => ({ of: (one: Kind) => new Set(one === kind ? names : []) });

/** The names of what is made, by kind. */
function namesOf({ definitions }: Normalizer, kind: Kind): string[] {
  return definitions.filter((one) => one.kind === kind).map(({ name }) => name);
}

test('an inline object knows its owner, one with a place of its own has none', () => {
  const normalizer = new Normalizer(NOTHING, REGISTRY);
  normalizer.config({
    clusters: [{ name: 'c', spec: UDP }],
    routes: [{ name: 'r', destination: 'c', ingress: [{ spec: UDP }], egress: [{ name: 'd', spec: UDP }] }],
    listeners: [{ name: 'l', spec: UDP, rules: [{ action: { route: { destination: 'd' } } }] }],
  });
  const owners = normalizer.definitions.map((one) => [one.name, 'owner' in one ? one.owner : 'none']);
  assert.deepEqual(owners, [
    ['c', undefined],
    ['r-ingress-Cluster-0', 'r'],
    ['d', 'r'],
    ['r', undefined],
    ['l-RuleList-0-Rule-0-Route-0', 'l-RuleList-0-Rule-0'],
    ['l-RuleList-0-Rule-0', 'l-RuleList-0'],
    ['l-RuleList-0', 'l'],
    ['l', 'none'],
  ]);
});

test('names that a configuration gives go before automatic ones', () => {
  const normalizer = new Normalizer(NOTHING, REGISTRY);
  normalizer.config({
    rulelists: [
      { name: 'a', rules: [{ action: { apply: 'x' } }] },
      { name: 'b', rules: ['a-Rule-0'] },
    ],
    rules: [{ name: 'a-Rule-0', action: { apply: 'y' } }],
  });
  assert.deepEqual(namesOf(normalizer, 'rule'), ['a-Rule-0', 'a-Rule-0_1']);
});

test('a name that is taken, there or in the same change, is refused', () => {
  const add = (normalizer: Normalizer, name: string) => normalizer.cluster({ name, spec: UDP });
  assert.throws(() => add(new Normalizer(taking('cluster', 'c'), REGISTRY), 'c'), { code: 'E_DUPLICATE' });
  const normalizer = new Normalizer(taking('route', 'c'), REGISTRY);
  add(normalizer, 'c');
  assert.throws(() => add(normalizer, 'c'), {
    code: 'E_DUPLICATE',
    message: '/cluster/name: there is a cluster named "c" already',
  });
});

test('automatic names are the first that are free, however many are taken', () => {
  for (const taken of [0, 1, 2, 3, 4, 7, 8, 9, 100, 10_000]) {
    const names = Array.from({ length: taken }, (_, n) => (n === 0 ? 'l-Rule-0' : `l-Rule-0_${n}`));
    const asked: string[] = [];
    const known = new Set(names);
    const existing = { of: () => ({ has: (name: string) => asked.push(name) > 0 && known.has(name) }) };
    const name = new Normalizer(existing, REGISTRY).ruleRef({ action: { apply: 'x' } }, 'l', 0);
    assert.equal(name, taken === 0 ? 'l-Rule-0' : `l-Rule-0_${taken}`);
    assert.ok(asked.length < 40, `${asked.length} look-ups`);
  }
});

test('a cluster has the endpoint that its protocol says, unless it is given others, in it or beside it', () => {
  const spec = { protocol: 'UnixDomainSocket', filename: '/x' };
  const normalizer = new Normalizer(NOTHING, REGISTRY);
  normalizer.config({
    clusters: [
      { name: 'a', spec },
      { name: 'b', spec, endpoints: [{ spec: { address: '/y' } }] },
      { name: 'c', spec, endpoints: 1 },
      { name: 'd', spec, endpoints: 0 },
    ],
    endpoints: [{ name: 'e', cluster: 'c', spec: { address: '/z' } }],
  });
  assert.deepEqual(namesOf(normalizer, 'endpoint'), ['a-EndPoint-0', 'b-EndPoint-0', 'e']);
});
