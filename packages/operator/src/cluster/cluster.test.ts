import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import fc from 'fast-check';
import { ApiClient } from '../kubernetes/api.ts';
import { FakeApi, type FakeObject, refuse } from '../kubernetes/testing.ts';
import { CORE_KINDS, GATEWAY_KINDS, KINDS, type Kind, L7MP_KINDS } from '../resources/kinds.ts';
import { until } from '../testing/until.ts';
import { Cluster, type ClusterOptions } from './cluster.ts';

const TIMINGS = { firstWait: 1, longestWait: 10, lookAgain: 5, duration: 60_000, slack: 60_000, patience: 5000 };
const NEEDED = [...Object.values(L7MP_KINDS), ...Object.values(CORE_KINDS)];

let fake: FakeApi;
let api: ApiClient;
let cluster: Cluster;
let batches: string[][];
let statuses: string[];

async function start(options: Partial<ClusterOptions> = {}): Promise<void> {
  api = new ApiClient(fake.access, 'test');
  batches = [];
  statuses = [];
  cluster = new Cluster({
    api,
    namespaces: [],
    changed: (keys) =>
      void batches.push(keys.map(({ kind, namespace, name }) => `${kind} ${namespace}/${name}`).sort()),
    statusChanged: (keys) => void statuses.push(...keys.map(({ name }) => name)),
    timings: TIMINGS,
    ...options,
  });
  cluster.start();
}

const synced = () => until(() => cluster.isSynced && fake.watchers >= NEEDED.length);

const pod = (name: string, status: object = {}, namespace = 'default'): FakeObject => ({
  metadata: { name, namespace },
  spec: { containers: [{ name: 'l7mp', ports: [{ containerPort: 1234 }] }] },
  status,
});

beforeEach(async () => {
  fake = await FakeApi.start(...NEEDED);
});

afterEach(async () => {
  await cluster.close();
  api.close();
  await fake.close();
});

test('the first batch has all that there is', async () => {
  fake.set(KINDS.Pod, pod('a'));
  fake.set(KINDS.Target, { metadata: { name: 't', namespace: 'x' }, spec: {} });
  await start();
  await synced();
  assert.deepEqual(batches, [['Pod default/a', 'Target x/t']]);
  assert.equal(cluster.snapshot.get('Pod', 'default', 'a')?.metadata.name, 'a');
  assert.equal(cluster.count('Pod'), 1);
});

test('there is a first batch where there is nothing', async () => {
  await start();
  await synced();
  assert.deepEqual(batches, [[]]);
});

test('as long as one needed kind has no complete list, nothing is told', async () => {
  fake.set(KINDS.Pod, pod('a'));
  let isForbidden = true;
  fake.intercept = ({ url }, response) => {
    if (!url.pathname.endsWith('/endpointslices') || !isForbidden) return false;
    refuse(response, 403, 'Forbidden');
    return true;
  };
  await start();
  await until(() => fake.watchers === NEEDED.length - 1);
  fake.set(KINDS.Pod, pod('b'));
  await until(() => cluster.count('Pod') === 2);
  await until(() => cluster.missing.length === 1);
  assert.deepEqual([cluster.isSynced, batches, cluster.missing], [false, [], ['EndpointSlice']]);
  isForbidden = false;
  await synced();
  assert.deepEqual(batches, [['Pod default/a', 'Pod default/b']]);
});

test('kinds of ours are needed; those of the Gateway API may come later', async () => {
  fake.withdraw(KINDS.Target);
  await start();
  await until(() => cluster.missing.length === 1);
  assert.deepEqual(cluster.missing, ['Target']);
  fake.serve(KINDS.Target);
  await synced();
  const beta = { ...GATEWAY_KINDS.ReferenceGrant, version: 'v1beta1' };
  fake.serve(beta);
  fake.set(beta, { metadata: { name: 'g', namespace: 'default' }, spec: { from: [], to: [] } });
  await until(() => cluster.count('ReferenceGrant') === 1);
  assert.deepEqual(batches.at(-1), ['ReferenceGrant default/g']);
});

