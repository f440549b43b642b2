import assert from 'node:assert/strict';
import type { ServerResponse } from 'node:http';
import { afterEach, beforeEach, test } from 'node:test';
import fc from 'fast-check';
import { until } from '../../../../src/testing/until.ts';
import { ApiClient } from '../kubernetes/api.ts';
import { FakeApi, type FakeObject, refuse } from '../kubernetes/testing.ts';
import { CORE_KINDS, GATEWAY_KINDS, KINDS, type Kind, L7MP_KINDS } from '../resources/kinds.ts';
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
  await until(() => batches.length > 0);
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
  await until(() => batches.length > 0);
  assert.deepEqual(batches, [['Pod default/a', 'Pod default/b']]);
});

test('kinds of ours are needed; those of the Gateway API may come later', async () => {
  fake.withdraw(KINDS.Target);
  await start();
  await until(() => cluster.missing.length === 1);
  assert.deepEqual(cluster.missing, ['Target']);
  fake.serve(KINDS.Target);
  await until(() => batches.length === 1);
  const beta = { ...GATEWAY_KINDS.ReferenceGrant, version: 'v1beta1' };
  fake.serve(beta);
  fake.set(beta, { metadata: { name: 'g', namespace: 'default' }, spec: { from: [], to: [] } });
  await until(() => batches.length === 2);
  assert.equal(cluster.count('ReferenceGrant'), 1);
  assert.deepEqual(batches[1], ['ReferenceGrant default/g']);
});

test('a change of what nobody looks at gives no key', async () => {
  fake.set(KINDS.Pod, pod('a', { phase: 'Running' }));
  await start();
  await until(() => batches.length === 1);
  const heartbeat = { phase: 'Running', containerStatuses: [], conditions: [] };
  fake.set(KINDS.Pod, pod('a', { ...heartbeat, conditions: [{ type: 'Ready', status: 'True', lastProbeTime: '1' }] }));
  await until(() => batches.length === 2);
  for (let n = 2; n < 9; n++) {
    const conditions = [{ type: 'Ready', status: 'True', lastProbeTime: String(n) }];
    fake.set(KINDS.Pod, pod('a', { ...heartbeat, conditions, startTime: undefined }));
  }
  fake.set(KINDS.Pod, pod('b'));
  await until(() => batches.length === 3);
  assert.deepEqual(batches.slice(2), [['Pod default/b']]);
});

test('a status that somebody has written is told apart', async () => {
  const target = { metadata: { name: 't', namespace: 'default' }, spec: { cluster: {} } };
  fake.set(KINDS.Target, target);
  await start();
  await until(() => batches.length === 1);
  fake.set(KINDS.Target, { ...target, status: { proxies: { selected: 1 } } });
  await until(() => statuses.length === 1);
  assert.deepEqual([statuses, batches.length], [['t'], 1]);
  assert.equal(cluster.snapshot.get('Target', 'default', 't')?.status?.proxies?.selected, 1);
});

test('with namespaces, each has a watch of its own, and what the others have is not there', async () => {
  for (const namespace of ['one', 'two', 'three']) fake.set(KINDS.Pod, pod('a', {}, namespace));
  await start({ namespaces: ['one', 'two'] });
  await until(() => batches.length > 0);
  assert.deepEqual(batches, [['Pod one/a', 'Pod two/a']]);
  fake.remove(KINDS.Pod, 'one', 'a');
  await until(() => batches.length === 2);
  assert.deepEqual(
    [...cluster.snapshot.list('Pod')].map(({ metadata }) => metadata.namespace),
    ['two'],
  );
});

/** Secrets that are asked for by their names alone. */
const NAMED = KINDS.Secret;
const pair = (text: string): FakeObject => ({
  metadata: {
    name: 'tls',
    namespace: 'default',
    labels: { a: 'b' },
    annotations: { 'kubectl.kubernetes.io/last-applied-configuration': 'all of it' },
  },
  type: 'kubernetes.io/tls',
  data: { 'tls.crt': text, 'tls.key': text, other: 'c2VjcmV0' },
});
const tls = () => cluster.snapshot.get('Secret', 'default', 'tls');

