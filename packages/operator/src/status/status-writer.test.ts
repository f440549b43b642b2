import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { until } from '../../../../src/testing/until.ts';
import { Cluster } from '../cluster/cluster.ts';
import type { Key } from '../cluster/contract.ts';
import { ApiClient } from '../kubernetes/api.ts';
import { Discovery } from '../kubernetes/discovery.ts';
import { Events } from '../kubernetes/events.ts';
import { FakeApi, type FakeObject, type FakeRequest, refuse, reply } from '../kubernetes/testing.ts';
import type { ProxyState } from '../proxies/contract.ts';
import { CORE_KINDS, KINDS, L7MP_KINDS } from '../resources/kinds.ts';
import type { OwnerReference } from '../resources/objects.ts';
import type { Verdict } from '../translation/contract.ts';
import { Owners } from './owners.ts';
import { StatusWriter } from './status-writer.ts';

const EVENTS = { group: 'events.k8s.io', version: 'v1', plural: 'events' } as const;
const SHOPS = { group: 'example.org', version: 'v1', plural: 'shops' } as const;
const NAME = '/l7mp.io/v1/Target/default/web';
const KEY: Key = { kind: 'Target', namespace: 'default', name: 'web' };

let fake: FakeApi;
let api: ApiClient;
let cluster: Cluster;
let writer: StatusWriter;
let events: Events;
let verdicts: Map<string, Verdict>;
let states: Map<string, ProxyState>;
let skipped: string[];

const stored = () => fake.get(KINDS.Target, 'default', 'web');
const programmed = () => stored()?.status?.conditions.find(({ type }: { type: string }) => type === 'Programmed');
const isPatch = ({ method, url }: FakeRequest) => method === 'PATCH' && url.pathname.endsWith('/targets/web/status');
const patches = () => fake.requests.filter(isPatch).length;
const notes = () => fake.all(EVENTS).map(({ type, reason }) => `${type} ${reason}`);

/** What the translation would say of the object as it is in the cache. */
function judge(proxies: readonly string[], { status = 'True', owners = [] as readonly OwnerReference[] } = {}): void {
  const object = cluster.snapshot.get('Target', 'default', 'web');
  assert.ok(object);
  const { uid, generation } = object.metadata;
  const condition = (type: string) => ({ type, status: status as 'True', reason: type, message: 'm' });
  verdicts.set(NAME, {
    key: KEY,
    uid,
    generation,
    conditions: [condition('Accepted'), condition('ResolvedRefs')],
    proxies: new Set(proxies),
    fullName: NAME,
    conflicts: new Map(),
    owners,
  });
  writer.touch(NAME);
}

function turn(uid: string, state: ProxyState): void {
  states.set(uid, state);
  writer.touchProxy(uid);
}

/** Nothing is left to do, and what was written is known. */
const settled = () =>
  until(
    () =>
      writer.depth === 0 &&
      cluster.snapshot.get('Target', 'default', 'web')?.metadata.resourceVersion === stored()?.metadata.resourceVersion,
  );

beforeEach(async () => {
  fake = await FakeApi.start(...Object.values(L7MP_KINDS), ...Object.values(CORE_KINDS), EVENTS, SHOPS);
  fake.set(KINDS.Target, { metadata: { name: 'web', namespace: 'default', generation: 1 }, spec: {} });
  api = new ApiClient(fake.access, 'test');
  verdicts = new Map();
  states = new Map();
  skipped = [];
  let isSynced = false;
  cluster = new Cluster({
    api,
    namespaces: [],
    changed: () => {
      isSynced = true;
    },
    statusChanged: () => writer.touch(NAME),
  });
  cluster.start();
  await until(() => isSynced);
  events = new Events({ api, controller: 'test', instance: 'test' });
  writer = new StatusWriter({
    api,
    snapshot: cluster.snapshot,
    translation: { verdicts, proxies: new Map() },
    proxies: { state: (uid) => states.get(uid) },
    events,
    owners: new Owners(api, new Discovery(api), (owner, why) => skipped.push(`${owner.name}: ${why}`)),
    timings: { settle: 1, grace: 300 },
  });
});

afterEach(async () => {
  await writer.close();
  await events.close();
  await cluster.close();
  api.close();
  await fake.close();
});

test('a status is written, and not again when it is equal', async () => {
  states.set('a', { state: 'programmed' });
  judge(['a']);
  await until(() => programmed()?.status === 'True');
  assert.deepEqual(stored()?.status.proxies, { selected: 1, programmed: 1, text: '1/1' });
  await settled();
  for (let n = 0; n < 20; n++) {
    writer.touch(NAME);
    writer.touchProxy('a');
    await settled();
  }
  assert.equal(patches(), 1);
});

