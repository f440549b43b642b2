import assert from 'node:assert/strict';
import { test } from 'node:test';
import { apply, type Handlers } from './apply.ts';
import type { Definition, ListenerDefinition, RuleListDefinition } from './definitions.ts';

const list = (name: string, ...rules: string[]): RuleListDefinition => ({
  kind: 'rulelist',
  name,
  owner: undefined,
  rules,
});

/** Handlers that keep definitions by name, and fail where told. */
function keeping(initial: Definition[], ...failAt: string[]) {
  const there = new Map(initial.map((definition) => [definition.name, definition]));
  const handlers: Handlers = () => ({
    create: async (definition) => {
      const at = 'spec' in definition ? `${definition.name}:${definition.spec.port}` : definition.name;
      if (failAt.includes(at)) throw new Error(`no ${at}`);
      there.set(definition.name, definition);
    },
    update: (_before, after) => {
      there.set(after.name, after);
    },
    delete: async ({ name }) => {
      there.delete(name);
    },
  });
  return { there, handlers };
}

test('all changes are applied', async () => {
  const { there, handlers } = keeping([list('old'), list('kept', 'x')]);
  await apply(
    [
      { before: undefined, after: list('new') },
      { before: list('kept', 'x'), after: list('kept', 'y') },
      { before: list('old'), after: undefined },
    ],
    handlers,
  );
  assert.deepEqual([...there.values()], [list('kept', 'y'), list('new')]);
});

test('a failure undoes what was done before, and says why', async () => {
  const before = [list('kept', 'x'), list('old')];
  const { there, handlers } = keeping(before, 'bad');
  const changes = [
    { before: undefined, after: list('good') },
    { before: list('kept', 'x'), after: list('kept', 'y') },
    { before: undefined, after: list('bad') },
    { before: list('old'), after: undefined },
  ];
  await assert.rejects(apply(changes, handlers), /no bad/);
  assert.deepEqual([...there.values()], before);
});

const listener = (name: string, port: number): ListenerDefinition => ({
  kind: 'listener',
  name,
  spec: { protocol: 'TCP', port },
  rules: 'x',
  options: {},
});

test('a restart that fails brings back what was there', async () => {
  const before = [listener('a', 1), listener('b', 1)];
  const { there, handlers } = keeping(before, 'b:2');
  const changes = [
    { before: listener('a', 1), after: listener('a', 2) },
    { before: listener('b', 1), after: listener('b', 2) },
  ];
  await assert.rejects(apply(changes, handlers), /^Error: no b:2$/);
  assert.deepEqual(
    [...there.values()].toSorted((x, y) => x.name.localeCompare(y.name)),
    before,
  );
});

test('where one step back is blocked the others are taken, and all of it is told', async () => {
  const { there, handlers } = keeping([listener('a', 1), list('old', 'x')], 'b:2', 'a:1');
  const changes = [
    { before: undefined, after: list('new') },
    { before: list('old', 'x'), after: list('old', 'y') },
    { before: listener('a', 1), after: listener('a', 2) },
    { before: undefined, after: listener('b', 2) },
  ];
  await assert.rejects(apply(changes, handlers), {
    code: 'E_INTERNAL',
    message: 'no b:2; and it could not be undone: no a:1',
  });
  assert.deepEqual([...there.values()], [list('old', 'x')]);
});
