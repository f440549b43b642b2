import assert from 'node:assert/strict';
import { test } from 'node:test';
import { apply, type Handlers } from './apply.ts';
import type { Definition, RuleListDefinition } from './definitions.ts';

const list = (name: string, ...rules: string[]): RuleListDefinition => ({
  kind: 'rulelist',
  name,
  inline: false,
  rules,
});

/** Handlers that keep definitions by name, and fail where told. */
function keeping(initial: Definition[], failAt?: string) {
  const there = new Map(initial.map((definition) => [definition.name, definition]));
  const handlers: Handlers = () => ({
    create: async (definition) => {
      if (definition.name === failAt) throw new Error(`no ${failAt}`);
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
