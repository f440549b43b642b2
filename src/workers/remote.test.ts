import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import { MessageChannel } from 'node:worker_threads';
import type { ClusterDefinition, Definition, ListenerDefinition } from '../model/definitions.ts';
import type { Step } from '../model/step.ts';
import { Calls, type Port } from './calls.ts';
import type { WorkerCalls } from './contract.ts';
import { RemoteDataPlane } from './remote.ts';
import { serve } from './serve.ts';
import { FakePlane } from './testing.ts';

const CLUSTER = { kind: 'cluster', name: 'c' } as ClusterDefinition;
const LISTENER = { kind: 'listener', name: 'l' } as ListenerDefinition;

const comes = (after: Definition): Step => ({ action: 'create', before: undefined, after, fields: [] });
const goes = (before: Definition): Step => ({ action: 'delete', before, after: undefined, fields: [] });

interface Opened {
  readonly plane: RemoteDataPlane;
  readonly fake: FakePlane;
  /** What has crossed to the worker: the methods, in order. */
  readonly asked: unknown[];
}

function open(t: TestContext): Opened {
  const { port1, port2 } = new MessageChannel();
  const fake = new FakePlane();
  serve(port2, async () => fake);
  const asked: unknown[] = [];
  const port = {
    on: port1.on.bind(port1),
    postMessage: (message: readonly unknown[]) => {
      asked.push(message[2]);
      port1.postMessage(message);
    },
  } as unknown as Port;
  t.after(() => port1.close());
  return { plane: new RemoteDataPlane(new Calls<WorkerCalls>(port, {}), assert.fail), fake, asked };
}

describe('of a change, a worker is asked', () => {
  test('once for what comes, and told that it stays', async (t) => {
    const { plane, fake, asked } = open(t);
    await plane.release([comes(CLUSTER)]);
    await plane.take();
    assert.deepEqual([...fake.objects], ['cluster c']);
    await plane.settle([]);
    await plane.status();
    assert.deepEqual(asked, ['take', 'settle', 'status']);
    assert.deepEqual(fake.calls, ['release', 'take', 'settle']);
  });

  test('once for what goes', async (t) => {
    const { plane, fake, asked } = open(t);
    fake.objects.add('cluster c');
    await plane.release([goes(CLUSTER)]);
    await plane.take();
    await plane.settle([]);
    assert.deepEqual(asked, ['settle']);
    assert.deepEqual([...fake.objects], []);
  });

  test('each time where an address is given up', async (t) => {
    const { plane, fake, asked } = open(t);
    await plane.release([goes(LISTENER), comes(CLUSTER)]);
    assert.deepEqual(fake.calls, ['release']);
    await plane.take();
    await plane.settle([]);
    assert.deepEqual(asked, ['release', 'take', 'settle']);
    assert.deepEqual(fake.calls, ['release', 'take', 'settle']);
  });

  test('to undo what it knows of, and nothing else', async (t) => {
    const { plane, fake, asked } = open(t);
    await plane.release([comes(CLUSTER)]);
    await plane.undo();
    assert.deepEqual(asked, []);
    fake.failing.set('take', 'no');
    await plane.release([comes(CLUSTER)]);
    await assert.rejects(plane.take(), { code: 'E_BIND', message: 'no' });
    await plane.undo();
    assert.deepEqual(fake.calls, ['release', 'take', 'undo']);
  });

  test('to end sessions before it is answered', async (t) => {
    const { plane, asked } = open(t);
    await plane.release([comes(CLUSTER)]);
    await plane.take();
    let settled = false;
    const settling = plane.settle([{ message: 'over', routes: ['r'] }]).then(() => (settled = true));
    await Promise.resolve();
    assert.equal(settled, false);
    await settling;
    assert.deepEqual(asked, ['take', 'settle']);
  });
});
