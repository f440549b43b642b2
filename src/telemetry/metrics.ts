/** The metrics of a proxy, in one table: each is read from the counts of its data planes. A new metric is a row. */
import type { Limits } from '../limits/system.ts';
import type { Objects } from '../model/definitions.ts';
import type {
  ClusterCounters,
  Counters,
  CountsBy,
  EndpointCounters,
  ListenerCounters,
  OwnCounter,
  Sample,
  TallyCounters,
} from './counters.ts';
import type { Metric, Scrape } from './metric.ts';
import { PROCESS_METRICS } from './process-metrics.ts';

/** What the metrics of one moment are read from. */
export interface Reading {
  readonly counters: Counters;
  /** The configuration, which says what the objects are. */
  readonly objects: Objects;
  readonly limits: Limits;
  /** Lines that are missing in the access log. */
  readonly accessLogLost: number;
}

type Row = Metric<Reading>;

const LISTENER_LABELS = ['listenerName', 'protocol'];
const CLUSTER_LABELS = ['clusterName', 'protocol'];
const ENDPOINT_LABELS = ['clusterName', 'endpointName'];

/** The metrics that every proxy has; virtual clusters may have others beside them. */
export const METRICS: readonly Row[] = [
  ...PROCESS_METRICS,
  ...ofListeners(),
  {
    type: 'counter',
    name: 'cluster_requests_total',
    help: 'Sessions that were routed to a cluster.',
    labels: CLUSTER_LABELS,
    samples: each(clusters, ({ requests }) => requests),
  },
  {
    type: 'gauge',
    name: 'cluster_endpoint_sessions',
    help: 'Live sessions on an endpoint.',
    labels: ENDPOINT_LABELS,
    samples: each(endpoints, ({ sessions }) => sessions),
  },
  ...ofTallies('cluster', CLUSTER_LABELS, clusters),
  ...ofTallies('cluster_endpoint', ENDPOINT_LABELS, endpoints),
  {
    type: 'gauge',
    name: 'cluster_endpoint_up',
    help: '0 while it takes no sessions because it failed, else 1.',
    labels: ENDPOINT_LABELS,
    samples: each(endpoints, ({ ejected }) => (ejected > 0 ? 0 : 1)),
  },
  single('gauge', 'l7mp_sessions', 'Live sessions.', ({ sessions }) => sessions),
  by('gauge', 'l7mp_rung_sessions', 'Live sessions, by where their bytes are moved: kernel, native or userspace.', {
    label: 'rung',
    counts: ({ rungSessions }) => rungSessions,
  }),
  by('counter', 'l7mp_rung_bytes_total', 'Bytes that came from clients and went to them, by where they were moved.', {
    label: 'rung',
    counts: ({ rungBytes }) => rungBytes,
  }),
  {
    type: 'gauge',
    name: 'l7mp_io_sockets',
    help: 'Sockets and UDP peers that native I/O has in each worker.',
    labels: ['thread'],
    samples: ({ counters }) => counters.sockets.map((value, n) => ({ labels: { thread: `${n}` }, value })),
  },
  single(
    'counter',
    'l7mp_worker_restarts_total',
    'Times that a worker was started again because it had failed.',
    ({ restarts }) => restarts,
  ),
  ...ofLimits(),
  by('counter', 'l7mp_sessions_ended_total', 'Ended sessions, by why.', {
    label: 'outcome',
    counts: ({ ended }) => ended,
  }),
  by('counter', 'l7mp_messages_dropped_total', 'Messages lost, by why.', {
    label: 'reason',
    counts: ({ dropped }) => dropped,
  }),
  {
    type: 'counter',
    name: 'l7mp_access_log_lost_total',
    help: 'Lines that are missing in the access log; the log says why.',
    labels: [],
    samples: ({ accessLogLost: value }) => [{ labels: {}, value }],
  },
];

/** The names that virtual clusters may not give to theirs. */
export const METRIC_NAMES: ReadonlySet<string> = new Set(METRICS.map(({ name }) => name));

/** The metrics in the text format of Prometheus. */
export async function scrape(reading: Reading): Promise<Scrape> {
  const { expose } = await import('./exposition.ts');
  return expose([...METRICS, ...reading.counters.own.map(ownMetric)], reading);
}

function ownMetric({ name, help, labels, samples }: OwnCounter): Row {
  return { type: 'counter', name, help, labels, samples: () => samples };
}

// -------------------------------------------------------------------- rows

function single(type: Row['type'], name: string, help: string, value: (counters: Counters) => number): Row {
  return { type, name, help, labels: [], samples: ({ counters }) => [{ labels: {}, value: value(counters) }] };
}

interface By {
  readonly label: string;
  counts(counters: Counters): CountsBy;
}

