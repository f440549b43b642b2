/** The metrics of a proxy in which everything has happened once, as Prometheus reads them. */

import { Tally } from '../../src/cluster/endpoint.ts';
import { DEFAULT_LIMITS } from '../../src/core/channel.ts';
import { GatheringLimit } from '../../src/core/gathering.ts';
import { SILENT } from '../../src/core/log.ts';
import type { Attempt, ClusterHost, Services } from '../../src/core/protocol.ts';
import { createNodeEngine } from '../../src/io/node/index.ts';
import { deriveLimits } from '../../src/limits/system.ts';
import type { Store } from '../../src/reconcile/store.ts';
import { RungBytes } from '../../src/session/rung-bytes.ts';
import type { SessionTable } from '../../src/session/table.ts';
import { Metrics } from '../../src/telemetry/metrics.ts';
import { metric } from '../../src/transforms/metric/index.ts';

const SPEC = { protocol: 'p' };
const LISTENER = { name: 'l', definition: { spec: SPEC }, requests: 1, sessions: 1, rejects: new Map([['why', 1]]) };
const CLUSTER = { name: 'c', definition: { spec: SPEC }, requests: 1, tally: new Tally() };
const ENDPOINT = { name: 'e', definition: { cluster: 'c', name: 'e' }, sessions: 1, state: 'up', tally: new Tally() };
const SESSION = { rungs: ['userspace'], stages: [], refresh: () => {} };
const SESSIONS = { live: 1, all: () => [SESSION].values() } as unknown as SessionTable;

function store(): Store {
  const of = (object: object): Map<string, object> => new Map([['x', object]]);
  const objects = { listeners: of(LISTENER), clusters: of(CLUSTER), endpoints: of(ENDPOINT) };
  return objects as unknown as Store;
}

async function text(): Promise<string> {
  const metrics = new Metrics({
    store: store(),
    sessions: SESSIONS,
    rungBytes: new RungBytes().totals,
    load: () => [0],
    connections: { open: 0 },
    admission: () => ({ limits: deriveLimits({ descriptors: 1, memory: 1 }), refusals: new Map(), evicted: 0 }),
  });
  metrics.ended({ outcome: { kind: 'end', message: '' }, drops: new Map([['invalid', 1]]) });
  const services = { counter: metrics.counter.bind(metrics) } as unknown as Services;
  const host: ClusterHost = {
    name: 'c',
    options: {},
    limits: DEFAULT_LIMITS,
    io: createNodeEngine(),
    log: SILENT,
    gathering: new GatheringLimit(),
    services,
    dialerOn: () => Promise.reject(new Error('nothing stands here')),
  };
  const dialer = await metric.cluster?.open({}, host);
  dialer?.dial({ session: { name: 's', metadata: {} } } as unknown as Attempt);
  return (await metrics.scrape()).text;
}

/** A row for each: its name, type, labels and help. */
export async function metricRows(): Promise<string[][]> {
  const all = await text();
  const helps = [...all.matchAll(/^# HELP (\S+) (.*)$/gm)] as unknown as [string, string, string][];
  return helps.map(([, name, help]) => {
    const [, type = ''] = new RegExp(`^# TYPE ${name} (\\S+)$`, 'm').exec(all) ?? [];
    const [, labels = ''] = new RegExp(`^${name}\\{(.*)\\}`, 'm').exec(all) ?? [];
    const names = [...labels.matchAll(/(\w+)="/g)].map(([, label]) => `\`${label}\``);
    return [`\`${name}\``, type, names.join(', '), help];
  });
}
