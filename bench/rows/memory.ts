import { setTimeout as sleep } from 'node:timers/promises';
import { Load } from '../harness/load.ts';
import { residentOf } from '../harness/proc.ts';
import type { Row } from '../harness/types.ts';

/** A process may hold 20,000 descriptors here, two for a TCP session; three quarters of them are the most for one client. */
const SESSIONS = { tcp: 7_000, udp: 10_000 } as const;
/** Garbage that a collector removes by itself is no session's memory. */
const SETTLE_TIME = 5_000;

function memory(kind: 'tcp' | 'udp'): Row {
  const title = `Resident memory of an idle ${kind.toUpperCase()} session`;
  return {
    id: `memory-${kind}`,
    title,
    carries: kind,
    server: [`${kind}_echo`],
    fresh: true,
    rounds: 3,
    metrics: [{ id: 'resident', title, unit: 'KiB', better: 'lower', table: 'result' }],
    measure: async ({ running: { pids, place }, scale }) => {
      const sessions = Math.round(SESSIONS[kind] * scale);
      const before = residentOf(pids);
      const opener = new Load('idle', [place.listen, kind, sessions]);
      await opener.ready();
      await sleep(SETTLE_TIME * scale);
      const after = residentOf(pids);
      await opener.child.stop();
      return { resident: (after - before) / sessions };
    },
  };
}

export const memoryRows: readonly Row[] = [memory('tcp'), memory('udp')];
