/**
 * Sessions of every protocol notice nothing of changes that do not name them. scripts/churn makes more of both, by these
 * variables: L7MP_CHURN_SESSIONS, L7MP_CHURN_CHANGES, L7MP_TEST_SEED, L7MP_TEST_IO, L7MP_TEST_THREADS.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { engines } from '../../src/io/testing.ts';
import { Churn } from './churn.ts';
import { report } from './report.ts';

const { L7MP_CHURN_SESSIONS, L7MP_CHURN_CHANGES, L7MP_TEST_IO, L7MP_TEST_SEED, L7MP_TEST_THREADS } = process.env;
const sessions = Number(L7MP_CHURN_SESSIONS ?? 20);
const changes = Number(L7MP_CHURN_CHANGES ?? 60);
const seed = Number(L7MP_TEST_SEED ?? 1);
const threads = Number(L7MP_TEST_THREADS ?? 2);
const pace = 1000;

for (const { name, admin, skip } of engines()) {
  if (name !== (L7MP_TEST_IO ?? admin.io)) continue;
  test(`only sessions that a change names notice it: ${name}`, { skip }, async (t) => {
    const churn = await Churn.start(t, { sessions, seed, pace, admin: { ...admin, threads } });
    for (let n = 0; n < changes; n++) {
      await churn.change();
      await churn.refusal();
      if (n % 10 === 9) await churn.ending();
      if (n === changes >> 1) await churn.reread();
      if (n === (changes * 3) >> 2 && threads > 1) await churn.failure();
    }
    await churn.crowd.stop();
    if (L7MP_CHURN_SESSIONS !== undefined) console.log(report(churn));
    assert.deepEqual(churn.faults, []);
    assert.deepEqual(churn.noticed.map(({ group, id, notice }) => `${group} ${id}: ${notice}`).slice(0, 20), []);
  });
}
