/**
 * How the kernel places an engine's thread among others. It works for microseconds at a time and sleeps; who has just run for
 * milliseconds beside it, as the control plane does, should not make it wait. EEVDF, the scheduler since Linux 6.6, prefers who
 * asks for a shorter slice, and gives it no more time in all; since 6.12 a thread may ask without privileges, through
 * `sched_runtime` of sched_setattr(2). Earlier kernels ignore that, and a sandbox may forbid the call: nothing depends on it.
 */
import type { Arena } from './arena.ts';
import { libc } from './libc.ts';

/** Nanoseconds: the shortest that the kernel grants. Its default is some milliseconds. */
export const SLICE = 100_000;

/** System calls that glibc has no names for before 2.41, by architecture. */
const NUMBERS: Partial<Record<NodeJS.Architecture, { set: number; get: number }>> = {
  x64: { set: 314, get: 315 },
  arm64: { set: 274, get: 275 },
};

// struct sched_attr, version 0: its size, and the words in it that are of use here.
const SIZE = 48;
const SIZE_WORD = 0;
const POLICY_WORD = 1;
const RUNTIME_WORD = 6;

/** SCHED_OTHER: who runs l7mp under another policy has decided that. */
const OTHER = 0;

/** Asks for the calling thread. Its nice value and flags stay as they are. */
export function askForShortSlices(arena: Arena): void {
  const numbers = NUMBERS[process.arch];
  if (!numbers) return;
  const at = arena.take(SIZE);
  const { u32, base } = arena;
  const words = at >> 2;
  if (libc().syscall(numbers.get, 0, base + at, SIZE, 0) !== 0 || u32[words + POLICY_WORD] !== OTHER) return;
  u32[words + SIZE_WORD] = SIZE;
  u32[words + RUNTIME_WORD] = SLICE;
  u32[words + RUNTIME_WORD + 1] = 0;
  libc().syscall(numbers.set, 0, base + at, 0, 0);
}
