import type { Tally } from '../cluster/endpoint.ts';
import { addAll, addTo, sum } from '../core/counts.ts';
import { L7mpError } from '../core/errors.ts';
import type { LabelledCounter } from '../core/protocol.ts';
import type { Admission } from '../limits/admission.ts';
import type { Store } from '../reconcile/store.ts';
import type { SessionObserver } from '../session/observer.ts';
import type { RungBytes } from '../session/rung-bytes.ts';
import type { Session } from '../session/session.ts';
import type { SessionTable } from '../session/table.ts';
import type { Definition, Scrape, Series } from './exposition.ts';
import { PROCESS_METRICS } from './process-metrics.ts';
import { Survey } from './survey.ts';

/** Series of ended sessions that a counter still shows: a scrape should see their last values, not for ever. */
const KEPT_ENDED = 1000;

/** What the metrics are read from. */
export interface Watched {
  readonly store: Store;
  readonly sessions: SessionTable;
  readonly rungBytes: RungBytes['totals'];
  /** How many sockets each I/O thread has. */
  load(): readonly number[];
  readonly connections: { readonly open: number };
  admission(): Pick<Admission, 'limits' | 'refusals' | 'evicted'>;
}

const ENDPOINT_LABELS = ['clusterName', 'endpointName'];

/** A sample for each of some counts. */
function listed(counts: ReadonlyMap<string, number>, label: string): Series[] {
  return [...counts].map(([key, n]) => ({ labels: { [label]: key }, value: () => n }));
}

/** Sums over the sessions that have ended. */
export interface Totals {
  readonly sessionsEnded: Map<string, number>;
  readonly dropped: Map<string, number>;
}

/** The metrics of one proxy. Everything is read when it is asked for: nothing is counted twice on the way of a message. */
export class Metrics implements SessionObserver {
  readonly #definitions = new Map<string, Definition>(PROCESS_METRICS.map((metric) => [metric.name, metric]));
  readonly #counters = new Map<string, SessionCounter>();
  readonly totals: Totals = { sessionsEnded: new Map(), dropped: new Map() };
  readonly #sessions: SessionTable;
  /** Of the scrape that is under way. */
  #survey = new Survey([]);

