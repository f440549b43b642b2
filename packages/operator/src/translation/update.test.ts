/** What an update takes up, and what it leaves alone. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Metadata } from '../resources/objects.ts';
import type { Wish } from './contract.ts';
import type { DerivedObject } from './derived.ts';
import { complete, FakeCluster, pod } from './testing.ts';
import { makeTranslation } from './translation.ts';

const OPTIONS = { proxyPort: 1234, allowCrossNamespace: false };
const BACKEND = '/l7mp.io/v1/Target/default/backend';

const virtualService = (name: string, app: string, port: number, destination: unknown) =>
  complete({
    kind: 'VirtualService',
    metadata: { name },
    spec: {
      selector: { matchLabels: { app } },
      listener: { spec: { UDP: { port } }, rules: [{ action: { route: { destination } } }] },
    },
  });

const target = (name: string, app: string) =>
  complete({
    kind: 'Target',
    metadata: { name },
    spec: { cluster: { spec: { UDP: { port: 53 } }, endpoints: [{ selector: { matchLabels: { app } } }] } },
  });

function backend(ready: boolean) {
  const conditions = [{ type: 'Ready', status: ready ? 'True' : 'False' }];
  const containers = [{ name: 'dns' }];
  return pod('b', { app: 'backend' }, '10.2.0.1', { spec: { containers }, status: { podIP: '10.2.0.1', conditions } });
}

/** Two proxies with the Target `backend`, and one without. */
function mesh() {
  const cluster = new FakeCluster();
  const translation = makeTranslation(cluster, OPTIONS);
  translation.update(
    cluster.put(
      pod('p1', { app: 'one' }, '10.1.0.1'),
      pod('p2', { app: 'one' }, '10.1.0.2'),
      pod('p3', { app: 'two' }, '10.1.0.3'),
      backend(true),
      target('backend', 'backend'),
      target('others', 'others'),
      virtualService('v1', 'one', 1, 'backend'),
      virtualService('v2', 'one', 2, 'others'),
      virtualService('v3', 'two', 3, 'others'),
    ),
  );
  const wish = (name: string) => translation.wish(`Pod/default/${name}`) as Wish;
  return { cluster, translation, wish };
}

describe('an update', () => {
  it('of a backend that is not ready any more touches the cluster that has it, and nothing else', () => {
    const { cluster, translation, wish } = mesh();
    const [before, other] = [wish('p1'), wish('p3')];
    const concerned = translation.update(cluster.put(backend(false)));
    assert.deepEqual([...concerned.proxies].sort(), ['Pod/default/p1', 'Pod/default/p2']);
    assert.deepEqual([...concerned.objects], []);
    assert.deepEqual(wish('p1').clusters.get(BACKEND)?.endpoints.get(`${BACKEND}/10.2.0.1`), {
      spec: { address: '10.2.0.1' },
      weight: 0,
    });
    assert.equal(wish('p1'), wish('p2'), 'one wish for both');
    assert.equal(wish('p3'), other);
    for (const part of ['listeners', 'rulelists', 'rules', 'routes'] as const)
      assert.equal(wish('p1')[part], before[part]);
    assert.equal(wish('p1').clusters.get(BACKEND)?.definition, before.clusters.get(BACKEND)?.definition);
    const others = '/l7mp.io/v1/Target/default/others';
    assert.equal(wish('p1').clusters.get(others), before.clusters.get(others));
  });

  it('that changes nothing concerns nobody', () => {
    const { cluster, translation } = mesh();
    const concerned = translation.update([
      ...cluster.keys(),
      { kind: 'Target', namespace: 'default', name: 'never-was' },
    ]);
    assert.deepEqual([[...concerned.proxies], [...concerned.objects]], [[], []]);
  });

  it('of an address or of a container that was started again concerns that proxy alone', () => {
    const { cluster, translation, wish } = mesh();
    const before = wish('p1');
    const moved = translation.update(cluster.put(pod('p1', { app: 'one' }, '10.1.0.9')));
    assert.deepEqual([...moved.proxies], ['Pod/default/p1']);
    assert.equal(translation.proxies.get('Pod/default/p1')?.address, '10.1.0.9');
    const status = { podIP: '10.1.0.9', containerStatuses: [{ name: 'l7mp', ready: false, containerID: 'second' }] };
    const restarted = translation.update(cluster.put(pod('p1', { app: 'one' }, '', { status })));
    assert.deepEqual([...restarted.proxies], ['Pod/default/p1']);
    assert.equal(translation.proxies.get('Pod/default/p1')?.incarnation, 'second');
    assert.equal(wish('p1'), before);
  });

  it('leaves a proxy that nothing selects any more with an empty wish, and forgets one that has gone', () => {
    const { cluster, translation, wish } = mesh();
    const unselected = translation.update([
      cluster.remove({ kind: 'VirtualService', namespace: 'default', name: 'v3' }),
    ]);
    assert.deepEqual([...unselected.proxies], ['Pod/default/p3']);
    assert.deepEqual(
      Object.values(wish('p3')).map(({ size }: ReadonlyMap<string, unknown>) => size),
      [0, 0, 0, 0, 0],
    );
    const gone = translation.update([cluster.remove({ kind: 'Pod', namespace: 'default', name: 'p3' })]);
    assert.deepEqual([...gone.proxies], ['Pod/default/p3']);
    assert.equal(translation.wish('Pod/default/p3'), undefined);
    assert.equal(translation.proxies.has('Pod/default/p3'), false);
  });
});

