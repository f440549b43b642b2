/** Whatever is wished, and whatever somebody does by hand meanwhile: in the end a proxy has what was wished last, and all of the others'. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import type { Client } from '@l7mp/client';
import fc from 'fast-check';
import { freePort } from '../../../../src/testing/ports.ts';
import { until } from '../../../../src/testing/until.ts';
import { podAt, startProxies, startRealProxy, type Written, wishOf } from '../../testing/proxies.ts';
import { at, local } from '../../testing/service.ts';
import { diff } from './diff.ts';
import { NormalForms } from './normal-form.ts';
import { readingOf } from './reading.ts';

const RUNS = 25;
const NAMES = ['a', 'b', 'c'];
/** Some of each kind, by a letter, in an order of their own. */
const some = <T>(value: fc.Arbitrary<T>) =>
  fc.uniqueArray(fc.tuple(fc.constantFrom(...NAMES), value), { selector: ([name]) => name, maxLength: NAMES.length });

const clusterOf = fc.record({
  port: fc.constantFrom(7, 9),
  policy: fc.constantFrom('Trivial', 'RoundRobin'),
  endpoints: fc.uniqueArray(fc.tuple(fc.integer({ min: 1, max: 8 }), fc.constantFrom(0, 1, 2)), {
    selector: ([n]) => n,
    maxLength: 7,
  }),
});

const wished = fc.record({
  clusters: some(clusterOf),
  routes: some(
    fc.record({ destination: fc.constantFrom(...NAMES), retry: fc.constantFrom(undefined, 'always', 'never') }),
  ),
  rules: some(fc.constantFrom(...NAMES)),
  rulelists: some(fc.array(fc.constantFrom(...NAMES), { maxLength: 4 })),
  listeners: some(fc.constantFrom(...NAMES)),
  // Ports go from one to another.
  turn: fc.nat(2),
});

type Wished = typeof wished extends fc.Arbitrary<infer T> ? T : never;

function written(value: Wished, ports: readonly number[]): Written {
  const named = <T>(kind: string, list: [string, T][], make: (value: T, name: string) => object) =>
    Object.fromEntries(list.map(([name, one]) => [at(kind, name), make(one, at(kind, name))])) as Record<string, never>;
  const portOf = (name: string) => ports[(NAMES.indexOf(name.slice(-1)) + value.turn) % ports.length];
  return {
    clusters: named('Target', value.clusters, ({ port, policy, endpoints }, name) => ({
      spec: { protocol: 'UDP', port },
      loadbalancer: { policy },
      endpoints: Object.fromEntries(
        endpoints.map(([n, weight]) => [`${name}/10.0.0.${n}`, { spec: { address: `10.0.0.${n}` }, weight }]),
      ),
    })),
    routes: named('Route', value.routes, ({ destination, retry }) => ({
      destination: at('Target', destination),
      ...(retry && { retry: { retry_on: retry } }),
    })),
    rules: named('Rule', value.rules, (route) => ({ action: { route: at('Route', route) } })),
    rulelists: named('RuleList', value.rulelists, (rules) => ({ rules: rules.map((name) => at('Rule', name)) })),
    listeners: named('VirtualService', value.listeners, (rules, name) => ({
      spec: { protocol: 'UDP', port: portOf(name), ...local },
      rules: at('RuleList', rules),
    })),
  };
}

/** What somebody does by hand: `others` is whether it is about an object that is none of ours. */
interface ByHand {
  readonly others: boolean;
  run(client: Client): Promise<unknown>;
}

const KINDS = {
  clusters: 'Target',
  routes: 'Route',
  rules: 'Rule',
  rulelists: 'RuleList',
  listeners: 'VirtualService',
} as const;
const kinds = fc.constantFrom(...(Object.keys(KINDS) as (keyof typeof KINDS)[]));
const names = fc.constantFrom(...NAMES);

const byHand: fc.Arbitrary<ByHand> = fc.oneof(
  fc.tuple(kinds, names).map(([kind, name]) => ({
    others: false,
    run: (client: Client) => client.delete(`/${kind}/{name}`, { params: { name: at(KINDS[kind], name) } }),
  })),
  fc.tuple(names, fc.boolean()).map(([name, others]) => ({
    others,
    run: (client: Client) => {
      const cluster = { spec: { protocol: 'TCP', port: 1 }, endpoints: [{ spec: { address: '10.9.9.9' } }] };
      return client.put('/clusters/{name}', {
        params: { name: others ? `hand-${name}` : at('Target', name) },
        body: { cluster },
      });
    },
  })),
  fc.tuple(names, names).map(([name, route]) => ({
    others: false,
    run: (client: Client) => {
      const params = { name: at('RuleList', name), position: '0' };
      const rule = { action: { route: { destination: at('Target', route) } } };
      return client.post('/rulelists/{name}/rules/{position}', { params, body: { rule } });
    },
  })),
  fc.tuple(names, fc.boolean()).map(([name, others]) => ({
    others,
    run: (client: Client) => {
      const rulelist = {
        name: `${others ? '/hand' : '/l7mp.io'}/${name}`,
        rules: [{ action: { route: { destination: 'x' } } }],
      };
      return client.post('/rulelists', { body: { rulelist } });
    },
  })),
  fc.tuple(names, fc.integer({ min: 1, max: 8 })).map(([name, n]) => ({
    others: false,
    run: (client: Client) =>
      client.delete('/endpoints/{name}', { params: { name: `${at('Target', name)}/10.0.0.${n}` } }),
  })),
  names.map((name) => ({
    others: false,
    run: (client: Client) => {
      const endpoint = { spec: { address: '10.8.8.8' } };
      return client.post('/clusters/{name}/endpoints', { params: { name: at('Target', name) }, body: { endpoint } });
    },
  })),
);

test('any sequence of wishes and changes by hand ends in the last wish, with all of the others’ untouched', async (t) => {
  const proxy = await startRealProxy(t);
  const ports = await Promise.all(NAMES.map(() => freePort()));
  const pod = podAt('127.0.0.1');
  const timing = { interval: 15, retry: { first: 5, most: 20 }, refused: { first: 5, most: 20 } };
  const { proxies, watcher, reaches } = startProxies(t, { port: proxy.port, timing });
  const forms = new NormalForms();
  const read = async () => {
    const { etag, body } = await proxy.client.config();
    return readingOf(etag, body);
  };

  const sequence = fc.array(fc.oneof(wished, byHand), { maxLength: 8 });
  await fc.assert(
    fc.asyncProperty(sequence, wished, async (steps, last) => {
      let { others } = await read();
      for (const step of steps) {
        if (!('run' in step)) {
          proxies.program(pod, wishOf(written(step, ports)));
          continue;
        }
        // What is not there cannot be changed, and what is there cannot be made: both are fine.
        await step.run(proxy.client).catch(() => {});
        if (step.others) ({ others } = await read());
      }
      const wish = wishOf(written(last, ports));
      proxies.program(pod, wish);
      await until(async () => diff((await read()).ours, wish, forms).length === 0, 'the proxy has what is wished');
      await reaches(pod.uid, 'programmed');
      assert.ok(isDeepStrictEqual((await read()).others, others), 'what is of others is as it was');
    }),
    { numRuns: RUNS, endOnFailure: true },
  );

  const [work, checks] = [watcher.work.length, watcher.count('check')];
  await until(() => watcher.count('check') > checks + 5, 'it has looked again');
  assert.equal(watcher.work.length, work, 'and then there is nothing more to do');
});
