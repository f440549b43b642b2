/** How many CPUs the process may use. */
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';

const CGROUPS = '/sys/fs/cgroup';

/** By its affinity, and by the quota of its control group, rounded up. At least 1. */
export function usableCpus(): number {
  const quota = cpuQuota(readOr('/proc/self/cgroup'), (path) => readOr(join(CGROUPS, path)));
  return Math.max(1, Math.min(availableParallelism(), Math.ceil(quota)));
}

/**
 * The least of what a control group and those above it have, in CPUs (cgroups(7), cpu.max of version 2); Infinity where
 * nothing says. `membership`: as in /proc/self/cgroup. `read`: the text of a file of the hierarchy, or nothing.
 */
export function cpuQuota(membership: string, read: (path: string) => string): number {
  const [, own] = /^0::(\/.*)$/m.exec(membership) ?? [];
  let least = Number.POSITIVE_INFINITY;
  for (let group = own; group !== undefined; group = group === '/' ? undefined : dirname(group)) {
    const [, quota, period] = /^(\d+) (\d+)/.exec(read(join(group, 'cpu.max'))) ?? [];
    if (quota !== undefined) least = Math.min(least, Number(quota) / Number(period));
  }
  return least;
}

function readOr(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
