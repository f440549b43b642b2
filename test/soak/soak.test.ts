/**
 * Sessions end in every way, and leave nothing behind. scripts/soak makes more of them, by these variables:
 * L7MP_SOAK_SESSIONS, L7MP_TEST_IO, L7MP_TEST_THREADS, L7MP_TEST_SEED.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { engines } from '../../src/io/testing.ts';
import { until } from '../../src/testing/until.ts';
import { type Footprint, Soak } from './driver.ts';

const STEP = 20_000;
/** MiB that the process may have more at the end: a session that leaves 4 KiB behind is found. */
const SLACK = 64;

const { L7MP_SOAK_SESSIONS, L7MP_TEST_IO, L7MP_TEST_SEED } = process.env;
const sessions = Number(L7MP_SOAK_SESSIONS ?? STEP);
/** After these the proxy has what it keeps: its pools are full, its code is compiled, its heap has grown (for some 100,000). */
const warmUp = Math.max(10_000, sessions / 10);
const seed = Number(L7MP_TEST_SEED ?? 1);

for (const { name, admin, skip } of engines()) {
  if (name !== (L7MP_TEST_IO ?? admin.io)) continue;
  test(`fds and memory are after ${sessions} sessions what they were: ${name}`, { skip }, async (t) => {
    const soak = await Soak.start(t, name, seed);
    const begun = performance.now();
    await soak.run(warmUp);
    const before = await soak.footprint();
    report(name, soak.made, warmUp, performance.now() - begun, before);
    for (let left = sessions; left > 0; left -= STEP) {
      const start = performance.now();
      const step = Math.min(STEP, left);
      await soak.run(step);
      report(name, soak.made, step, performance.now() - start, await soak.footprint());
    }
    // What a session had is closed a little after it, on a busy machine.
    const after = await until(async () => {
      const now = await soak.footprint();
      return now.fds <= before.fds && now;
    }, `no more than ${before.fds} fds`);
    assert.ok(after.rss <= before.rss + SLACK, `${after.rss} MiB, of ${before.rss} at the beginning`);
  });
}

function report(io: string, made: number, step: number, ms: number, { fds, rss }: Footprint): void {
  if (L7MP_SOAK_SESSIONS === undefined) return;
  const rate = Math.round((step * 1000) / ms);
  console.log(`${io}: ${made} sessions, ${rate} a second, ${fds} fds, ${rss} MiB`);
}
