/** What a data plane counts, as plain data that crosses threads: the metrics of the proxy are made of it. */

/** Counts by reason, rung or outcome. */
export type CountsBy = ReadonlyMap<string, number>;

/** All counts of one moment. Those of several data planes are the sums, number by number; `sockets` follow one another. */
export interface Counters {
  /** Live sessions. */
  readonly sessions: number;
  /** Open sockets of clients and endpoints. */
  readonly connections: number;
  /** Sessions that gave way to others where a limit was reached. */
  readonly evicted: number;
  /** What limits of the whole have refused, by reason. */
  readonly refused: CountsBy;
  /** Ended sessions, by outcome. */
  readonly ended: CountsBy;
  /** Lost messages of live and ended sessions, by reason. */
  readonly dropped: CountsBy;
  /** Live sessions, and bytes of clients, by where they are moved. */
  readonly rungSessions: CountsBy;
  readonly rungBytes: CountsBy;
  /** Sockets and UDP peers, of each thread. */
  readonly sockets: readonly number[];
  /** Times that it was started again because it had failed. */
  readonly restarts: number;
  /** By the names of the objects. */
  readonly listeners: ReadonlyMap<string, ListenerCounters>;
  readonly clusters: ReadonlyMap<string, ClusterCounters>;
  readonly endpoints: ReadonlyMap<string, EndpointCounters>;
  readonly own: readonly OwnCounter[];
}

/** Of a data plane that does nothing. */
export const NO_COUNTERS: Counters = {
  sessions: 0,
  connections: 0,
  evicted: 0,
  refused: new Map(),
  ended: new Map(),
  dropped: new Map(),
  rungSessions: new Map(),
  rungBytes: new Map(),
  sockets: [],
  restarts: 0,
  listeners: new Map(),
  clusters: new Map(),
  endpoints: new Map(),
  own: [],
};

export interface ListenerCounters {
  /** Sessions begun. */
  readonly requests: number;
  /** Live sessions. */
  readonly sessions: number;
  readonly rejects: CountsBy;
}

/** What a cluster or an endpoint has brought; the bytes also over connections that still stand. */
export interface TallyCounters {
  readonly failures: number;
  readonly retries: number;
  readonly disconnects: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
}

export interface ClusterCounters extends TallyCounters {
  /** Sessions that were routed to it. */
  readonly requests: number;
}

export interface EndpointCounters extends TallyCounters {
  /** Live sessions. */
  readonly sessions: number;
  /** Data planes that leave it out because it failed. */
  readonly ejected: number;
}

/** A metric of virtual clusters. */
export interface OwnCounter {
  readonly name: string;
  readonly help: string;
  readonly labels: readonly string[];
  readonly samples: readonly Sample[];
}

/** Samples of ended sessions that a metric still shows: a scrape should see their last values, not for ever. */
export const KEPT_SAMPLES = 1000;

/** A value of a metric. */
export interface Sample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}
