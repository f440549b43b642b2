import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { until } from '../../../../src/testing/until.ts';
import { ApiClient } from './api.ts';
import { Election } from './election.ts';
import { FakeApi, refuse } from './testing.ts';

const LEASES = { group: 'coordination.k8s.io', version: 'v1', plural: 'leases' } as const;

/** Milliseconds; a holder gives up before its Lease has run out. */
const LONG = { duration: 60_000, deadline: 50_000, retry: 20 } as const;
/** Where the Lease is to be lost. */
const SHORT = { duration: 2000, deadline: 1000, retry: 20 } as const;

let fake: FakeApi;
let told: string[];
const running: { election: Election; api: ApiClient }[] = [];

function candidate(identity: string, timings: typeof LONG | typeof SHORT = LONG): Election {
  const api = new ApiClient(fake.access, identity);
  const election = new Election({
    api,
    namespace: 'mesh',
    name: 'l7mp-operator',
    identity,
    won: () => told.push(`${identity} won`),
    lost: async (why) => void told.push(`${identity} lost: ${why}`),
    timings,
  });
  running.push({ election, api });
  election.start();
  return election;
}

const holder = () => fake.get(LEASES, 'mesh', 'l7mp-operator')?.spec.holderIdentity;

beforeEach(async () => {
  fake = await FakeApi.start(LEASES);
  told = [];
});

afterEach(async () => {
  fake.intercept = undefined;
  for (const { election, api } of running.splice(0)) {
    await election.stop();
    api.close();
  }
  await fake.close();
});

test('one of two leads, and renews its Lease', async () => {
  const one = candidate('one');
  await until(() => one.leads);
  const two = candidate('two');
  const { resourceVersion } = fake.get(LEASES, 'mesh', 'l7mp-operator')?.metadata ?? {};
  await until(
    () => Number(fake.get(LEASES, 'mesh', 'l7mp-operator')?.metadata.resourceVersion) > Number(resourceVersion) + 5,
  );
  assert.deepEqual([holder(), two.leads, told], ['one', false, ['one won']]);
  const spec = fake.get(LEASES, 'mesh', 'l7mp-operator')?.spec;
  assert.match(spec.renewTime, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/);
  assert.deepEqual([spec.leaseDurationSeconds, spec.leaseTransitions], [60, 0]);
});

test('of many that start at once one leads', async () => {
  const all = ['a', 'b', 'c', 'd', 'e'].map((name) => candidate(name));
  await until(() => all.some(({ leads }) => leads));
  const { length } = fake.requests;
  await until(() => fake.requests.length > length + 20);
  assert.equal(all.filter(({ leads }) => leads).length, 1);
});

test('who stops gives the Lease back, and the other takes it before it has run out', async () => {
  const one = candidate('one');
  await until(() => one.leads);
  const two = candidate('two');
  const stopped = performance.now();
  await one.stop();
  assert.equal(one.leads, false);
  await until(() => two.leads);
  assert.ok(performance.now() - stopped < LONG.duration);
  assert.deepEqual(told, ['one won', 'two won']);
  assert.equal(fake.get(LEASES, 'mesh', 'l7mp-operator')?.spec.leaseTransitions, 1);
});

test('who cannot renew it leads no more before another one does', async () => {
  const one = candidate('one', SHORT);
  await until(() => one.leads);
  const two = candidate('two', SHORT);
  fake.intercept = ({ method, body }, response) => {
    if (method !== 'PUT' || body?.spec.holderIdentity !== 'one') return false;
    refuse(response, 500, 'Trouble');
    return true;
  };
  await until(() => two.leads);
  assert.deepEqual(told, ['one won', 'one lost: the Lease could not be renewed in time', 'two won']);
});

test('a server that answers nothing costs the Lease too', async () => {
  const one = candidate('one', SHORT);
  await until(() => one.leads);
  fake.intercept = () => true;
  await until(() => !one.leads);
  fake.intercept = undefined;
  await until(() => one.leads);
  assert.deepEqual(told, ['one won', 'one lost: the Lease could not be renewed in time', 'one won']);
});

test('a Lease that somebody else has taken is lost at once', async () => {
  const one = candidate('one');
  await until(() => one.leads);
  const lease = fake.get(LEASES, 'mesh', 'l7mp-operator');
  assert.ok(lease);
  fake.set(LEASES, { ...lease, spec: { ...lease.spec, holderIdentity: 'thief', leaseDurationSeconds: 1000 } });
  await until(() => !one.leads);
  assert.deepEqual(told, ['one won', 'one lost: thief leads']);
});

test('who stops while it does not lead leaves the Lease alone', async () => {
  const one = candidate('one');
  await until(() => one.leads);
  await candidate('two').stop();
  assert.equal(holder(), 'one');
});
