import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { until } from '../../../../src/testing/until.ts';
import { ApiClient } from './api.ts';
import type { RawObject } from './list.ts';
import { Reflector, type ReflectorOptions, type ReflectorState } from './reflector.ts';
import { FakeApi, refuse, reply } from './testing.ts';

const TARGETS = { group: 'l7mp.io', version: 'v1', plural: 'targets' } as const;
const TIMINGS = { firstWait: 1, longestWait: 20, lookAgain: 5, duration: 60_000, slack: 60_000, patience: 5000 };

let fake: FakeApi;
let api: ApiClient;
let reflector: Reflector<RawObject> | undefined;

/** A copy, and all that it was told. */
class Copy {
  readonly objects = new Map<string, string>();
  readonly told: string[] = [];
  replace(objects: readonly RawObject[]): void {
    this.objects.clear();
    for (const { metadata } of objects) this.objects.set(metadata.name, metadata.resourceVersion);
    this.told.push(`list of ${objects.length}`);
  }
  set({ metadata }: RawObject): void {
    this.objects.set(metadata.name, metadata.resourceVersion);
    this.told.push(`set ${metadata.name}`);
  }
  remove({ metadata }: RawObject): void {
    this.objects.delete(metadata.name);
    this.told.push(`remove ${metadata.name}`);
  }
  get names(): string[] {
    return [...this.objects.keys()].sort();
  }
}

function reflect(copy: Copy, options: Partial<ReflectorOptions<RawObject>> = {}): string[] {
  const failures: string[] = [];
  const observer = { failed: (error: unknown) => void failures.push((error as Error).message) };
  const decode = (raw: RawObject) => raw;
  reflector = new Reflector({ api, resource: TARGETS, decode, sink: copy, observer, timings: TIMINGS, ...options });
  reflector.start();
  return failures;
}

const target = (name: string, namespace = 'default') => ({ metadata: { name, namespace } });
const lists = () => fake.requests.filter(({ url }) => !url.searchParams.has('watch')).length;
const watches = () => fake.requests.filter(({ url }) => url.searchParams.has('watch')).length;

beforeEach(async () => {
  fake = await FakeApi.start(TARGETS);
  api = new ApiClient(fake.access, 'test');
});

afterEach(async () => {
  await reflector?.stop();
  reflector = undefined;
  api.close();
  await fake.close();
});

test('what there is, comes, changes and goes is in the copy', async () => {
  fake.set(TARGETS, target('a'));
  const copy = new Copy();
  reflect(copy);
  await until(() => fake.watchers === 1);
  fake.set(TARGETS, target('b'));
  fake.set(TARGETS, target('a'));
  fake.remove(TARGETS, 'default', 'b');
  await until(() => copy.told.length === 4);
  assert.deepEqual(copy.told, ['list of 1', 'set b', 'set a', 'remove b']);
});

test('one namespace is asked for where one is given', async () => {
  fake.set(TARGETS, target('a', 'one'));
  fake.set(TARGETS, target('b', 'two'));
  const copy = new Copy();
  reflect(copy, { namespace: 'two' });
  await until(() => fake.watchers === 1);
  assert.deepEqual(copy.names, ['b']);
});

test('a list of many pages is one list', async () => {
  for (let n = 0; n < 1201; n++) fake.set(TARGETS, target(`t${n}`));
  const copy = new Copy();
  reflect(copy);
  await until(() => fake.watchers === 1);
  assert.deepEqual(copy.told, ['list of 1201']);
  assert.equal(lists(), 3);
});

test('a list whose next page has expired is asked for as a whole', async () => {
  for (let n = 0; n < 700; n++) fake.set(TARGETS, target(`t${n}`));
  const copy = new Copy();
  fake.intercept = ({ url }) => {
    if (url.searchParams.has('continue')) fake.expirePages();
    return false;
  };
  const failures = reflect(copy);
  await until(() => fake.watchers === 1);
  assert.deepEqual(copy.told, ['list of 700']);
  assert.deepEqual(failures, []);
});

