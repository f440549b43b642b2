/**
 * What stands between the control plane (the main thread: files, REST API, plans, logs) and a data plane (listeners,
 * clusters, rules, sessions, and the sockets of one thread). Everything that crosses is plain data, as structuredClone()
 * takes it. Nothing crosses for a packet; for a session at most one small record, in a batch.
 *
 * One data plane in the main thread, one in a worker, and several that act as one are held against one suite.
 */
import type { AdminInput } from '../config/schema.ts';
import type { Level, Threshold } from '../core/log.ts';
import type { ApiRequest, ApiResponse } from '../core/protocol.ts';
import type { Limits } from '../limits/system.ts';
import type { Kind } from '../reconcile/definitions.ts';
import type { Step } from '../reconcile/plan.ts';
import type { SessionStatus } from '../session/session.ts';

/** What a control plane asks of a data plane. */
export interface DataPlane {
  /** Takes up settings of the whole proxy. Rejects, and changes nothing, where it cannot. */
  configure(settings: PlaneSettings): Promise<void>;

  /**
   * A change of the configuration goes through `release`, `take`, and then either `settle` or `undo`; one at a time. What
   * is restarted or goes gives up its address here. Rejects with everything as it was.
   */
  release(steps: readonly Step[]): Promise<void>;
  /** What comes and changes does so, what goes is still known. Rejects where it cannot: then `undo` is called. */
  take(): Promise<void>;
  /** Forgets what goes, ends what shall end, and gives up what was kept for `undo`. Does not reject. */
  settle(endings: readonly Ending[]): Promise<void>;
  /** Everything is as before `release`. Rejects where something could not be taken back, and says what. */
  undo(): Promise<void>;

  /** The sessions that match, in the order in which they began, as the API lists them. */
  sessions(query: SessionQuery): Promise<SessionPart>;
  /** A session as the API shows it; undefined where there is none of that name. */
  session(name: string): Promise<object | undefined>;
  /** Ends a session. Tells whether there was one. */
  endSession(name: string): Promise<boolean>;

  /** All counts, as they are now. Those of several data planes are the sums, number by number. */
  counters(): Promise<Counters>;
  /** What it runs on. */
  status(): Promise<PlaneStatus>;

  /**
   * Takes no new sessions, but on listeners that lead to the control plane; frees the addresses of the others. Sessions go
   * on until they end, or until the time is over (milliseconds): then they are ended in order. `undefined` takes it back.
   */
  drain(timeout: number | undefined): Promise<void>;
  /** Goes on in the files that have its paths now. Resolves with what could not be opened, a line each. */
  reopen(): Promise<readonly string[]>;
  /** Ends every session and closes everything. What was written has a second to leave. */
  close(): Promise<void>;
}

/** What a data plane asks of its control plane, or tells it. */
export interface ControlPlane {
  /** Lines for the log, of levels that are `enabled`. */
  log(lines: readonly LogLine[]): void;
  /** Sessions that have ended, as the access log writes them; only where `accessLog` is set. */
  ended(records: readonly object[]): void;
  /** Answers a REST API request that has come to a listener of the data plane. */
  api(request: ApiRequest): Promise<ApiResponse>;
  /** The metrics of the whole proxy. */
  metrics(): Promise<{ readonly type: string; readonly text: string }>;
}

/** Settings of the whole proxy that concern a data plane. */
export interface PlaneSettings {
  readonly logLevel: Threshold;
  /** Whether the log goes to stdout. */
  readonly logOnStdout: boolean;
  /** Whether somebody wants to know of ended sessions. */
  readonly accessLog: boolean;
  readonly limits: Limits;
  readonly offload: Pick<AdminInput, 'offload' | 'offload_ifs'>;
  /** Below which directory the API may name files. */
  readonly files: string;
  /** Bytes of a REST API request's body at most. */
  readonly bodyLimit: number;
}

export interface LogLine {
  readonly level: Level;
  readonly object: string;
  readonly message: string;
}

/** Sessions that end with a change of the configuration. */
export interface Ending {
  /** Why, for their peers and the log. */
  readonly message: string;
  /** `end` ends those that go through the object; `disconnect` breaks their connection to it, and their retry policy decides. */
  readonly how: 'end' | 'disconnect';
  readonly kind: Kind;
  readonly name: string;
}

/** Which sessions are listed, and what of them. */
export interface SessionQuery {
  readonly limit: number;
  /** The id of the session after which the list begins. Ids are of the whole proxy, and grow. */
  readonly after: number;
  readonly listener: string | undefined;
  readonly cluster: string | undefined;
  readonly endpoint: string | undefined;
  readonly status: SessionStatus | undefined;
  /** An IP address or a CIDR of clients. */
  readonly peer: string | undefined;
  readonly fields: readonly string[] | undefined;
}

export interface SessionPart {
  readonly sessions: readonly ListedSession[];
  /** How many match, in this part or not. */
  readonly total: number;
  /** There are more after the last of this part. */
  readonly more: boolean;
}

export interface ListedSession {
  readonly id: number;
  readonly view: object;
}

/** Counts by the names of what they are of; a reason, a rung or an outcome has its own. */
type Counts = Readonly<Record<string, number>>;

export interface Counters {
  /** Live sessions. */
  readonly sessions: number;
  /** Open sockets of traffic. */
  readonly connections: number;
  readonly evicted: number;
  /** What limits of the whole have refused, by reason. */
  readonly refused: Counts;
  readonly ended: Counts;
  readonly dropped: Counts;
  /** Live sessions, and bytes of clients, by where they are moved. */
  readonly rungSessions: Counts;
  readonly rungBytes: Counts;
  readonly listeners: Readonly<Record<string, ListenerCounters>>;
  readonly clusters: Readonly<Record<string, ClusterCounters>>;
  readonly endpoints: Readonly<Record<string, EndpointCounters>>;
  /** Of virtual clusters, by the metric's name. */
  readonly own: Readonly<Record<string, OwnCounter>>;
}

export interface ListenerCounters {
  readonly requests: number;
  readonly sessions: number;
  readonly rejects: Counts;
}

export interface Tallied {
  readonly failures: number;
  readonly retries: number;
  readonly disconnects: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
}

export interface ClusterCounters extends Tallied {
  readonly requests: number;
}

export interface EndpointCounters extends Tallied {
  readonly sessions: number;
  /** Data planes that leave it out because it failed. */
  readonly ejected: number;
}

export interface OwnCounter {
  readonly help: string;
  readonly labels: readonly string[];
  readonly samples: readonly { readonly labels: Readonly<Record<string, string>>; readonly value: number }[];
}

export interface PlaneStatus {
  readonly io: { readonly engine: string; readonly why?: string };
  readonly offload: object;
  /** Sockets and UDP peers, for each thread. */
  readonly sockets: readonly number[];
}
