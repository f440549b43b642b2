import assert from 'node:assert/strict';
import { test } from 'node:test';
import { attempt } from '../testing/fake-cluster-host.ts';
import { onAbort, sessionOf } from './attempt.ts';

test('who waits gives up once, and not when there is nothing to give up any more', () => {
  const [one, other] = [attempt(), attempt()];
  let given = 0;
  onAbort(one.signal, () => given++);
  onAbort(other.signal, () => given++)();
  one.cancel();
  one.cancel();
  other.cancel();
  assert.equal(given, 1);
});

test('who comes too late gives up at once', () => {
  const late = attempt();
  late.cancel();
  let given = 0;
  onAbort(late.signal, () => given++);
  assert.equal(given, 1);
});

test('a probe has no session', () => {
  const { session, ...probe } = attempt({}, 'of a session');
  assert.equal(sessionOf({ ...probe, ...(session && { session }) }).name, 'of a session');
  assert.throws(() => sessionOf(probe), { code: 'E_NO_ROUTE', message: 'serves sessions only' });
});