/** With a Gateway as long as there is one, that names the Secret. */
async function startNaming(timings: ClusterOptions['timings'] = {}): Promise<void> {
  for (const kind of Object.values(GATEWAY_KINDS)) fake.serve(kind);
  fake.set(KINDS.Gateway, { metadata: { name: 'edge', namespace: 'default' }, spec: {} });
  await start({
    secrets: (snapshot) => [...snapshot.list('Gateway')].map(() => ({ namespace: 'default', name: 'tls' })),
    timings: { ...TIMINGS, secrets: 5, ...timings },
  });
}

const asked = () => fake.requests.filter(({ url }) => url.pathname.endsWith('/secrets/tls')).length;

test('a Secret that is named is read by its name, noticed when it changes, and let go when nothing names it', async () => {
  fake.serve(NAMED);
  fake.set(NAMED, pair('b25l'));
  await startNaming();
  await until(() => cluster.isSynced);
  assert.deepEqual(batches, [['Gateway default/edge', 'Secret default/tls']]);
  const { data, metadata } = tls() ?? {};
  assert.deepEqual(data, { 'tls.crt': 'b25l', 'tls.key': 'b25l' });
  assert.deepEqual([metadata?.labels, metadata?.annotations], [{}, {}]);
  fake.set(NAMED, pair('dHdv'));
  await until(() => tls()?.data['tls.crt'] === 'dHdv');
  await until(() => batches.at(-1)?.[0] === 'Secret default/tls' && batches.length === 2);
  fake.remove(NAMED, 'default', 'tls');
  await until(() => !tls());
  fake.set(NAMED, pair('dGhyZWU='));
  await until(() => tls());
  fake.remove(KINDS.Gateway, 'default', 'edge');
  await until(() => batches.at(-1)?.join() === 'Gateway default/edge,Secret default/tls');
  assert.equal(tls(), undefined);
  assert.equal(fake.requests.filter(({ url }) => url.pathname.endsWith('/secrets')).length, 0);
});

test('nothing is told before a Secret that is named was read, or cannot be', async () => {
  let held: ServerResponse | undefined;
  fake.intercept = ({ url }, response) => {
    if (!url.pathname.endsWith('/secrets/tls')) return false;
    if (asked() < 3) refuse(response, 500, 'InternalError');
    else held = response;
    return true;
  };
  await startNaming();
  await until(() => held);
  assert.deepEqual([cluster.isSynced, batches, cluster.missing], [false, [], ['Secret']]);
  fake.intercept = undefined;
  if (held) refuse(held, 500, 'InternalError');
  await until(() => cluster.isSynced);
  assert.equal(tls()?.unreadable, 'cannot be read');
  fake.serve(NAMED);
  fake.set(NAMED, pair('b25l'));
  await until(() => tls()?.data['tls.crt'] === 'b25l');
});

test('a Secret that may not be read, or cannot, holds nobody up; one that was read stays as it was', async () => {
  fake.serve(NAMED);
  fake.set(NAMED, pair('b25l'));
  let status = 403;
  fake.intercept = ({ url }, response) => {
    if (!url.pathname.endsWith('/secrets/tls') || status === 200) return false;
    refuse(response, status, 'No');
    return true;
  };
  await startNaming();
  await until(() => cluster.isSynced);
  assert.deepEqual([tls()?.unreadable, tls()?.data, cluster.missing], ['may not be read by the operator', {}, []]);
  status = 200;
  await until(() => tls()?.data['tls.crt'] === 'b25l');
  status = 503;
  const before = asked();
  await until(() => asked() > before + 4);
  assert.deepEqual([tls()?.data['tls.crt'], tls()?.unreadable], ['b25l', undefined]);
});

test('an object that was made anew under its name is another one', async () => {
  fake.set(KINDS.Pod, pod('a'));
  await start();
  await until(() => batches.length === 1);
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
