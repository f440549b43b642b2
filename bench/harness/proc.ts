/** What /proc says about trees of processes. */
import { readdirSync, readFileSync } from 'node:fs';

/** utime and stime are in ticks of 10 ms on every Linux architecture that Node runs on (USER_HZ). */
const MICROS_PER_TICK = 10_000;

interface Stat {
  readonly pid: number;
  readonly parent: number;
  readonly ticks: number;
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

function stat(pid: string): Stat | undefined {
  const text = read(`/proc/${pid}/stat`);
  if (text === undefined) return undefined;
  // The name, in brackets, may hold anything. After it: state, parent, …, utime, stime, cutime, cstime (fields 14-17).
  const fields = text
    .slice(text.lastIndexOf(')') + 2)
    .split(' ')
    .map(Number);
  const ticks = fields.slice(11, 15).reduce((sum, n) => sum + n, 0);
  return { pid: Number(pid), parent: fields[1] ?? 0, ticks };
}

/** The processes below these roots, and the roots. */
function tree(roots: readonly number[]): Stat[] {
  const all = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => stat(pid) ?? []);
  const inside = new Set(roots);
  for (let size = 0; size !== inside.size; ) {
    size = inside.size;
    for (const { pid, parent } of all) if (inside.has(parent)) inside.add(pid);
  }
  return all.filter(({ pid }) => inside.has(pid));
}

/** User and system time in microseconds, of all threads, and of the children that have ended. */
export function cpuOf(roots: readonly number[]): number {
  if (roots.length === 0) return 0;
  return tree(roots).reduce((sum, { ticks }) => sum + ticks, 0) * MICROS_PER_TICK;
}

/** Resident memory in KiB. */
export function residentOf(roots: readonly number[]): number {
  return tree(roots).reduce((sum, { pid }) => {
    const line = read(`/proc/${pid}/status`)?.match(/^VmRSS:\s+(\d+) kB/m);
    return sum + Number(line?.[1] ?? 0);
  }, 0);
}
