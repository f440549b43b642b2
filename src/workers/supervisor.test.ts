import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import { L7mpError } from '../core/errors.ts';
import type { Level, Log } from '../core/log.ts';
import { SETTINGS } from '../data-plane/testing-samples.ts';
import type { RuleListDefinition } from '../model/definitions.ts';
import type { Step } from '../model/step.ts';
import { NO_COUNTERS } from '../telemetry/counters.ts';
import { until } from '../testing/until.ts';
import { type Life, SupervisedPlane } from './supervisor.ts';
import { FakePlane } from './testing.ts';

/** A data plane that can be made to fail: all that is asked of it then rejects. */
class FakeLife implements Life {
  readonly plane = new FakePlane();
  readonly failed: Promise<string>;
  isBegun = false;
  #fail: (why: string) => void = () => {};

  constructor() {
    this.failed = new Promise((resolve) => {
      this.#fail = resolve;
    });
  }

  fail(): void {
    for (const call of ['configure', 'release', 'take', 'settle', 'undo'] as const)
      this.plane.failing.set(call, 'the thread has ended');
    this.#fail('out of memory');
  }

  async begun(): Promise<void> {
    this.isBegun = true;
  }

  async end(): Promise<void> {}
}

class Trial {
  readonly lives: FakeLife[] = [];
  readonly lines: string[] = [];
  /** The next starts reject. */
  broken = 0;
  readonly #log: Log = {
    enabled: () => true,
    write: (level: Level, object: string, message: string) => this.lines.push(`${level} ${object}: ${message}`),
  };

  async start(t: TestContext): Promise<SupervisedPlane> {
    const start = async (): Promise<Life> => {
      if (this.broken-- > 0) throw new L7mpError('E_INTERNAL', 'no thread');
      const life = new FakeLife();
      this.lives.push(life);
      return life;
    };
    const plane = await SupervisedPlane.start('worker 0', start, SETTINGS, this.#log);
    t.after(() => plane.close());
    return plane;
  }

  get first(): FakeLife {
    return this.lives[0] as FakeLife;
  }

  /** The next one, when it runs the configuration. */
  async next(n = 1): Promise<FakeLife> {
    await until(() => this.lines.filter((line) => line.includes('runs again')).length >= n, 'it runs again');
    return this.lives.at(-1) as FakeLife;
  }
}

const list = (name: string): RuleListDefinition => ({ kind: 'rulelist', name, owner: undefined, rules: [] });
const create = (name: string): Step => ({ action: 'create', before: undefined, after: list(name), fields: [] });
const remove = (name: string): Step => ({ action: 'delete', before: list(name), after: undefined, fields: [] });

async function change(plane: SupervisedPlane, steps: readonly Step[]): Promise<void> {
  await plane.release(steps);
  await plane.take();
  await plane.settle([]);
}

test('the next one runs what the one that has failed ran', async (t) => {
  const trial = new Trial();
  const plane = await trial.start(t);
  await change(plane, [create('a'), create('b')]);
  await change(plane, [remove('a'), create('c')]);
  trial.first.fail();
  const next = await trial.next();
  assert.deepEqual([...next.plane.objects], ['rulelist b', 'rulelist c']);
  assert.equal(next.isBegun, true);
  assert.match(trial.lines[0] as string, /^error worker 0: it has failed, .*: out of memory$/);
  assert.equal((await plane.counters()).restarts, 1);
});

test('the next one drains where the one that has failed did', async (t) => {
  const trial = new Trial();
  const plane = await trial.start(t);
  await change(plane, [create('a')]);
  await plane.drain(5000);
  trial.first.fail();
  const next = await trial.next();
  assert.deepEqual([next.plane.drained, ...next.plane.calls], [5000, 'drain', 'release', 'take', 'settle']);
});

test('while there is none, it is empty, and a change is taken for the next one', async (t) => {
  const trial = new Trial();
  const plane = await trial.start(t);
  trial.first.plane.ids = [1];
  trial.first.fail();
  await until(() => trial.lines.length > 0);
  assert.equal(await plane.session('s1'), undefined);
  assert.equal(await plane.endSession('s1'), false);
  await change(plane, [create('a')]);
  assert.deepEqual([...(await trial.next()).plane.objects], ['rulelist a']);
});

describe('one that fails in the middle of a change', () => {
  test('before it was taken refuses it', async (t) => {
    const trial = new Trial();
    const plane = await trial.start(t);
    await plane.release([create('a')]);
    trial.first.fail();
    await until(() => trial.lines.length > 0);
    await assert.rejects(plane.take(), { code: 'E_INTERNAL', message: 'worker 0 has failed meanwhile' });
    await plane.undo();
    assert.deepEqual([...(await trial.next()).plane.objects], []);
  });

  test('after it was taken comes back with it, when it is settled', async (t) => {
    const trial = new Trial();
    const plane = await trial.start(t);
    await plane.release([create('a')]);
    await plane.take();
    trial.first.fail();
    await until(() => trial.lines.length > 0);
    await plane.settle([]);
    assert.deepEqual([...(await trial.next()).plane.objects], ['rulelist a']);
  });
});

test('one that cannot be started is tried again, later each time', async (t) => {
  const trial = new Trial();
  const plane = await trial.start(t);
  await change(plane, [create('a')]);
  trial.broken = 2;
  trial.first.fail();
  await trial.next();
  const waits = trial.lines.flatMap((line) => /(\d+) ms/.exec(line)?.[1] ?? []);
  assert.deepEqual(waits, ['100', '200', '400']);
  assert.equal((await plane.counters()).restarts, 1);
});

test('counts never go back, what was live is gone', async (t) => {
  const trial = new Trial();
  const plane = await trial.start(t);
  const listener = (requests: number, sessions: number) => ({ requests, sessions, rejects: new Map() });
  trial.first.plane.counts = { ...NO_COUNTERS, sessions: 2, listeners: new Map([['l', listener(7, 2)]]) };
  await plane.counters();
  trial.first.fail();
  const next = await trial.next();
  next.plane.counts = { ...NO_COUNTERS, sessions: 1, listeners: new Map([['l', listener(1, 1)]]) };
  const counters = await plane.counters();
  assert.deepEqual([counters.sessions, counters.listeners.get('l')], [1, listener(8, 1)]);
});

test('one that is closed is not started again', async (t) => {
  const trial = new Trial();
  const plane = await trial.start(t);
  t.mock.timers.enable({ apis: ['setTimeout'] });
  trial.first.fail();
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(trial.lines.length, 1);
  await plane.close();
  t.mock.timers.tick(60_000);
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(trial.lives.length, 1);
});
