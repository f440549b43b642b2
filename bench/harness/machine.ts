/** On what a result was made: without it no figure says anything. */
import { readFileSync } from 'node:fs';
import { availableParallelism, cpus, loadavg, release, totalmem, version } from 'node:os';
import { output } from './version.ts';

function setting(name: string): string {
  try {
    return readFileSync(`/proc/sys/${name}`, 'utf8').trim();
  } catch {
    return 'unknown';
  }
}

export async function machine(pinned: boolean) {
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cpus: availableParallelism(),
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    kernel: `${release()} ${version()}`,
    node: process.version,
    compiler: (await output('gcc', '--version')).split('\n')[0] ?? 'unknown',
    congestionControl: setting('net/ipv4/tcp_congestion_control'),
    largestReceiveBuffer: setting('net/core/rmem_max'),
    ownNamespace: process.env.L7MP_BENCH_NAMESPACE === '1',
    pinned,
    /** Above a few tenths before the start: the machine had other work, and the figures are disturbed. */
    loadBefore: loadavg()[0]?.toFixed(2) ?? 'unknown',
  };
}
