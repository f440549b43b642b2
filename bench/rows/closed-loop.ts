/** Rows in which a load program counts units of work: a rate, and the CPU time that the proxy has spent on each. */
import { Load } from '../harness/load.ts';
import { at } from '../harness/network.ts';
import { cpuOf } from '../harness/proc.ts';
import type { Carries, Metric, Row } from '../harness/types.ts';

export interface ClosedLoop {
  readonly id: string;
  readonly title: string;
  readonly carries: Carries;
  readonly server: readonly [string, ...string[]];
  readonly program: string;
  /** What follows port and time on the program's command line; OWN_PORT stands for a port to send from. */
  readonly args: readonly (number | string | typeof OWN_PORT)[];
  readonly unit?: { readonly name: string; readonly size: number; readonly rate: string; readonly cpu: string };
}

export const OWN_PORT = Symbol('own port');

const ROUND_TRIP = { name: 'round trip', size: 1, rate: '/s', cpu: 'µs' };

export function closedLoop({ id, title, carries, server, program, args, unit = ROUND_TRIP }: ClosedLoop): Row {
  const metrics: Metric[] = [
    { id: 'rate', title, unit: unit.rate, better: 'higher', table: 'result' },
    { id: 'cpu', title: `${title}, a ${unit.name}`, unit: unit.cpu, better: 'lower', table: 'cpu' },
    { id: 'lost', title: 'lost or failed', unit: '', better: 'lower', table: 'note' },
    { id: 'loadBusy', title: 'share of its CPU that load and server used', unit: '', better: 'lower', table: 'note' },
  ];
  return {
    id,
    title,
    carries,
    server,
    metrics,
    measure: async ({ running, seconds, server: serverPid, ownPort }) => {
      const own = args.map((arg) => (arg === OWN_PORT ? ownPort : arg));
      const { listen, network } = running.place;
      const load = new Load(program, [at(network.proxy, listen), seconds, ...own], network.atClient);
      await load.ready();
      // Both readings are taken at rest, so nothing that this process delays is missing from one of them.
      const before = [cpuOf(running.pids), cpuOf([serverPid])] as const;
      load.go();
      const result = await load.result(seconds);
      const after = [cpuOf(running.pids), cpuOf([serverPid])] as const;
      const { units = 0, seconds: elapsed = 1, lost = 0, loadCpu = 0 } = result;
      if (units === 0) throw new Error('no work was done');
      return {
        rate: units / unit.size / elapsed,
        ...(running.pids.length > 0 && {
          cpu: ((after[0] - before[0]) / units) * unit.size * (unit.cpu === 'ms' ? 1e-3 : 1),
        }),
        lost,
        loadBusy: (loadCpu + after[1] - before[1]) / elapsed / 1e6,
      };
    },
  };
}
