import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SharedSecret } from './shared-secret.ts';

test('all views of a secret derive the same of it, other ones for each label, and nobody else does', () => {
  const secret = new SharedSecret();
  const view = new SharedSecret(secret.memory);
  assert.deepEqual(view.derive('a', 48), secret.derive('a', 48));
  assert.notDeepEqual(secret.derive('b', 48), secret.derive('a', 48));
  assert.notDeepEqual(new SharedSecret().derive('a', 48), secret.derive('a', 48));
});

test('a secret is another one for all once twelve hours have passed', (t) => {
  t.mock.timers.enable({ apis: ['Date'], now: 1e12 });
  const secret = new SharedSecret();
  const view = new SharedSecret(secret.memory);
  const [before, version] = [secret.derive('a', 32), secret.version];
  t.mock.timers.setTime(1e12 + 12 * 3_600_000 - 1);
  assert.deepEqual(view.derive('a', 32), before);
  t.mock.timers.setTime(1e12 + 12 * 3_600_000);
  assert.notEqual(view.version, version);
  assert.notDeepEqual(view.derive('a', 32), before);
  assert.deepEqual([secret.version, secret.derive('a', 32)], [view.version, view.derive('a', 32)]);
});
