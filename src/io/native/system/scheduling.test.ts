import { equal } from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { release } from 'node:os';
import { it } from 'node:test';
import { engines } from '../../testing.ts';
import { createNativeEngine } from '../index.ts';
import { SLICE } from './scheduling.ts';

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
