import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ALL, SETTINGS } from '../data-plane/testing-samples.ts';
import type { Step } from '../model/step.ts';
import { NO_COUNTERS } from '../telemetry/counters.ts';
import { PlaneGroup } from './group.ts';
import { FakePlane } from './testing.ts';

const CREATE: readonly Step[] = [
  {
    action: 'create',
    before: undefined,
    after: { kind: 'rulelist', name: 'r', owner: undefined, rules: [] },
    fields: [],
  },
];

function makeGroup(count = 3): { group: PlaneGroup; planes: FakePlane[] } {
  const planes = Array.from({ length: count }, () => new FakePlane());
  return { group: new PlaneGroup(planes, SETTINGS), planes };
}

describe('a change', () => {
  test('is taken when all have released, and is in all of them', async () => {
    const { group, planes } = makeGroup();
    await group.release(CREATE);
    assert.ok(planes.every(({ calls }) => calls.join() === 'release'));
    await group.take();
    await group.settle([]);
    for (const { calls, objects } of planes) {
      assert.deepEqual(calls, ['release', 'take', 'settle']);
      assert.deepEqual([...objects], ['rulelist r']);
    }
  });

  test('that one cannot release is taken back in the others', async () => {
    const { group, planes } = makeGroup();
    planes[1]?.failing.set('release', 'no');
    await assert.rejects(group.release(CREATE), { code: 'E_BIND', message: 'no' });
    assert.deepEqual(
      planes.map(({ calls }) => calls.join()),
      ['release,undo', 'release', 'release,undo'],
    );
  });

  test('that one cannot take is undone in all', async () => {
    const { group, planes } = makeGroup();
    planes[2]?.failing.set('take', 'the port is taken');
    await group.release(CREATE);
    await assert.rejects(group.take(), { message: 'the port is taken' });
    await group.undo();
    for (const { calls, objects } of planes) {
      assert.deepEqual(calls, ['release', 'take', 'undo']);
      assert.equal(objects.size, 0);
    }
  });

  test('that cannot be undone says so, once for all', async () => {
    const { group, planes } = makeGroup();
    for (const plane of planes) plane.failing.set('undo', 'the port is gone');
    await group.release(CREATE);
    await assert.rejects(group.undo(), { code: 'E_INTERNAL', message: 'the port is gone' });
  });

  test('of settings that one refuses is in none', async () => {
    const { group, planes } = makeGroup();
    planes[0]?.failing.set('configure', 'no');
    await assert.rejects(group.configure({ ...SETTINGS, bodyLimit: 1 }), { message: 'no' });
    assert.deepEqual(
      planes.map(({ settings }) => settings.bodyLimit),
      [SETTINGS.bodyLimit, SETTINGS.bodyLimit, SETTINGS.bodyLimit],
    );
  });
});

describe('sessions', () => {
  test('of all are one list, in pages, in the order in which they began', async () => {
    const { group, planes } = makeGroup(2);
    const [one, other] = planes as [FakePlane, FakePlane];
    one.ids = [1, 4, 5, 6];
    other.ids = [2, 3, 7];
    const pages: number[][] = [];
    let after = 0;
    for (let more = true; more; ) {
      const part = await group.sessions({ ...ALL, limit: 3, after });
      assert.equal(part.total, 7);
      pages.push(part.sessions.map(({ id }) => id));
      after = part.sessions.at(-1)?.id as number;
      more = part.more;
    }
    assert.deepEqual(pages, [[1, 2, 3], [4, 5, 6], [7]]);
  });

  test('are found and ended wherever they are', async () => {
    const { group, planes } = makeGroup(2);
    (planes[1] as FakePlane).ids = [8];
    assert.deepEqual(await group.session('s8'), { name: 's8' });
    assert.equal(await group.session('s9'), undefined);
    assert.equal(await group.endSession('s8'), true);
    assert.equal(await group.endSession('s8'), false);
  });
});

test('counts are added number by number, samples with the same labels too', async () => {
  const { group, planes } = makeGroup(2);
  const [one, other] = planes as [FakePlane, FakePlane];
  const own = (value: number) => [{ name: 'm', help: '', labels: ['l'], samples: [{ labels: { l: 'x' }, value }] }];
  one.counts = {
    ...NO_COUNTERS,
    sessions: 2,
    ended: new Map([['end', 1]]),
    sockets: [3],
    listeners: new Map([['l', { requests: 5, sessions: 2, rejects: new Map([['full', 1]]) }]]),
    own: own(1),
  };
  other.counts = {
    ...NO_COUNTERS,
    sessions: 1,
    ended: new Map([['reset', 4]]),
    sockets: [4],
    listeners: new Map([
      ['l', { requests: 1, sessions: 1, rejects: new Map([['full', 2]]) }],
      ['k', { requests: 1, sessions: 0, rejects: new Map() }],
    ]),
    own: own(2),
  };
  const counters = await group.counters();
  assert.deepEqual(counters, {
    ...NO_COUNTERS,
    sessions: 3,
    ended: new Map([
      ['end', 1],
      ['reset', 4],
    ]),
    sockets: [3, 4],
    listeners: new Map([
      ['l', { requests: 6, sessions: 3, rejects: new Map([['full', 3]]) }],
      ['k', { requests: 1, sessions: 0, rejects: new Map() }],
    ]),
    own: own(3),
  });
});

test('status, reopening and closing are of all', async () => {
  const { group, planes } = makeGroup(2);
  assert.deepEqual(await group.status(), {
    io: { engine: 'fake', threads: 2 },
    offload: { on: false, interfaces: [], flows: 2, capacity: 20 },
    sessions: 0,
  });
  await group.reopen();
  await group.close();
  assert.ok(planes.every(({ calls }) => calls.join() === 'reopen,close'));
});

test('draining is of all or of none: where one cannot take it back, the others drain on', async () => {
  const { group, planes } = makeGroup();
  await group.drain(5000);
  planes[1]?.failing.set('drain', 'the port is taken');
  await assert.rejects(group.drain(undefined), { code: 'E_BIND' });
  assert.deepEqual(
    planes.map(({ drained }) => drained),
    [5000, 5000, 5000],
  );
});
