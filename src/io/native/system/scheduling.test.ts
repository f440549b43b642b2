import { equal } from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { release } from 'node:os';
import { it } from 'node:test';
import { engines } from '../../testing.ts';
import { createNativeEngine } from '../index.ts';
import { SLICE, WayMaker } from './scheduling.ts';

const native = engines().find(({ name }) => name === 'native')?.skip ?? false;
const [major = 0, minor = 0] = release().split('.').map(Number);
const skip = native || (slice() === undefined && 'this kernel does not show slices') || tooOld();

function tooOld(): string | false {
  return major < 6 || (major === 6 && minor < 12) ? `Linux ${release()} has no slices to ask for, 6.12 has` : false;
}

/** Nanoseconds that this thread asks for; undefined where the kernel does not say. */
function slice(): number | undefined {
  try {
    const [, nanoseconds] = /^se\.slice +: +(\d+)/m.exec(readFileSync('/proc/thread-self/sched', 'utf8')) ?? [];
    return nanoseconds === undefined ? undefined : Number(nanoseconds);
  } catch {
    return undefined;
  }
}

it('the thread of a native engine asks the kernel for short slices', { skip }, async () => {
  await createNativeEngine().close();
  equal(slice(), SLICE);
});

const SCHED_OTHER = 0;
const SCHED_BATCH = 3;

/** Of this thread: field 41 of its stat file (proc(5)). */
function policy(): number {
  const text = readFileSync('/proc/thread-self/stat', 'utf8');
  // From the third field on: the name before it may have blanks.
  return Number(text.slice(text.lastIndexOf(')') + 2).split(' ')[41 - 3]);
}

const unusual = native || (policy() !== SCHED_OTHER && 'these tests run under a policy of their own');

it('who makes way has a policy that preempts nobody, and what it starts has not', { skip: unusual }, () => {
  const maker = new WayMaker();
  for (let n = 0; n < 2; n++) {
    equal(
      maker.starting(() => policy()),
      SCHED_OTHER,
    );
    equal(policy(), SCHED_BATCH);
  }
  maker.end();
  equal(policy(), SCHED_OTHER);
});
