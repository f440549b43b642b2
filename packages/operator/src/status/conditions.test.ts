import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Condition } from '../resources/objects.ts';
import type { Verdict } from '../translation/contract.ts';
import { isWritten, newsOf, statusFor } from './conditions.ts';
import type { Progress } from './progress.ts';

const NOW = '2026-01-01T00:00:00Z';
const LATER = '2026-01-01T00:00:09Z';
const DONE: Progress = { selected: 2, programmed: 2 };
const AWAY: Progress = { selected: 2, programmed: 1, reason: 'ProxyUnreachable', message: 'default/a: timeout' };
const PENDING: Progress = { selected: 2, programmed: 1, reason: 'Pending', message: 'default/a: is being programmed' };

function verdict(generation = 1, accepted: Condition['status'] = 'True', refs: Condition['status'] = 'True'): Verdict {
  return {
    generation,
    conditions: [
      { type: 'Accepted', status: accepted, reason: accepted === 'True' ? 'Accepted' : 'Invalid', message: 'm' },
      { type: 'ResolvedRefs', status: refs, reason: refs === 'True' ? 'ResolvedRefs' : 'RefNotFound', message: 'm' },
    ],
  } as unknown as Verdict;
}

const programmed = (progress: Progress, of = verdict()) => {
  const { status, reason, message } = statusFor(of, progress, undefined, NOW).conditions[2] as Condition;
  return [status, reason, message];
};

test('the conditions say of which generation they are, and since when', () => {
  const status = statusFor(verdict(7), DONE, undefined, NOW);
  assert.deepEqual(status.proxies, { selected: 2, programmed: 2, text: '2/2' });
  assert.deepEqual(
    status.conditions.map(({ type, status, observedGeneration, lastTransitionTime }) => [
      type,
      status,
      observedGeneration,
      lastTransitionTime,
    ]),
    ['Accepted', 'ResolvedRefs', 'Programmed'].map((type) => [type, 'True', 7, NOW]),
  );
});

test('Programmed tells what keeps it from being so', () => {
  assert.deepEqual(programmed(DONE), ['True', 'Programmed', 'every selected proxy has it']);
  assert.deepEqual(programmed({ selected: 0, programmed: 0 }), [
    'True',
    'NoProxies',
    'no pod with a proxy is selected',
  ]);
  assert.deepEqual(programmed(AWAY), ['False', 'ProxyUnreachable', '1 of 2 proxies have it; default/a: timeout']);
  assert.deepEqual(programmed({ selected: 0, programmed: 0 }, verdict(1, 'False')), [
    'False',
    'Invalid',
    'what is not accepted is on no proxy',
  ]);
});

test('the time of a condition stays until its status turns', () => {
  const first = statusFor(verdict(1), DONE, undefined, NOW);
  const second = statusFor(verdict(2), AWAY, first, LATER);
  assert.deepEqual(
    second.conditions.map(({ lastTransitionTime }) => lastTransitionTime),
    [NOW, NOW, LATER],
  );
});

test('what is equal is written already, in whatever order', () => {
  const first = statusFor(verdict(1), DONE, undefined, NOW);
  const reversed = { ...first, conditions: [...first.conditions].reverse(), children: {} };
  assert.ok(isWritten(reversed, statusFor(verdict(1), DONE, reversed, LATER)));
  assert.ok(!isWritten(reversed, statusFor(verdict(2), DONE, reversed, LATER)));
  assert.ok(!isWritten(undefined, first));
});

test('conditions of others stay', () => {
  const other: Condition = { type: 'Audited', status: 'True', reason: 'Yes', message: '', lastTransitionTime: NOW };
  assert.deepEqual(statusFor(verdict(), DONE, { conditions: [other] }, NOW).conditions[3], other);
});

test('failures and their ends are news, once', () => {
  const done = statusFor(verdict(), DONE, undefined, NOW);
  const away = statusFor(verdict(), AWAY, done, NOW);
  assert.deepEqual(newsOf(undefined, done), []);
  assert.deepEqual(newsOf(done, away), [
    { type: 'Warning', reason: 'ProxyUnreachable', note: '1 of 2 proxies have it; default/a: timeout' },
  ]);
  assert.deepEqual(newsOf(away, statusFor(verdict(2), { ...AWAY, message: 'default/b: timeout' }, away, NOW)), []);
  assert.deepEqual(newsOf(away, done), [{ type: 'Normal', reason: 'Programmed', note: 'every selected proxy has it' }]);
  const unresolved = statusFor(verdict(1, 'True', 'False'), DONE, undefined, NOW);
  assert.deepEqual(newsOf(undefined, unresolved), [{ type: 'Warning', reason: 'RefNotFound', note: 'm' }]);
  assert.deepEqual(newsOf(unresolved, done), [{ type: 'Normal', reason: 'ResolvedRefs', note: 'm' }]);
});

test('that it takes its time is none', () => {
  const done = statusFor(verdict(), DONE, undefined, NOW);
  const pending = statusFor(verdict(), PENDING, done, NOW);
  assert.deepEqual([newsOf(undefined, pending), newsOf(done, pending), newsOf(pending, done)], [[], [], []]);
});
