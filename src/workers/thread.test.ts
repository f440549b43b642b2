import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import { GatheringLimit } from '../core/gathering.ts';
import { Registry } from '../core/registry.ts';
import { makeCounts } from '../counts/memory.ts';
import type { ControlPlane } from '../data-plane/contract.ts';
import { SETTINGS } from '../data-plane/testing-samples.ts';
import type { Step } from '../model/step.ts';
import { FakeLog } from '../testing/fake-cluster-host.ts';
import { until } from '../testing/until.ts';
import { SharedBinder, type SocketSource } from './binder.ts';
import { OwnedClusters } from './owner.ts';
import { PlaneThread } from './thread.ts';

const MODULE = new URL('testing-thread.ts', import.meta.url);
const FD = 77;

function change({ plane }: PlaneThread, name: string): void {
  const after = { kind: 'rulelist', name, owner: undefined, rules: [] } as const;
  const steps: readonly Step[] = [{ action: 'create', before: undefined, after, fields: [] }];
  void plane
    .release(steps)
    .then(() => plane.take())
    .catch(() => {});
}

interface Started {
  readonly thread: PlaneThread;
  readonly log: FakeLog;
  readonly records: object[];
  readonly hasEnded: () => boolean;
}

async function start(t: TestContext): Promise<Started> {
  const log = new FakeLog();
  const records: object[] = [];
  let isOver = false;
  const control: ControlPlane = {
    log: (lines) => {
      for (const { level, object, message } of lines) log.write(level, object, message);
    },
    ended: (more) => void records.push(...more),
    api: async () => ({ status: 200, headers: {}, body: '' }),
    metrics: async () => ({ type: '', text: '' }),
  };
  const source: SocketSource = {
    bindStream: async () => ({ fd: FD, release: async () => {} }),
    bindMessages: () => assert.fail(),
    bindDatagram: () => assert.fail(),
  };
  const binder = new SharedBinder(source, 1);
  const counts = makeCounts({ workers: 1, sessions: 1000 });
  const data = {
    worker: 0,
    workers: 1,
    io: 'node',
    counts,
    settings: SETTINGS,
    plugins: [],
    descriptors: undefined,
    mappings: undefined,
    siblings: undefined,
  } as const;
  const thread = await PlaneThread.start(MODULE, data, {
    log,
    control,
    owned: new OwnedClusters(new Registry([]), log, new GatheringLimit()),
    binder: binder.forWorker(0),
    ending: () => {},
    ended: () => {
      isOver = true;
    },
  });
  t.after(() => thread.end());
  return { thread, log, records, hasEnded: () => isOver };
}

test('a worker is asked, asks itself, and tells what it has to say', async (t) => {
  const { thread, log, records, hasEnded } = await start(t);
  assert.deepEqual(await thread.plane.session(`s${FD}`), { name: `s${FD}` });
  await until(() => log.lines.length > 0 && records.length > 0, 'it has said something');
  assert.deepEqual([log.lines, records], [['info fake: bound 77'], [{ session: 's' }]]);
  await thread.end();
  assert.equal(hasEnded(), true);
  await assert.rejects(thread.plane.session('s1'), { code: 'E_INTERNAL' });
});

describe('a worker fails that', () => {
  for (const [word, why] of [
    ['throw', /as it was told/],
    ['exit', /the thread has ended/],
  ] as const) {
    test(`is told to ${word}`, async (t) => {
      const { thread, hasEnded } = await start(t);
      change(thread, word);
      assert.match(await thread.failed, why);
      assert.equal(hasEnded(), true);
      await assert.rejects(thread.plane.take(), { code: 'E_INTERNAL' });
    });
  }
});

test('one that hangs is ended by force', async (t) => {
  const { thread, hasEnded } = await start(t);
  change(thread, 'hang');
  await thread.end();
  assert.equal(hasEnded(), true);
});
