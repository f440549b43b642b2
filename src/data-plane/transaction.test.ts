import assert from 'node:assert/strict';
import { test } from 'node:test';
import { undoAfter } from '../core/undo.ts';
import type { Definition, ListenerDefinition, RuleListDefinition } from '../model/definitions.ts';
import type { Change } from '../model/step.ts';
import { plan } from '../reconcile/plan.ts';
import type { Done, Handlers } from './handlers/handler.ts';
import { Transaction } from './transaction.ts';

const list = (name: string, ...rules: string[]): RuleListDefinition => ({
  kind: 'rulelist',
  name,
  owner: undefined,
  rules,
});

const listener = (name: string, port: number): ListenerDefinition => ({
  kind: 'listener',
  name,
  spec: { protocol: 'TCP', port },
  rules: 'x',
  options: {},
});

/** A port is there once, as in the kernel; `blocked` are those that cannot be had (any more). */
class Ports {
  readonly taken = new Set<unknown>();
  readonly blocked = new Set<unknown>();

  take(definition: Definition): void {
    if (definition.kind !== 'listener') return;
    const { port } = definition.spec;
    if (this.taken.has(port) || this.blocked.has(port)) throw new Error(`no port ${port}`);
    this.taken.add(port);
  }

  give(definition: Definition): void {
    if (definition.kind === 'listener') this.taken.delete(definition.spec.port);
  }
}

/** Handlers that keep definitions by name, with listeners that want their ports. */
function keeping(...initial: Definition[]) {
  const there = new Map(initial.map((definition) => [definition.name, definition]));
  const ports = new Ports();
  for (const definition of initial) ports.take(definition);
  const put = (definition: Definition): unknown => there.set(definition.name, definition);
  const restart = async (before: Definition, after: Definition): Promise<Done> => {
    ports.take(after);
    put(after);
    const undo = (): void => {
      ports.give(after);
      put(before);
    };
    return { undo };
  };
  const handlers: Handlers = () => ({
    create: async (after) => {
      if (after.name === 'bad') throw new Error('no bad');
      ports.take(after);
      put(after);
      const undo = (): void => {
        ports.give(after);
        there.delete(after.name);
      };
      return { undo };
    },
    release: async (before) => {
      ports.give(before);
      return { undo: () => ports.take(before) };
    },
    update: (before, after) => {
      put(after);
      return { undo: () => void put(before) };
    },
    restart,
    delete: async ({ name }) => {
      there.delete(name);
    },
  });
  const run = async (...changes: [Definition | undefined, Definition | undefined][]): Promise<void> => {
    const steps = plan(
      changes.map(([before, after]): Change => ({ before, after })),
      (_definition, field) => field.startsWith('/spec'),
    );
    const transaction = new Transaction(steps, handlers);
    await transaction.release();
    try {
      await transaction.take();
    } catch (error) {
      await undoAfter(error, () => transaction.undo());
    }
    await transaction.settle();
  };
  return { there, ports, run };
}

test('all changes are applied', async () => {
  const { there, run } = keeping(list('old'), list('kept', 'x'));
  await run([undefined, list('new')], [list('kept', 'x'), list('kept', 'y')], [list('old'), undefined]);
  assert.deepEqual([...there.values()], [list('kept', 'y'), list('new')]);
});

test('a failure undoes what was done before, and says why', async () => {
  const before = [list('kept', 'x'), list('old')];
  const { there, run } = keeping(...before);
  const failing = run(
    [undefined, list('good')],
    [list('kept', 'x'), list('kept', 'y')],
    [undefined, list('bad')],
    [list('old'), undefined],
  );
  await assert.rejects(failing, /no bad/);
  assert.deepEqual([...there.values()], before);
});

test('a port moves from a listener to another one, also crosswise, and from one that goes', async () => {
  const { there, ports, run } = keeping(listener('a', 1), listener('b', 2), listener('c', 3));
  await run(
    [listener('a', 1), listener('a', 2)],
    [listener('b', 2), listener('b', 1)],
    [undefined, listener('d', 3)],
    [listener('c', 3), undefined],
  );
  assert.deepEqual([...there.values()], [listener('a', 2), listener('b', 1), listener('d', 3)]);
  assert.deepEqual([...ports.taken].sort(), [1, 2, 3]);
});

test('a restart that fails brings back what was there', async () => {
  const before = [listener('a', 1), listener('b', 9), listener('c', 3)];
  const { there, ports, run } = keeping(...before);
  ports.blocked.add(4);
  const failing = run(
    [listener('a', 1), listener('a', 2)],
    [listener('b', 9), listener('b', 4)],
    [listener('c', 3), undefined],
  );
  await assert.rejects(failing, /^Error: no port 4$/);
  assert.deepEqual([...there.values()], before);
  assert.deepEqual([...ports.taken].sort(), [1, 3, 9]);
});

test('where one step back is blocked the others are taken, and all of it is told', async () => {
  const { there, ports, run } = keeping(listener('a', 1), list('old', 'x'));
  ports.blocked.add(1).add(2);
  const failing = run(
    [undefined, list('new')],
    [list('old', 'x'), list('old', 'y')],
    [listener('a', 1), undefined],
    [undefined, listener('b', 2)],
  );
  await assert.rejects(failing, { code: 'E_INTERNAL', message: 'no port 2; and it could not be undone: no port 1' });
  assert.deepEqual([...there.values()], [listener('a', 1), list('old', 'x')]);
});
