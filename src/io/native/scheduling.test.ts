import { equal } from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { release } from 'node:os';
import { describe, it } from 'node:test';
import { engines } from '../testing.ts';
import { createNativeEngine } from './index.ts';
import { SLICE } from './scheduling.ts';

const native = engines().find(({ name }) => name === 'native')?.skip ?? false;
const [major = 0, minor = 0] = release().split('.').map(Number);
const skip = native || (slices().length === 0 && 'this kernel does not show slices') || tooOld();

function tooOld(): string | false {
  return major < 6 || (major === 6 && minor < 12) ? `Linux ${release()} has no slices to ask for, 6.12 has` : false;
}

/** Nanoseconds that each thread of this process asks for. */
function slices(): number[] {
  const threads = readdirSync('/proc/self/task').map((id) => `/proc/self/task/${id}/sched`);
  return threads.flatMap((file) => {
    const [, slice] = /^se\.slice +: +(\d+)/m.exec(text(file)) ?? [];
    return slice === undefined ? [] : [Number(slice)];
  });
}

/** Empty where the thread is gone, or the kernel has no such file. */
function text(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

describe('the threads of the native engine', { skip }, () => {
  it('ask the kernel for short slices, each for itself', async (t) => {
    const short = (): number => slices().filter((slice) => slice === SLICE).length;
    equal(short(), 0);
    const engine = createNativeEngine(2);
    t.after(() => engine.close());
    await engine.ready;
    equal(short(), 2);
  });
});