  constructor({ store, sessions, rungBytes, load, connections, admission }: Watched) {
    this.#sessions = sessions;
    this.#watchListeners(store);
    this.#watchClusters(store);
    this.#watchTallies(store);
    this.#gauge('l7mp_sessions', 'Live sessions.', [], () => [{ labels: {}, value: () => sessions.live }]);
    this.#watchRungs(rungBytes);
    this.#gauge('l7mp_io_sockets', 'Sockets and UDP peers of each thread of native I/O.', ['thread'], () =>
      load().map((count, n) => ({ labels: { thread: `${n}` }, value: () => count })),
    );
    this.#watchLimits(connections, admission);
    this.#ended();
  }

  /** The metrics in the Prometheus text format, as they are now. */
  async scrape(): Promise<Scrape> {
    const { expose } = await import('./exposition.ts');
    this.#survey = new Survey(this.#sessions.all());
    return expose(this.#definitions.values());
  }

  /** A counter for virtual clusters; one of that name and those labels is shared. */
  counter(name: string, help: string, labels: readonly string[]): LabelledCounter {
    let counter = this.#counters.get(name);
    if (!counter) {
      if (this.#definitions.has(name)) throw new L7mpError('E_DUPLICATE', `metric ${name} is taken`);
      counter = new SessionCounter();
      const series = counter;
      this.#counter(name, help, labels, () => series.all());
      this.#counters.set(name, counter);
    }
    return counter;
  }

  ended({ outcome, drops }: Pick<Session, 'outcome' | 'drops'>): void {
    const { totals } = this;
    addTo(totals.sessionsEnded, outcome?.kind ?? 'end');
    addAll(totals.dropped, drops);
  }

  // ------------------------------------------------------------------ own

  #watchRungs(bytes: RungBytes['totals']): void {
    const help = 'Live sessions, by where their bytes are moved: kernel, native or userspace.';
    this.#gauge('l7mp_rung_sessions', help, ['rung'], () => listed(this.#survey.rungs, 'rung'));
    const moved = 'Bytes that came from clients and went to them, by where they were moved.';
    this.#counter('l7mp_rung_bytes_total', moved, ['rung'], () => listed(new Map(Object.entries(bytes)), 'rung'));
  }

  #watchLimits(connections: Watched['connections'], admission: Watched['admission']): void {
    this.#gauge('l7mp_connections', 'Open sockets of clients and endpoints.', [], () => [
      { labels: {}, value: () => connections.open },
    ]);
    this.#gauge('l7mp_limit', 'The limits of the whole proxy, as `GET /admin` shows them.', ['limit'], () =>
      Object.entries(admission().limits).map(([limit, n]) => ({ labels: { limit }, value: () => n })),
    );
    const gone = 'UDP sessions that gave way to new ones where a limit was reached.';
    this.#counter('l7mp_sessions_evicted_total', gone, [], () => [{ labels: {}, value: () => admission().evicted }]);
    const help = 'What was refused because of a limit of the whole proxy.';
    this.#counter('l7mp_refused_total', help, ['reason'], () =>
      [...admission().refusals].map(([reason, n]) => ({ labels: { reason }, value: () => n })),
    );
  }

  #watchListeners(store: Store): void {
    const labels = ['listenerName', 'protocol'];
    const each = () =>
      [...store.listeners.values()].map((listener) => ({
        listener,
        labels: { listenerName: listener.name, protocol: listener.definition.spec.protocol },
      }));
    this.#counter('listener_requests_total', 'Sessions that a listener has begun.', labels, () =>
      each().map(({ listener, labels: own }) => ({ labels: own, value: () => listener.requests })),
    );
    this.#gauge('listener_sessions', 'Live sessions of a listener.', labels, () =>
      each().map(({ listener, labels: own }) => ({ labels: own, value: () => listener.sessions })),
    );
    this.#counter('listener_rejects_total', 'What a listener did not take.', [...labels, 'reason'], () =>
      each().flatMap(({ listener, labels: own }) =>
        [...listener.rejects].map(([reason, n]) => ({ labels: { ...own, reason }, value: () => n })),
      ),
    );
  }

  #watchClusters(store: Store): void {
    this.#counter(
      'cluster_requests_total',
      'Sessions that were routed to a cluster.',
      ['clusterName', 'protocol'],
      () =>
        [...store.clusters.values()].map((cluster) => ({
          labels: { clusterName: cluster.name, protocol: cluster.definition.spec.protocol },
          value: () => cluster.requests,
        })),
    );
    this.#gauge('cluster_endpoint_sessions', 'Live sessions on an endpoint.', ENDPOINT_LABELS, () =>
      [...store.endpoints.values()].map(({ definition, sessions }) => ({
        labels: { clusterName: definition.cluster, endpointName: definition.name },
        value: () => sessions,
      })),
    );
  }

  #watchTallies(store: Store): void {
    this.#watchTally('cluster', ['clusterName', 'protocol'], () =>
      [...store.clusters.values()].map(({ name, definition, tally }) => ({
        labels: { clusterName: name, protocol: definition.spec.protocol },
        tally,
      })),
    );
    this.#watchTally('cluster_endpoint', ENDPOINT_LABELS, () =>
      [...store.endpoints.values()].map(({ name, definition, tally }) => ({
        labels: { clusterName: definition.cluster, endpointName: name },
        tally,
      })),
    );
    this.#gauge('cluster_endpoint_up', '0 while it takes no sessions because it failed, else 1.', ENDPOINT_LABELS, () =>
      [...store.endpoints.values()].map(({ name, definition, ejected }) => ({
        labels: { clusterName: definition.cluster, endpointName: name },
        value: () => (ejected ? 0 : 1),
      })),
    );
  }

  #watchTally(prefix: string, labelNames: string[], each: () => { labels: Series['labels']; tally: Tally }[]): void {
    const counters = [
      ['failures', 'Attempts to connect that failed.'],
      ['retries', 'Attempts to connect after the first of a session.'],
      ['disconnects', 'Connections that broke, or were ended by an endpoint and made again.'],
    ] as const;
    for (const [what, help] of counters) {
      this.#counter(`${prefix}_${what}_total`, help, labelNames, () =>
        each().map(({ labels, tally }) => ({ labels, value: () => tally[what] })),
      );
    }
    const help = 'Bytes that came in from an endpoint, and went out to it.';
    this.#counter(`${prefix}_bytes_total`, help, [...labelNames, 'direction'], () =>
      each().flatMap(({ labels, tally }) => [
        { labels: { ...labels, direction: 'in' }, value: () => tally.bytesIn + (this.#survey.bytesIn.get(tally) ?? 0) },
        {
          labels: { ...labels, direction: 'out' },
          value: () => tally.bytesOut + (this.#survey.bytesOut.get(tally) ?? 0),
        },
      ]),
    );
  }

  #ended(): void {
    const { sessionsEnded, dropped } = this.totals;
    this.#counter('l7mp_sessions_ended_total', 'Ended sessions, by why.', ['outcome'], () =>
      listed(sessionsEnded, 'outcome'),
    );
    this.#counter('l7mp_messages_dropped_total', 'Messages lost, by why.', ['reason'], () =>
      listed(sum(dropped, this.#survey.dropped) ?? dropped, 'reason'),
    );
  }

  #counter(name: string, help: string, labels: readonly string[], series: () => readonly Series[]): void {
    this.#definitions.set(name, { type: 'counter', name, help, labels, series });
  }

  #gauge(name: string, help: string, labels: readonly string[], series: () => readonly Series[]): void {
    this.#definitions.set(name, { type: 'gauge', name, help, labels, series });
  }
}

/** Samples that live sessions are asked for, and the last values of the sessions that ended last. */
class SessionCounter implements LabelledCounter {
  readonly #live = new Set<Series>();
  readonly #ended: Series[] = [];

  watch(labels: Record<string, string>, value: () => number): () => void {
    const series = { labels, value };
    this.#live.add(series);
    return () => {
      if (!this.#live.delete(series)) return;
      const last = value();
      this.#ended.push({ labels, value: () => last });
      if (this.#ended.length > KEPT_ENDED) this.#ended.shift();
    };
  }

  all(): Series[] {
    return [...this.#ended, ...this.#live];
  }
}