test('what others write there is put right', async () => {
  judge([]);
  await until(() => programmed()?.reason === 'NoProxies');
  await settled();
  fake.set(KINDS.Target, {
    ...(stored() as FakeObject),
    status: { proxies: { selected: 7, programmed: 7, text: '7/7' } },
  });
  await until(() => stored()?.status.proxies.text === '0/0');
});

test('a proxy that is programmed in time makes no other status', async () => {
  states.set('a', { state: 'programmed' });
  judge(['a']);
  await until(() => programmed()?.status === 'True');
  for (let n = 0; n < 10; n++) {
    turn('a', { state: 'pending' });
    await new Promise((resolve) => setTimeout(resolve, 3));
    turn('a', { state: 'programmed' });
    await settled();
  }
  assert.equal(patches(), 1);
});

test('one that is not is told, and so is the end of it, without an event', async () => {
  states.set('a', { state: 'pending' });
  judge(['a']);
  await until(() => programmed()?.reason === 'Pending');
  turn('a', { state: 'programmed' });
  await until(() => programmed()?.status === 'True');
  assert.deepEqual(notes(), []);
});

test('a failure and its end are events, once each', async () => {
  states.set('a', { state: 'programmed' });
  states.set('b', { state: 'programmed' });
  judge(['a', 'b']);
  await until(() => programmed()?.status === 'True');
  turn('a', { state: 'unreachable', message: 'ECONNREFUSED' });
  await until(() => programmed()?.reason === 'ProxyUnreachable');
  assert.equal(programmed()?.message, '1 of 2 proxies have it; a: ECONNREFUSED');
  turn('b', { state: 'unreachable', message: 'ECONNREFUSED' });
  await until(() => stored()?.status.proxies.programmed === 0);
  turn('a', { state: 'programmed' });
  turn('b', { state: 'programmed' });
  await until(() => programmed()?.status === 'True');
  await until(() => notes().length === 2);
  assert.deepEqual(notes(), ['Warning ProxyUnreachable', 'Normal Programmed']);
});

test('what fails is tried again', async () => {
  let left = 3;
  fake.intercept = (request, response) => {
    if (!isPatch(request) || left-- <= 0) return false;
    refuse(response, [500, 429, 503][left] ?? 500, 'Trouble');
    return true;
  };
  judge([]);
  await until(() => programmed()?.reason === 'NoProxies');
  assert.equal(patches(), 4);
});

test('what has gone, or was made anew, is left alone', async () => {
  fake.intercept = (request) => {
    if (isPatch(request)) fake.remove(KINDS.Target, 'default', 'web');
    return false;
  };
  judge([]);
  await until(() => patches() === 1 && writer.depth === 0);
  assert.equal(stored(), undefined);
});

const shop = (uid: string): OwnerReference => ({ apiVersion: 'example.org/v1', kind: 'Shop', name: 'corner', uid });

function serveShops(hasStatus: boolean): void {
  const resource = { name: 'shops', kind: 'Shop', namespaced: true };
  fake.intercept = ({ url }, response) => {
    if (url.pathname !== '/apis/example.org/v1') return false;
    reply(response, 200, { resources: hasStatus ? [resource, { ...resource, name: 'shops/status' }] : [resource] });
    return true;
  };
  fake.set(SHOPS, { metadata: { name: 'corner', namespace: 'default', uid: 's' }, status: { other: 1 } });
}

const applied = () => fake.get(SHOPS, 'default', 'corner')?.status;

test('owners are told of a generation when it is on all proxies, and that the object has gone', async () => {
  serveShops(true);
  states.set('a', { state: 'unreachable', message: 'no' });
  judge(['a'], { owners: [shop('s')] });
  await until(() => programmed()?.status === 'False');
  assert.deepEqual(applied(), { other: 1 });
  turn('a', { state: 'programmed' });
  await until(() => applied()?.children?.applied?.[NAME] === 1);
  const { length } = fake.requests.filter(({ url }) => url.pathname.includes('/shops/'));
  writer.touch(NAME);
  await settled();
  assert.equal(fake.requests.filter(({ url }) => url.pathname.includes('/shops/')).length, length);
  verdicts.delete(NAME);
  writer.touch(NAME);
  await until(() => applied()?.children?.applied?.[NAME] === undefined);
  assert.equal(applied()?.other, 1);
});

test('an owner that has gone, is another one or has no status is skipped', async () => {
  serveShops(true);
  judge([], { owners: [shop('another'), { ...shop('s'), name: 'gone' }, { ...shop('s'), kind: 'Nothing' }] });
  await until(() => programmed()?.status === 'True');
  await settled();
  assert.deepEqual(applied(), { other: 1 });
  assert.deepEqual(skipped, ['corner: its kind has no status']);
});
