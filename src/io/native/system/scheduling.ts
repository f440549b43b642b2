/**
 * How the kernel places a thread among others: an engine's, and the one of the control plane. An engine works for microseconds at a time and sleeps; who has just run for
 * milliseconds beside it, as the control plane does, should not make it wait. EEVDF, the scheduler since Linux 6.6, prefers who
 * asks for a shorter slice, and gives it no more time in all; since 6.12 a thread may ask without privileges, through
 * `sched_runtime` of sched_setattr(2). Earlier kernels ignore that, and a sandbox may forbid the call: nothing depends on it.
 *
 * A thread that wakes may take the CPU from the one that woke it: a worker would lose it with each message to the control
 * plane. One of SCHED_BATCH takes it from nobody when it wakes, and has its share all the same (sched(7)).
 */
import { scratchArena } from './arena.ts';
import { libc } from './libc.ts';

/** Nanoseconds: the shortest that the kernel grants. Its default is some milliseconds. */
export const SLICE = 100_000;

/** System calls that glibc has no names for before 2.41, by architecture. */
const NUMBERS: Partial<Record<NodeJS.Architecture, { set: number; get: number }>> = {
  x64: { set: 314, get: 315 },
  arm64: { set: 274, get: 275 },
};

// struct sched_attr, version 0: where it lies in the scratch arena, its size, and the words in it that are of use here.
const AT = 512;
const SIZE = 48;
const SIZE_WORD = 0;
const POLICY_WORD = 1;
const RUNTIME_WORD = 6;

/** The usual policy: who runs l7mp under another one has decided that. */
const OTHER = 0;
const BATCH = 3;

/** Asks for the calling thread. */
export function askForShortSlices(): void {
  change({ from: OTHER, to: OTHER, slice: SLICE });
}

/** For the calling thread, which wakes others and is woken by them: it takes the CPU from none. */
export class WayMaker {
  #makesWay = false;

  /** Starts a thread, which begins as this one is: it makes no way. */
  starting<T>(start: () => T): T {
    if (this.#makesWay) change({ from: BATCH, to: OTHER });
    try {
      return start();
    } finally {
      this.#makesWay = change({ from: OTHER, to: BATCH });
    }
  }

  end(): void {
    if (this.#makesWay) change({ from: BATCH, to: OTHER });
    this.#makesWay = false;
  }
}

/**
 * What starts processes from the calling thread so that they are placed as any other: else they would begin as this thread is.
 * Throws where the C library cannot be called.
 */
export function startingProcess(): <T>(start: () => T) => T {
  libc();
  return (start) => {
    const { policy, slice = 0 } = ask() ?? {};
    if (policy !== OTHER && policy !== BATCH) return start();
    // 0: the kernel's default.
    change({ from: policy, to: OTHER, slice: 0 });
    try {
      return start();
    } finally {
      change({ from: OTHER, to: policy, slice });
    }
  };
}

interface Change {
  readonly from: number;
  readonly to: number;
  /** Nanoseconds; left out: as it was. */
  readonly slice?: number;
}

/** How the calling thread is placed; the words are in the scratch arena then. Undefined where the system does not say. */
function ask(): { readonly policy: number; readonly slice: number } | undefined {
  const numbers = NUMBERS[process.arch];
  const { u32, base } = scratchArena();
  if (!numbers || libc().syscall(numbers.get, 0, base + AT, SIZE, 0) !== 0) return undefined;
  const words = AT >> 2;
  return { policy: u32[words + POLICY_WORD] as number, slice: u32[words + RUNTIME_WORD] as number };
}

/** Changes the policy of the calling thread, if it is `from`; its nice value and flags stay. Returns whether it has. */
function change({ from, to, slice }: Change): boolean {
  const numbers = NUMBERS[process.arch];
  if (!numbers || ask()?.policy !== from) return false;
  const { u32, base } = scratchArena();
  const words = AT >> 2;
  u32[words + SIZE_WORD] = SIZE;
  u32[words + POLICY_WORD] = to;
  if (slice !== undefined) {
    u32[words + RUNTIME_WORD] = slice;
    u32[words + RUNTIME_WORD + 1] = 0;
  }
  return libc().syscall(numbers.set, 0, base + AT, 0, 0) === 0;
}
