/**
 * How long a datagram takes through a proxy that is nearly idle, and how long while its REST API works. Unpinned: the
 * question is whether the control plane holds up the data plane, so an engine's thread may have the other CPU.
 */
import { Load } from '../harness/load.ts';
import type { Metric, Round, Row, Sample } from '../harness/types.ts';

const DATAGRAMS_A_SECOND = 1_000;
const CHANGES_A_SECOND = 100;

function metric(id: string, title: string, unit = 'µs'): Metric {
  return { id, title, unit, better: 'lower', table: 'result' };
}

const metrics: readonly Metric[] = [
  metric('p50', 'Latency at 1,000 datagrams/s, p50'),
  metric('p99', 'Latency at 1,000 datagrams/s, p99'),
  metric('p50changes', '… with 100 API changes/s, p50'),
  metric('p99changes', '… with 100 API changes/s, p99'),
  metric('slowdown', '… p99 with changes / without', ''),
  { id: 'lost', title: 'lost', unit: '', better: 'lower', table: 'note' },
  { id: 'changes', title: 'API changes made in a second', unit: '', better: 'higher', table: 'note' },
];

async function probe({ running: { place }, seconds }: Round, api: number | undefined): Promise<Sample> {
  const load = new Load('latency', [place.listen, seconds, DATAGRAMS_A_SECOND]);
  const changes = api === undefined ? undefined : new Load('api', [api, seconds, CHANGES_A_SECOND]);
  await Promise.all([load.ready(), changes?.ready()]);
  load.go();
  changes?.go();
  const [timed, made] = await Promise.all([load.result(seconds), changes?.result(seconds)]);
  const { p50 = 0, p99 = 0, lost = 0 } = timed;
  if (!made) return { p50, p99, lost };
  if (made.lost) throw new Error(`${made.lost} of ${made.units} API changes failed`);
  return { p50changes: p50, p99changes: p99, changes: (made.units ?? 0) / seconds };
}

export const latency: Row = {
  id: 'latency',
  title: 'Latency',
  carries: 'udp',
  server: ['udp_echo'],
  unpinned: true,
  rounds: 9,
  metrics,
  measure: async (round) => {
    const { contender, place } = round.running;
    const api = contender.api?.(place);
    if (api === undefined) return probe(round, undefined);
    // With and without take turns at being first.
    const order = round.number % 2 ? [api, undefined] : [undefined, api];
    const sample: Record<string, number> = {};
    for (const port of order) Object.assign(sample, await probe(round, port));
    return { ...sample, slowdown: (sample.p99changes ?? 0) / (sample.p99 || 1) };
  },
};
