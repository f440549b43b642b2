/** What stays of the counts of a data plane that has failed: sums never go back. */
import type { Kind } from '../model/definitions.ts';
import type { Step } from '../model/step.ts';
import { type Counters, KEPT_SAMPLES, type ListenerCounters, type OwnCounter } from '../telemetry/counters.ts';
import { sumCounters } from './sum-counters.ts';

export class KeptCounters {
  #kept: Counters | undefined;

  /** Those of a living one, with what is kept. */
  with(counters: Counters): Counters {
    return this.#kept ? sumCounters(this.#kept, counters) : counters;
  }

  /** The last that is known of one that has failed. What it had at the moment, it has no more. */
  keep(last: Counters): void {
    const kept = this.with(withoutLive(last));
    this.#kept = { ...kept, own: kept.own.map(latestSamples) };
  }

  /** Objects that are deleted take theirs along: others of these names begin at zero. */
  forget(steps: readonly Step[]): void {
    if (!this.#kept) return;
    const gone = steps.flatMap(({ action, before }) => (action === 'delete' && before ? [before] : []));
    const remain = <T>(counts: ReadonlyMap<string, T>, kind: Kind): Map<string, T> => {
      const names = new Set(gone.filter((definition) => definition.kind === kind).map(({ name }) => name));
      return new Map([...counts].filter(([name]) => !names.has(name)));
    };
    const { listeners, clusters, endpoints } = this.#kept;
    this.#kept = {
      ...this.#kept,
      listeners: remain(listeners, 'listener'),
      clusters: remain(clusters, 'cluster'),
      endpoints: remain(endpoints, 'endpoint'),
    };
  }
}

function withoutLive(counters: Counters): Counters {
  const { listeners, endpoints } = counters;
  return {
    ...counters,
    sessions: 0,
    connections: 0,
    rungSessions: new Map(),
    sockets: [],
    listeners: mapValues(listeners, (counts): ListenerCounters => ({ ...counts, sessions: 0 })),
    endpoints: mapValues(endpoints, (counts) => ({ ...counts, sessions: 0, ejected: 0 })),
  };
}

function mapValues<T>(map: ReadonlyMap<string, T>, make: (value: T) => T): Map<string, T> {
  return new Map([...map].map(([key, value]) => [key, make(value)]));
}

function latestSamples(counter: OwnCounter): OwnCounter {
  return { ...counter, samples: counter.samples.slice(-KEPT_SAMPLES) };
}