describe('objects that another front derives', () => {
  const GATEWAY = '/gateway.networking.k8s.io/v1/Gateway/default/edge/dns';
  const ROUTE = '/gateway.networking.k8s.io/v1/UDPRoute/default/dns/rules/0';
  const metadata = (name: string): Metadata =>
    complete({ kind: 'Gateway', metadata: { name, generation: 4 } }).metadata;

  function withGateway() {
    const derived = new Map<string, DerivedObject>([
      [
        GATEWAY,
        {
          kind: 'VirtualService',
          fullName: GATEWAY,
          source: 'Gateway',
          metadata: metadata('edge'),
          spec: {
            selector: { matchLabels: { app: 'one' } },
            listener: { spec: { UDP: { port: 53 } }, rules: [{ action: { route: { destinationRef: ROUTE } } }] },
          },
        },
      ],
      [
        ROUTE,
        {
          kind: 'Target',
          fullName: ROUTE,
          source: 'UDPRoute',
          metadata: metadata('dns'),
          spec: {
            cluster: {
              spec: { UDP: { port: 1 } },
              endpoints: [{ name: 'first', spec: { address: '10.3.0.1', port: 5353 }, weight: 7 }],
            },
          },
        },
      ],
    ]);
    const cluster = new FakeCluster();
    const translation = makeTranslation(cluster, OPTIONS, derived);
    translation.update(cluster.put(pod('p1', { app: 'one' }, '10.1.0.1')), derived.keys());
    return { cluster, derived, translation };
  }

  it('are on proxies under their own names, and judged as what they come from', () => {
    const { translation } = withGateway();
    const wish = translation.wish('Pod/default/p1') as Wish;
    assert.deepEqual([...wish.listeners.keys()], [GATEWAY]);
    assert.equal(wish.routes.get(`${GATEWAY}/rules/0/route`)?.destination, ROUTE);
    const endpoint = { spec: { address: '10.3.0.1', port: 5353 }, weight: 7 };
    assert.deepEqual([...(wish.clusters.get(ROUTE)?.endpoints ?? [])], [[`${ROUTE}/first`, endpoint]]);
    const verdict = translation.verdicts.get(GATEWAY);
    assert.deepEqual(verdict?.key, { kind: 'Gateway', namespace: 'default', name: 'edge' });
    assert.equal(verdict?.generation, 4);
    assert.deepEqual([...(verdict?.proxies ?? [])], ['Pod/default/p1']);
  });

  it('go when their maker has them no more', () => {
    const { derived, translation } = withGateway();
    derived.delete(ROUTE);
    const concerned = translation.update([], [ROUTE]);
    assert.deepEqual([...concerned.objects].sort(), [GATEWAY, ROUTE]);
    const wish = translation.wish('Pod/default/p1') as Wish;
    assert.equal(wish.clusters.size, 0);
    assert.equal(wish.routes.get(`${GATEWAY}/rules/0/route`)?.destination, `${ROUTE}:RefNotFound`);
  });

  it('cannot be referred to by what somebody writes', () => {
    const { cluster, translation } = withGateway();
    translation.update(cluster.put(virtualService('thief', 'one', 99, ROUTE)));
    const name = '/l7mp.io/v1/VirtualService/default/thief';
    const wish = translation.wish('Pod/default/p1') as Wish;
    assert.equal(wish.routes.get(`${name}/rules/0/route`)?.destination, `${ROUTE}:RefNotFound`);
    assert.equal(translation.verdicts.get(name)?.conditions[1]?.reason, 'RefNotFound');
  });
});
