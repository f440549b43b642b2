import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { POLICIES } from '../../model/policy.ts';
import { createBalancer } from './index.ts';
import { balancerOf, endpoint, NONE, type TestEndpoint } from './testing.ts';

/** What holds whatever the policy, with and without a key. */
const KEYS = [undefined, '', 'client-1', 'client-2', '☃'];

test('the policies are those of the documentation', () => {
  const names = ['Trivial', 'ConsistentHash', 'HashRing', 'RoundRobin', 'Random', 'LeastSessions', 'None'];
  assert.deepEqual([...POLICIES], names);
});

for (const policy of POLICIES) {
  describe(policy, () => {
    const picks = (
      endpoints: TestEndpoint[],
      failed: Iterable<TestEndpoint> = NONE,
      ejected: Iterable<TestEndpoint> = NONE,
      rounds = 20,
    ) => {
      const balancer = balancerOf(policy, endpoints);
      const keys = Array.from({ length: rounds }, () => KEYS).flat();
      return new Set(keys.map((key) => balancer.pick(key, new Set(failed), new Set(ejected))));
    };

    test('has no endpoint before the first update', () => {
      assert.equal(createBalancer(policy).pick('key', NONE, NONE), undefined);
    });

    test('has no endpoint when there is none, or none with a weight', () => {
      assert.deepEqual(picks([]), new Set([undefined]));
      assert.deepEqual(picks([endpoint('a', 0), endpoint('b', 0)]), new Set([undefined]));
    });

    test('gives a single endpoint always, failed or not', () => {
      const only = endpoint('a', 0.1);
      assert.deepEqual(picks([only]), new Set([only]));
      assert.deepEqual(picks([only], [only]), new Set([only]));
    });

    test('gives weight 0 no session, even if all others failed', () => {
      const [drained, live] = [endpoint('a', 0), endpoint('b')];
      assert.deepEqual(picks([drained, live]), new Set([live]));
      assert.deepEqual(picks([drained, live], [live]), new Set([live]));
    });

    test('avoids what failed while others are left', () => {
      const [a, b, c] = [endpoint('a', 5), endpoint('b', 1), endpoint('c', 1)];
      assert.equal(picks([a, b, c], [a]).has(a), false);
      assert.deepEqual(picks([a, b, c], [a, b]), new Set([c]));
    });

    test('uses what failed again when nothing is left', () => {
      const all = [endpoint('a'), endpoint('b')];
      for (const picked of picks(all, all)) assert.ok(picked !== undefined && all.includes(picked));
    });

    test('avoids what is ejected, and what was tried before that', () => {
      const [a, b, c] = [endpoint('a', 5), endpoint('b', 1), endpoint('c', 1)];
      assert.deepEqual(picks([a, b, c], [], [a, c]), new Set([b]));
      assert.deepEqual(picks([a, b, c], [b], [a]), new Set([c]));
      // Nothing else is left to try: an ejected one, rather than one that this session has tried.
      assert.deepEqual(picks([a, b, c], [b, c], [a]), new Set([a]));
      assert.deepEqual(picks([a, b, c], [a, b, c], [a, b]), new Set([c]));
    });

    test('uses all that are ejected when there are no others', () => {
      const all = [endpoint('a'), endpoint('b')];
      for (const picked of picks(all, [], all)) assert.ok(picked !== undefined && all.includes(picked));
    });

    test('does not mind failures of endpoints that are gone', () => {
      const [gone, a] = [endpoint('gone'), endpoint('a')];
      assert.deepEqual(picks([a], [gone]), new Set([a]));
    });

    test('follows a changed weight from the update on', () => {
      const [a, b] = [endpoint('a'), endpoint('b')];
      const balancer = balancerOf(policy, [a, b]);
      a.weight = 0;
      balancer.update([a, b]);
      for (const key of KEYS) assert.equal(balancer.pick(key, NONE, NONE), b);
    });
  });
}