test('half a list changes nothing', async () => {
  for (let n = 0; n < 700; n++) fake.set(TARGETS, target(`t${n}`));
  const copy = new Copy();
  let broken = 3;
  fake.intercept = ({ url }, response) => {
    if (!url.searchParams.has('continue') || broken-- === 0) return false;
    response.writeHead(200, { 'content-length': 1000 });
    response.write('{"items": [');
    setImmediate(() => response.socket?.resetAndDestroy());
    return true;
  };
  const failures = reflect(copy);
  await until(() => fake.watchers === 1);
  assert.deepEqual(copy.told, ['list of 700']);
  assert.equal(failures.length, 3);
});

test('an answer that is no list is an error', async () => {
  const copy = new Copy();
  let wrong = 2;
  fake.intercept = (_, response) => {
    if (wrong-- <= 0) return false;
    reply(response, 200, {});
    return true;
  };
  const failures = reflect(copy);
  await until(() => fake.watchers === 1);
  assert.match(failures[0] ?? '', /no list/);
  assert.deepEqual(copy.told, ['list of 0']);
});

for (const how of ['end', 'reset'] as const) {
  test(`after the ${how} of a watch the next goes on where it was, without a list`, async () => {
    fake.set(TARGETS, target('a'));
    const copy = new Copy();
    reflect(copy);
    await until(() => fake.watchers === 1);
    fake.set(TARGETS, target('b'));
    await until(() => copy.names.length === 2);
    fake.endWatches(how);
    fake.set(TARGETS, target('c'));
    fake.remove(TARGETS, 'default', 'a');
    await until(() => copy.told.length === 4);
    assert.deepEqual(copy.told, ['list of 1', 'set b', 'set c', 'remove a']);
    assert.equal(lists(), 1);
  });
}

test('what a bookmark says is where the next watch begins', async () => {
  const copy = new Copy();
  reflect(copy);
  await until(() => fake.watchers === 1);
  fake.compact();
  fake.bookmark(TARGETS);
  fake.endWatches('end');
  await until(() => fake.watchers === 1 && watches() === 2);
  fake.set(TARGETS, target('a'));
  await until(() => copy.names.length === 1);
  assert.equal(lists(), 1);
});

test('410 in a watch leads to a list, and only that takes out what has gone meanwhile', async () => {
  fake.set(TARGETS, target('a'));
  fake.set(TARGETS, target('b'));
  const copy = new Copy();
  reflect(copy);
  await until(() => fake.watchers === 1);
  fake.silence();
  fake.remove(TARGETS, 'default', 'a');
  fake.set(TARGETS, target('c'));
  fake.compact();
  assert.deepEqual(copy.names, ['a', 'b']);
  fake.endWatches('reset');
  await until(() => lists() === 2);
  await until(() => copy.told.length === 2);
  assert.deepEqual(copy.names, ['b', 'c']);
});

test('410 as an event', async () => {
  fake.set(TARGETS, target('a'));
  const copy = new Copy();
  reflect(copy);
  await until(() => fake.watchers === 1);
  fake.say(TARGETS, { type: 'ERROR', object: { kind: 'Status', code: 410, reason: 'Expired', message: 'too old' } });
  await until(() => lists() === 2 && fake.watchers === 1);
  assert.deepEqual(copy.told, ['list of 1', 'list of 1']);
});

test('410 as an answer', async () => {
  const copy = new Copy();
  let once = true;
  fake.intercept = ({ url }, response) => {
    if (!url.searchParams.has('watch') || !once) return false;
    once = false;
    refuse(response, 410, 'Expired');
    return true;
  };
  reflect(copy);
  await until(() => lists() === 2 && fake.watchers === 1);
});

test('a connection that hangs is given up, and what it did not tell is learned from the next', async () => {
  const copy = new Copy();
  const failures = reflect(copy, { timings: { ...TIMINGS, duration: 30, slack: 20 } });
  await until(() => fake.watchers === 1);
  fake.silence();
  fake.set(TARGETS, target('a'));
  await until(() => copy.names.length === 1);
  assert.match(failures[0] ?? '', /has not ended when it should have/);
  assert.equal(lists(), 1);
});

test('a watch without an answer is given up', async () => {
  const copy = new Copy();
  let held = 1;
  fake.intercept = ({ url }) => url.searchParams.has('watch') && held-- > 0;
  const failures = reflect(copy, { timings: { ...TIMINGS, patience: 50 } });
  await until(() => fake.watchers === 1);
  assert.match(failures[0] ?? '', /no answer in 50 ms/);
});

