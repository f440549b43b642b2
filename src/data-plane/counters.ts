import type { Tally } from '../cluster/endpoint.ts';
import type { Connections } from '../core/connections.ts';
import { addAll, addTo, type Counts } from '../core/counts.ts';
import type { Admission } from '../limits/admission.ts';
import type { SessionObserver } from '../session/observer.ts';
import type { Session } from '../session/session.ts';
import type { Sessions } from '../session/sessions.ts';
import type {
  ClusterCounters,
  Counters,
  EndpointCounters,
  ListenerCounters,
  TallyCounters,
} from '../telemetry/counters.ts';
import type { OwnCounters } from './own-counters.ts';
import type { Store } from './store.ts';
import { Survey } from './survey.ts';

/** Sums over the sessions that have ended. */
export class EndedSessions implements SessionObserver {
  readonly outcomes: Counts = new Map();
  readonly dropped: Counts = new Map();

  ended({ outcome, drops }: Pick<Session, 'outcome' | 'drops'>): void {
    addTo(this.outcomes, outcome?.kind ?? 'end');
    addAll(this.dropped, drops);
  }
}

/** What the counters are read from. */
export interface Counted {
  readonly store: Store;
  readonly sessions: Sessions;
  readonly ended: EndedSessions;
  readonly connections: Connections;
  readonly admission: Pick<Admission, 'refusals' | 'evicted'>;
  readonly own: OwnCounters;
  /** How many sockets each thread has. */
  readonly sockets: readonly number[];
}

/** All counts as they are now: nothing is counted twice on the way of a message. */
export function readCounters({ store, sessions, ended, connections, admission, own, sockets }: Counted): Counters {
  const { table, rungBytes } = sessions;
  const survey = new Survey(table.all());
  const dropped = new Map(ended.dropped);
  addAll(dropped, survey.dropped);
  const { listeners, clusters, endpoints } = store;
  return {
    sessions: table.live,
    connections: connections.open,
    evicted: admission.evicted,
    refused: admission.refusals,
    ended: ended.outcomes,
    dropped,
    rungSessions: survey.rungs,
    rungBytes: new Map(Object.entries(rungBytes.totals)),
    sockets,
    restarts: 0,
    listeners: ofEach(
      listeners,
      ({ requests, sessions: live, rejects }): ListenerCounters => ({ requests, sessions: live, rejects }),
    ),
    clusters: ofEach(clusters, ({ requests, tally }): ClusterCounters => ({ requests, ...tallied(tally, survey) })),
    endpoints: ofEach(
      endpoints,
      ({ sessions: live, ejected, tally }): EndpointCounters => ({
        sessions: live,
        ejected: ejected ? 1 : 0,
        ...tallied(tally, survey),
      }),
    ),
    own: own.read(),
  };
}

function ofEach<T, C>(objects: ReadonlyMap<string, T>, read: (object: T) => C): Map<string, C> {
  return new Map([...objects].map(([name, object]) => [name, read(object)]));
}

function tallied(tally: Tally, { bytesIn, bytesOut }: Survey): TallyCounters {
  const { failures, retries, disconnects } = tally;
  return {
    failures,
    retries,
    disconnects,
    bytesIn: tally.bytesIn + (bytesIn.get(tally) ?? 0),
    bytesOut: tally.bytesOut + (bytesOut.get(tally) ?? 0),
  };
}
