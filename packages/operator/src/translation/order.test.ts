/** Whatever comes in whatever order and groups: the result is that of the objects as they are now, and what an update says has changed has. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import type { Key } from '../cluster/contract.ts';
import type { AnyObject } from '../resources/objects.ts';
import type { Concerned, Translation, TranslationOptions, Wish } from './contract.ts';
import { complete, configurationOf, FakeCluster, keyOf, resultOf, type Written } from './testing.ts';
import { makeTranslation } from './translation.ts';

const NAMESPACES = ['default', 'other'];
/** So few that most references lead somewhere. */
const NAMES = ['a', 'b'];
const LABELS = ['x', 'y'];

const name = fc.constantFrom(...NAMES);
const namespace = fc.constantFrom('default', 'default', 'default', ...NAMESPACES);
const port = fc.constantFrom(100, 200, 1234);
const optional = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> => fc.option(value, { nil: undefined });
const label = fc.constantFrom(...LABELS);

const selector = fc.oneof(
  { weight: 4, arbitrary: label.map((app) => ({ matchLabels: { app } })) },
  fc.constant({}),
  label.map((app) => ({ matchExpressions: [{ key: 'app', operator: 'NotIn', values: [app] }] })),
  fc.record({ matchNamespace: namespace }),
  fc.record({ matchService: name }),
  fc.constant({ matchFields: [{ key: 'spec.nodeName', operator: 'In', values: ['node-a'] }] }),
);
const reference = (kind: string) =>
  fc.oneof(
    { weight: 3, arbitrary: name },
    fc.tuple(namespace, name).map(([ns, one]) => `/l7mp.io/v1/${kind}/${ns}/${one}`),
  );
const cluster = fc.record({
  spec: fc.oneof(
    port.map((p) => ({ UDP: { port: p } })),
    fc.constant({ Echo: {} }),
  ),
  endpoints: fc.array(
    fc.oneof(
      fc.record({ selector, weight: optional(fc.constantFrom(0, 1, 5)) }),
      fc.record({ spec: fc.record({ address: fc.constantFrom('10.0.0.1', '10.0.0.2') }) }),
    ),
    { maxLength: 2 },
  ),
});
const route = fc.record({
  destination: fc.oneof(reference('Target'), cluster),
  ingress: fc.array(fc.oneof(name, fc.record({ clusterRef: reference('Target') }), fc.record({ cluster })), {
    maxLength: 2,
  }),
});
const rule = fc.record({
  name: optional(fc.constantFrom('first', '0')),
  action: fc.oneof(
    fc.record({ route }),
    fc.record({ routeRef: reference('Route') }),
    fc.record({ apply: reference('RuleList') }),
  ),
});
const rules = fc.array(rule, { maxLength: 3 });
const listened = fc.oneof(
  port.map((p) => ({ UDP: { port: p, connect: { port: 1 } } })),
  fc
    .tuple(port, optional(fc.constantFrom('127.0.0.1', '::')))
    .map(([p, address]) => ({ TCP: { port: p, ...(address && { address }) } })),
  port.map((p) => ({ JSONSocket: { transport: { UDP: { port: p } } } })),
  fc.constant({ UnixDomainSocket: { filename: '/tmp/socket' } }),
);

const specs: { readonly [kind: string]: fc.Arbitrary<Record<string, unknown>> } = {
  VirtualService: fc.record({
    selector,
    listener: fc.oneof(
      fc.record({ spec: listened, rules }),
      fc.record({ spec: listened, rulesRef: reference('RuleList') }),
    ),
  }),
  Target: fc
    .record({
      selector: optional(selector),
      ...({} as object),
    })
    .chain((base) =>
      fc.oneof(
        cluster.map((one) => ({ ...base, cluster: one })),
        reference('VirtualService').map((linkedVirtualService) => ({ ...base, linkedVirtualService })),
      ),
    ),
  Route: fc.record({ selector: optional(selector), route }),
  RuleList: fc.record({ selector: optional(selector), rules }),
  Rule: fc.record({ selector: optional(selector), rulelist: name, position: optional(fc.nat(3)), rule }),
};

const written = fc.constantFrom(...Object.keys(specs)).chain((kind) =>
  fc.record({
    kind: fc.constant(kind),
    metadata: fc.record({
      name,
      namespace,
      creationTimestamp: fc.constantFrom('2026-01-01T00:00:00Z', '2026-01-02T00:00:00Z'),
      generation: fc.constantFrom(1, 2),
    }),
    spec: specs[kind] as fc.Arbitrary<Record<string, unknown>>,
  }),
);
const podWritten = fc
  .record({
    metadata: fc.record({
      name: fc.constantFrom('p', 'q', 'r'),
      namespace,
      labels: label.map((app) => ({ app })),
      uid: fc.constantFrom('0', '0', '0', '0', '1'),
      deletionTimestamp: optional(fc.constant('2026-01-03T00:00:00Z')),
    }),
    port: fc.constantFrom(80, 1234, 1234, 1234),
    podIP: optional(fc.constantFrom('10.1.0.1', '10.1.0.2', '10.1.0.3')),
    phase: fc.constantFrom('Running', 'Running', 'Running', 'Failed'),
    ready: fc.boolean(),
    nodeName: fc.constantFrom('node-a', 'node-b'),
    containerID: fc.constantFrom('one', 'two'),
  })
  .map(
    ({
      metadata: { uid, deletionTimestamp, ...metadata },
      port: containerPort,
      podIP,
      phase,
      ready,
      nodeName,
      containerID,
    }) => ({
      kind: 'Pod',
      metadata: {
        ...metadata,
        uid: `${metadata.namespace}/${metadata.name}/${uid}`,
        ...(deletionTimestamp && { deletionTimestamp }),
      },
      spec: { nodeName, containers: [{ name: 'l7mp', ports: [{ containerPort }] }] },
      status: {
        phase,
        ...(podIP && { podIP }),
        conditions: [{ type: 'Ready', status: ready ? 'True' : 'False' }],
        containerStatuses: [{ name: 'l7mp', ready, containerID }],
      },
    }),
  );
