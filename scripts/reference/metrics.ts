/** The metrics that a proxy shows: those that every one has, and those of the transform that counts. */
import { DEFAULT_LIMITS } from '../../src/core/channel.ts';
import { GatheringLimit } from '../../src/core/gathering.ts';
import { SILENT } from '../../src/core/log.ts';
import type { ClusterHost, Services } from '../../src/core/protocol.ts';
import { OwnCounters } from '../../src/data-plane/own-counters.ts';
import { createNodeEngine } from '../../src/io/node/index.ts';
import { METRICS } from '../../src/telemetry/metrics.ts';
import { metric } from '../../src/transforms/metric/index.ts';

/** A row for each: its name, type, labels and help. */
export async function metricRows(): Promise<string[][]> {
  const own = new OwnCounters();
  const io = createNodeEngine();
  const host: ClusterHost = {
    name: 'c',
    options: {},
    limits: DEFAULT_LIMITS,
    io,
    connections: io.connections,
    log: SILENT,
    gathering: new GatheringLimit(),
    services: { counter: own.counter.bind(own) } as unknown as Services,
    dialerOn: () => Promise.reject(new Error('nothing stands here')),
  };
  await metric.cluster?.open({}, host);
  return [...METRICS, ...own.read().map((counter) => ({ type: 'counter', ...counter }))].map(
    ({ name, type, labels, help }) => [`\`${name}\``, type, labels.map((label) => `\`${label}\``).join(', '), help],
  );
}