test('errors of the server are waited out, and no object goes meanwhile', async () => {
  fake.set(TARGETS, target('a'));
  const copy = new Copy();
  reflect(copy);
  await until(() => fake.watchers === 1);
  let refused = 0;
  fake.intercept = (_, response) => {
    if (refused++ >= 10) return false;
    refuse(response, [500, 503, 429, 401, 403, 404][refused % 6] ?? 500, 'Trouble');
    return true;
  };
  fake.endWatches('reset');
  await until(() => fake.watchers === 1);
  assert.deepEqual(new Set(copy.told), new Set(['list of 1']));
});

test('a line that is cut or no JSON is a failure of the watch', async () => {
  fake.set(TARGETS, target('a'));
  const copy = new Copy();
  const failures = reflect(copy);
  await until(() => fake.watchers === 1);
  fake.say(TARGETS, 'what');
  await until(() => failures.length === 1 && fake.watchers === 1);
  fake.set(TARGETS, target('b'));
  await until(() => copy.names.length === 2);
});

test('a resource that is not served is looked for again', async () => {
  fake.withdraw(TARGETS);
  const copy = new Copy();
  const states: ReflectorState[] = [];
  reflect(copy, { optional: true, observer: { turned: (state) => states.push(state) } });
  await until(() => reflector?.state === 'absent');
  assert.deepEqual(copy.told, []);
  fake.serve(TARGETS);
  fake.set(TARGETS, target('a'));
  await until(() => copy.names.length === 1);
  assert.deepEqual(states, ['absent', 'listed']);
});

test('where the server has another version, that one is read', async () => {
  fake.withdraw(TARGETS);
  const old = { ...TARGETS, version: 'v1beta1' };
  fake.serve(old);
  fake.set(old, target('a'));
  const copy = new Copy();
  reflect(copy, { otherVersions: ['v1beta1'] });
  await until(() => fake.watchers === 1);
  assert.deepEqual(copy.names, ['a']);
});

test('what is deleted with its kind goes by its events; a kind that is gone takes nothing with it', async () => {
  fake.set(TARGETS, target('a'));
  const copy = new Copy();
  reflect(copy);
  await until(() => fake.watchers === 1);
  fake.withdraw(TARGETS);
  fake.endWatches('end');
  await until(() => lists() >= 3);
  assert.deepEqual(copy.told, ['list of 1']);
  assert.equal(reflector?.state, 'listed');
});

test('an optional resource that we may not read counts as absent after some attempts', async () => {
  fake.intercept = (_, response) => {
    refuse(response, 403, 'Forbidden');
    return true;
  };
  reflect(new Copy(), { optional: true });
  await until(() => reflector?.state === 'absent');
  assert.ok(lists() >= 5);
});

test('one that is needed never does', async () => {
  fake.intercept = (_, response) => {
    refuse(response, 403, 'Forbidden');
    return true;
  };
  reflect(new Copy());
  await until(() => lists() >= 10);
  assert.equal(reflector?.state, 'starting');
});

test('after a while the end of a watch is followed by a list', async () => {
  reflect(new Copy(), { timings: { ...TIMINGS, relist: 0 } });
  await until(() => fake.watchers === 1);
  fake.set(TARGETS, target('a'));
  fake.endWatches('end');
  await until(() => lists() === 2);
});

test('stop ends it while it waits, lists and watches', async () => {
  const copy = new Copy();
  fake.intercept = () => true;
  reflect(copy);
  await until(() => fake.requests.length === 1);
  await reflector?.stop();
  fake.intercept = undefined;
  reflect(copy);
  await until(() => fake.watchers === 1);
  await reflector?.stop();
  await until(() => fake.watchers === 0);
});

test('a server that answers again is not left alone for as long as it was away', async () => {
  const waits: number[] = [];
  const failed = (_: unknown, wait: number) => void waits.push(wait);
  let away = 8;
  fake.intercept = (_, response) => {
    if (away === -1) return false;
    if (away-- > 0) response.socket?.resetAndDestroy();
    else refuse(response, 503, 'Starting');
    return true;
  };
  reflect(new Copy(), { observer: { failed }, timings: { ...TIMINGS, firstWait: 2, longestWait: 50 } });
  await until(() => fake.watchers === 1);
  assert.ok((waits.at(-2) ?? 0) >= 25);
  assert.ok((waits.at(-1) ?? 50) <= 2);
});