const service = fc.record({
  kind: fc.constant('Service'),
  metadata: fc.record({ name, namespace }),
  spec: fc.record({
    selector: optional(label.map((app) => ({ app }))),
    ports: fc.constantFrom([], [{ port: 53, targetPort: 100, protocol: 'UDP' }]),
  }),
});
const slice = fc
  .record({
    name,
    namespace,
    service: name,
    ready: fc.boolean(),
    address: fc.constantFrom('10.1.0.1', '10.1.0.9'),
    pod: fc.constantFrom('p', 'q'),
  })
  .map(({ name: own, namespace: ns, service: of, ready, address, pod }) => ({
    kind: 'EndpointSlice',
    metadata: { name: own, namespace: ns, labels: { 'kubernetes.io/service-name': of } },
    addressType: 'IPv4',
    ports: [{ port: 100, protocol: 'UDP' }],
    endpoints: [{ addresses: [address], conditions: { ready }, targetRef: { kind: 'Pod', name: pod } }],
  }));
const grant = fc
  .record({ name, namespace, to: fc.constantFrom('Target', 'VirtualService', 'Service', 'Pod', 'RuleList') })
  .map(({ name: own, namespace: ns, to }) => ({
    kind: 'ReferenceGrant',
    metadata: { name: own, namespace: ns },
    spec: {
      from: NAMESPACES.map((from) => ({ group: 'l7mp.io', kind: 'VirtualService', namespace: from })),
      to: [{ group: to === 'Service' || to === 'Pod' ? '' : 'l7mp.io', kind: to }],
    },
  }));

const object = fc
  .oneof({ weight: 4, arbitrary: written }, { weight: 3, arbitrary: podWritten }, service, slice, grant)
  .map((one) => complete(one as unknown as Written));
/** Objects that come or change, or keys of what goes. */
const goes = fc.constantFrom(false, false, true);
const events = fc.array(fc.array(fc.tuple(goes, object), { minLength: 1, maxLength: 8, size: 'max' }), {
  maxLength: 16,
  size: 'max',
});

const OPTIONS: readonly TranslationOptions[] = [
  { proxyPort: 1234, allowCrossNamespace: false },
  { proxyPort: 1234, allowCrossNamespace: true },
];

function apply(cluster: FakeCluster, batch: readonly (readonly [boolean, AnyObject])[]): Key[] {
  return batch.flatMap(([goes, one]) => (goes ? cluster.remove(keyOf(one)) : cluster.put(one)));
}

function contentOf(wish: Wish | undefined): unknown {
  return wish && configurationOf(wish);
}

/** What an update said has changed, against what has. */
function checkConcerned(before: Translation, after: Translation, { proxies, objects }: Concerned): void {
  for (const uid of new Set([...before.proxies.keys(), ...after.proxies.keys()])) {
    const [old, now] = [before, after].map((one) => [one.proxies.get(uid), contentOf(one.wish(uid))]);
    const has = isDeepStrictEqual(old, now);
    assert.equal(proxies.has(uid), !has, `proxy ${uid}`);
  }
  for (const full of new Set([...before.verdicts.keys(), ...after.verdicts.keys()])) {
    assert.equal(objects.has(full), before.verdicts.get(full) !== after.verdicts.get(full), `verdict of ${full}`);
  }
}

/** A copy of what is said now; wishes and verdicts are never changed. */
function frozen({ proxies, verdicts, ...rest }: Translation, wish: Translation['wish']): Translation {
  const wishes = new Map([...proxies.keys()].map((uid) => [uid, wish(uid)]));
  return { ...rest, proxies: new Map(proxies), verdicts: new Map(verdicts), wish: (uid) => wishes.get(uid) };
}

describe('the order of events', () => {
  it('does not matter, and each update tells exactly what is another one now', () => {
    fc.assert(
      fc.property(fc.constantFrom(...OPTIONS), events, fc.integer(), (options, batches, seed) => {
        const cluster = new FakeCluster();
        const translation = makeTranslation(cluster, options);
        for (const batch of batches) {
          const before = frozen(translation, (uid) => translation.wish(uid));
          const said = resultOf(before);
          const concerned = translation.update(apply(cluster, batch));
          assert.deepEqual(resultOf(before), said, 'what was given out is never changed');
          checkConcerned(before, translation, concerned);
        }
        const scratch = makeTranslation(cluster, options);
        const keys = cluster.keys();
        const half = Math.abs(seed) % (keys.length + 1);
        scratch.update(keys.slice(half));
        scratch.update(keys.slice(0, half));
        assert.deepEqual(resultOf(translation), resultOf(scratch));
      }),
      // A run takes some 10 ms; RUNS=20000 is for who has changed something here.
      { numRuns: Number(process.env.RUNS ?? 300) },
    );
  });
});