/** A sample for each of some counts. */
function by(type: Row['type'], name: string, help: string, { label, counts }: By): Row {
  const samples = ({ counters }: Reading) =>
    [...counts(counters)].map(([key, value]) => ({ labels: { [label]: key }, value }));
  return { type, name, help, labels: [label], samples };
}

function ofLimits(): Row[] {
  const gone = 'UDP sessions that gave way to new ones where a limit was reached.';
  return [
    single('gauge', 'l7mp_connections', 'Open sockets of clients and endpoints.', ({ connections }) => connections),
    {
      type: 'gauge',
      name: 'l7mp_limit',
      help: 'The limits of the whole proxy, as `GET /admin` shows them.',
      labels: ['limit'],
      samples: ({ limits }) => Object.entries(limits).map(([limit, value]) => ({ labels: { limit }, value })),
    },
    single('counter', 'l7mp_sessions_evicted_total', gone, ({ evicted }) => evicted),
    by('counter', 'l7mp_refused_total', 'What was refused because of a limit of the whole proxy.', {
      label: 'reason',
      counts: ({ refused }) => refused,
    }),
  ];
}

function ofListeners(): Row[] {
  return [
    {
      type: 'counter',
      name: 'listener_requests_total',
      help: 'Sessions that a listener has begun.',
      labels: LISTENER_LABELS,
      samples: each(listeners, ({ requests }) => requests),
    },
    {
      type: 'gauge',
      name: 'listener_sessions',
      help: 'Live sessions of a listener.',
      labels: LISTENER_LABELS,
      samples: each(listeners, ({ sessions }) => sessions),
    },
    {
      type: 'counter',
      name: 'listener_rejects_total',
      help: 'What a listener did not take.',
      labels: [...LISTENER_LABELS, 'reason'],
      samples: (reading) =>
        listeners(reading).flatMap(({ labels, counts: { rejects } }) =>
          [...rejects].map(([reason, value]) => ({ labels: { ...labels, reason }, value })),
        ),
    },
  ];
}

function ofTallies(prefix: string, labels: readonly string[], counted: Counting<TallyCounters>): Row[] {
  const counters = [
    ['failures', 'Attempts to connect that failed.'],
    ['retries', 'Attempts to connect after the first of a session.'],
    ['disconnects', 'Connections that broke, or were ended by an endpoint and made again.'],
  ] as const;
  const rows = counters.map(
    ([what, help]): Row => ({
      type: 'counter',
      name: `${prefix}_${what}_total`,
      help,
      labels,
      samples: each(counted, (counts) => counts[what]),
    }),
  );
  const bytes: Row = {
    type: 'counter',
    name: `${prefix}_bytes_total`,
    help: 'Bytes that came in from an endpoint, and went out to it.',
    labels: [...labels, 'direction'],
    samples: (reading) =>
      counted(reading).flatMap(({ labels: own, counts: { bytesIn, bytesOut } }) => [
        { labels: { ...own, direction: 'in' }, value: bytesIn },
        { labels: { ...own, direction: 'out' }, value: bytesOut },
      ]),
  };
  return [...rows, bytes];
}

// -------------------------------------------------------------------- objects and their counts

interface Counted<C> {
  readonly labels: Sample['labels'];
  readonly counts: C;
}

type Counting<C> = (reading: Reading) => Counted<C>[];

function each<C>(counted: Counting<C>, value: (counts: C) => number): Row['samples'] {
  return (reading) => counted(reading).map(({ labels, counts }) => ({ labels, value: value(counts) }));
}

function listeners({ objects, counters }: Reading): Counted<ListenerCounters>[] {
  return join(objects.of('listener'), counters.listeners, ({ name, spec }) => ({
    listenerName: name,
    protocol: spec.protocol,
  }));
}

function clusters({ objects, counters }: Reading): Counted<ClusterCounters>[] {
  return join(objects.of('cluster'), counters.clusters, ({ name, spec }) => ({
    clusterName: name,
    protocol: spec.protocol,
  }));
}

function endpoints({ objects, counters }: Reading): Counted<EndpointCounters>[] {
  return join(objects.of('endpoint'), counters.endpoints, ({ name, cluster }) => ({
    clusterName: cluster,
    endpointName: name,
  }));
}

/** What came or went while the counters were on their way has none. */
function join<D, C>(
  objects: ReadonlyMap<string, { readonly definition: D }>,
  counters: ReadonlyMap<string, C>,
  labelsOf: (definition: D) => Sample['labels'],
): Counted<C>[] {
  return [...objects].flatMap(([name, { definition }]) => {
    const counts = counters.get(name);
    return counts === undefined ? [] : [{ labels: labelsOf(definition), counts }];
  });
}