test('a change of what nobody looks at gives no key', async () => {
  fake.set(KINDS.Pod, pod('a', { phase: 'Running' }));
  await start();
  await synced();
  const heartbeat = { phase: 'Running', containerStatuses: [], conditions: [] };
  fake.set(KINDS.Pod, pod('a', { ...heartbeat, conditions: [{ type: 'Ready', status: 'True', lastProbeTime: '1' }] }));
  await until(() => batches.length === 2);
  for (let n = 2; n < 9; n++) {
    const conditions = [{ type: 'Ready', status: 'True', lastProbeTime: String(n) }];
    fake.set(KINDS.Pod, pod('a', { ...heartbeat, conditions, startTime: undefined }));
  }
  fake.set(KINDS.Pod, pod('b'));
  await until(() => cluster.count('Pod') === 2);
  assert.deepEqual(batches.slice(2), [['Pod default/b']]);
});

test('a status that somebody has written is told apart', async () => {
  const target = { metadata: { name: 't', namespace: 'default' }, spec: { cluster: {} } };
  fake.set(KINDS.Target, target);
  await start();
  await synced();
  fake.set(KINDS.Target, { ...target, status: { proxies: { selected: 1 } } });
  await until(() => statuses.length === 1);
  assert.deepEqual([statuses, batches.length], [['t'], 1]);
  assert.equal(cluster.snapshot.get('Target', 'default', 't')?.status?.proxies?.selected, 1);
});

test('with namespaces, each has a watch of its own, and what the others have is not there', async () => {
  for (const namespace of ['one', 'two', 'three']) fake.set(KINDS.Pod, pod('a', {}, namespace));
  await start({ namespaces: ['one', 'two'] });
  await until(() => cluster.isSynced);
  assert.deepEqual(batches, [['Pod one/a', 'Pod two/a']]);
  fake.remove(KINDS.Pod, 'one', 'a');
  await until(() => batches.length === 2);
  assert.deepEqual(
    [...cluster.snapshot.list('Pod')].map(({ metadata }) => metadata.namespace),
    ['two'],
  );
});

test('an object that was made anew under its name is another one', async () => {
  fake.set(KINDS.Pod, pod('a'));
  await start();
  await synced();
  fake.silence();
  fake.remove(KINDS.Pod, 'default', 'a');
  fake.set(KINDS.Pod, pod('a'));
  fake.compact();
  fake.endWatches('reset');
  await until(() => batches.length === 2);
  assert.deepEqual(batches[1], ['Pod default/a']);
});

test('whatever happens to watches, the cache ends as the server', async () => {
  await start();
  await synced();
  const kinds: Kind[] = ['Pod', 'Target'];
  const object = fc.record({
    kind: fc.constantFrom(...kinds),
    name: fc.constantFrom('a', 'b', 'c', 'd'),
    phase: fc.nat(3),
  });
  const step = fc.oneof(
    { weight: 6, arbitrary: fc.tuple(fc.constantFrom('set', 'remove'), object) },
    { weight: 1, arbitrary: fc.tuple(fc.constantFrom('end', 'reset', 'compact', 'silence', 'wait'), object) },
  );
  const happen = ([what, { kind, name, phase }]: [string, { kind: Kind; name: string; phase: number }]): void => {
    if (what === 'set') fake.set(KINDS[kind], pod(name, { phase: String(phase) }));
    else if (what === 'remove') fake.remove(KINDS[kind], 'default', name);
    else if (what === 'end' || what === 'reset') fake.endWatches(what);
    else if (what === 'compact') fake.compact();
    else if (what === 'silence') fake.silence();
  };
  const line = ({ metadata, status }: FakeObject): string => `${metadata.uid} ${status.phase}`;
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
      for (const one of steps) {
        happen(one);
        if (one[0] === 'wait') await new Promise((resolve) => setTimeout(resolve, 2));
      }
      fake.endWatches('end');
      for (const kind of kinds) {
        const had = () => [...cluster.snapshot.list(kind)] as unknown as FakeObject[];
        await until(() => fake.all(KINDS[kind]).map(line).sort().join() === had().map(line).sort().join());
      }
    }),
    { numRuns: 30 },
  );
});
