/**
 * What a second worker adds. Unpinned: both CPUs are the proxy's, and the load has what it leaves. So the load is light:
 * what it takes of the CPUs is in `loadBusy`, and is missing from what two workers can do.
 */
import { Load } from '../harness/load.ts';
import type { Round, Row, Sample } from '../harness/types.ts';
import { closedLoop } from './closed-loop.ts';

/**
 * Datagrams a second: about what two workers take, since what is sent beyond that, the kernel drops at their sockets, for
 * CPU time that they would need. One worker takes half of it.
 */
const RATE = 250_000;
const SIZE = 200;
const TITLE = 'UDP → JSONEncap, JSONDecap, … → Discard';
/** Spread over the workers by address: so many that each has about as many as the other. */
const FLOWS = 256;

async function measure({ running, seconds, ownPort }: Round): Promise<Sample> {
  const { listen, middle } = running.place;
  const load = new Load('udp_send', [listen, seconds, ownPort, FLOWS, SIZE, RATE]);
  await load.ready();
  const before = await taken(middle);
  const begun = performance.now();
  load.go();
  const { loadCpu = 0, seconds: sending = 1 } = await load.result(seconds);
  const bytes = (await taken(middle)) - before;
  return { rate: (bytes / SIZE / (performance.now() - begun)) * 1_000, loadBusy: loadCpu / sending / 1e6 };
}

/** Bytes that the transform has taken. */
async function taken(port: number): Promise<number> {
  const answer = await fetch(`http://127.0.0.1:${port}/`, { signal: AbortSignal.timeout(10_000) });
  const sample = /^cluster_bytes_total\{[^}]*clusterName="encap"[^}]*direction="out"[^}]*\} (\S+)$/m;
  return Number(sample.exec(await answer.text())?.[1] ?? 0);
}

const javascript: Row = {
  id: 'workers-javascript',
  title: TITLE,
  carries: 'workers-javascript',
  // It is not asked: nothing comes out.
  server: ['udp_echo'],
  unpinned: true,
  metrics: [
    { id: 'rate', title: TITLE, unit: '/s', better: 'higher', table: 'result' },
    { id: 'loadBusy', title: 'share of a CPU that the load used', unit: '', better: 'lower', table: 'note' },
  ],
  measure,
};

const connections: Row = {
  ...closedLoop({
    id: 'workers-connections',
    title: 'TCP connections, unpinned',
    carries: 'workers-tcp',
    server: ['tcp_echo', 'once'],
    program: 'tcp_connect',
    args: [16],
    unit: { name: 'connection', size: 1, rate: '/s', cpu: 'µs' },
  }),
  unpinned: true,
};

const handshakes: Row = {
  ...closedLoop({
    id: 'workers-handshakes',
    title: 'TCP → TLS → TCP, connections, unpinned',
    carries: 'workers-tls',
    server: ['tcp_echo', 'once'],
    program: 'tcp_connect',
    args: [16],
    unit: { name: 'connection', size: 1, rate: '/s', cpu: 'µs' },
  }),
  unpinned: true,
};

export const workers: readonly Row[] = [javascript, connections, handshakes];
