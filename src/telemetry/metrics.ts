import { addAll, addTo } from '../core/counts.ts';
import { L7mpError } from '../core/errors.ts';
import type { LabelledCounter } from '../core/protocol.ts';
import type { Store } from '../reconcile/store.ts';
import type { RungBytes } from '../session/rung-bytes.ts';
import type { SessionTable } from '../session/table.ts';
import type { Definition, Scrape, Series } from './exposition.ts';
import { PROCESS_METRICS } from './process-metrics.ts';

/** Series of ended sessions that a counter still shows: a scrape should see their last values, not for ever. */
const KEPT_ENDED = 1000;

/** Sums over the sessions that have ended. */
export interface Totals {
  readonly sessionsEnded: Map<string, number>;
  readonly dropped: Map<string, number>;
}

/** The metrics of one proxy. Everything is read when it is asked for: nothing is counted twice on the way of a message. */
export class Metrics {
  readonly #definitions = new Map<string, Definition>(PROCESS_METRICS.map((metric) => [metric.name, metric]));
  readonly #counters = new Map<string, SessionCounter>();
  readonly totals: Totals = { sessionsEnded: new Map(), dropped: new Map() };

  /** `load`: how many sockets each I/O thread has. */
  constructor(store: Store, sessions: SessionTable, rungBytes: RungBytes['totals'], load: () => readonly number[]) {
    this.#watchListeners(store);
    this.#watchClusters(store);
    this.#gauge('l7mp_sessions', 'Live sessions.', [], () => [{ labels: {}, value: () => sessions.live }]);
    this.#watchRungs(sessions, rungBytes);
    this.#gauge('l7mp_io_sockets', 'Sockets and UDP peers of each thread of native I/O.', ['thread'], () =>
      load().map((count, n) => ({ labels: { thread: `${n}` }, value: () => count })),
    );
    this.#ended();
  }

  /** The metrics in the Prometheus text format, as they are now. */
  async scrape(): Promise<Scrape> {
    const { expose } = await import('./exposition.ts');
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

  sessionEnded(outcome: string, dropped: ReadonlyMap<string, number> | undefined): void {
    const { totals } = this;
    addTo(totals.sessionsEnded, outcome);
    addAll(totals.dropped, dropped);
  }

  // ------------------------------------------------------------------ own

  #watchRungs(sessions: SessionTable, bytes: RungBytes['totals']): void {
    const help = 'Live sessions, by where their bytes are moved: kernel, native or userspace.';
    this.#gauge('l7mp_rung_sessions', help, ['rung'], () => {
      const counts = new Map<string, number>();
      for (const { rungs } of sessions.all()) {
        const [rung] = rungs;
        if (rung !== undefined) addTo(counts, rung);
      }
      return [...counts].map(([rung, n]) => ({ labels: { rung }, value: () => n }));
    });
    const moved = 'Bytes that came from clients and went to them, by where they were moved.';
    this.#counter('l7mp_rung_bytes_total', moved, ['rung'], () => {
      for (const session of sessions.all()) session.refresh();
      return Object.entries(bytes).map(([rung, n]) => ({ labels: { rung }, value: () => n }));
    });
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
    this.#gauge('cluster_endpoint_sessions', 'Live sessions on an endpoint.', ['clusterName', 'endpointName'], () =>
      [...store.endpoints.values()].map(({ definition, sessions }) => ({
        labels: { clusterName: definition.cluster, endpointName: definition.name },
        value: () => sessions,
      })),
    );
  }

  #ended(): void {
    const list = (totals: Map<string, number>, label: string) => () =>
      [...totals].map(([key, n]) => ({ labels: { [label]: key }, value: () => n }));
    const { sessionsEnded, dropped } = this.totals;
    this.#counter('l7mp_sessions_ended_total', 'Ended sessions, by why.', ['outcome'], list(sessionsEnded, 'outcome'));
    this.#counter(
      'l7mp_messages_dropped_total',
      'Messages lost in ended sessions, by why.',
      ['reason'],
      list(dropped, 'reason'),
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
