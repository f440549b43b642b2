import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { until } from '../../../../src/testing/until.ts';
import { ApiClient } from './api.ts';
import { Events } from './events.ts';
import { FakeApi, refuse } from './testing.ts';

const EVENTS = { group: 'events.k8s.io', version: 'v1', plural: 'events' } as const;
const about = (name: string) => ({ apiVersion: 'l7mp.io/v1', kind: 'Target', namespace: 'default', name, uid: name });

let fake: FakeApi;
let api: ApiClient;
let events: Events;
let failures: string[];

beforeEach(async () => {
  fake = await FakeApi.start(EVENTS);
  api = new ApiClient(fake.access, 'test');
  failures = [];
  const failed = (message: string) => void failures.push(message);
  events = new Events({ api, controller: 'l7mp.io/operator', instance: 'here', failed });
});

afterEach(async () => {
  await events.close();
  api.close();
  await fake.close();
});

test('an event has what the API server asks for', async () => {
  events.tell('Warning', about('web'), 'ProxyRefused', 'no such protocol');
  await until(() => fake.all(EVENTS).length === 1);
  const [event] = fake.all(EVENTS);
  assert.match(event?.metadata.name, /^web\.[0-9a-f]+$/);
  assert.equal(event?.metadata.namespace, 'default');
  assert.deepEqual(event?.regarding, about('web'));
  const { type, reason, note, action, reportingController, reportingInstance } = event ?? {};
  assert.deepEqual(
    [type, reason, note, action, reportingController, reportingInstance],
    ['Warning', 'ProxyRefused', 'no such protocol', 'Reconcile', 'l7mp.io/operator', 'here'],
  );
});

test('a long note is cut to what the API server takes', async () => {
  events.tell('Normal', about('web'), 'Programmed', 'é'.repeat(1000));
  await until(() => fake.all(EVENTS).length === 1);
  const note = fake.all(EVENTS)[0]?.note;
  assert.ok(Buffer.byteLength(note) <= 1024);
  assert.match(note, /^é+.?…$/u);
});

test('one object has so many events and no more; another is not concerned', async () => {
  for (let n = 0; n < 50; n++) events.tell('Normal', about('web'), 'Programmed', 'again');
  events.tell('Normal', about('other'), 'Programmed', 'once');
  await until(() => fake.all(EVENTS).some(({ regarding }) => regarding.name === 'other'));
  assert.equal(fake.all(EVENTS).length, 26);
});

test('what waits is bounded', async () => {
  fake.intercept = () => true;
  for (let n = 0; n < 1000; n++) events.tell('Normal', about(`web-${n}`), 'Programmed', 'once');
  await until(() => fake.requests.length === 1);
  fake.intercept = undefined;
  await events.close();
  assert.equal(fake.requests.length, 1);
});

test('an event that fails is left out', async () => {
  fake.intercept = (_, response) => {
    fake.intercept = undefined;
    refuse(response, 500, 'Trouble');
    return true;
  };
  events.tell('Normal', about('web'), 'Programmed', 'once');
  events.tell('Normal', about('web'), 'Programmed', 'twice');
  await until(() => fake.all(EVENTS).length === 1);
  assert.deepEqual([fake.all(EVENTS)[0]?.note, failures], ['twice', ['Trouble, says the fake']]);
});
