/**
 * What stands between the control plane (the main thread: files, REST API, plans, logs) and a data plane (listeners,
 * clusters, rules, sessions, and the sockets of one thread). Everything that crosses is plain data, as structuredClone()
 * takes it. Nothing crosses for a packet; for a session at most one small record, in a batch.
 *
 * One data plane in the main thread, one in a worker, and several that act as one are held against one suite.
 */
import type { Level, Threshold } from '../core/log.ts';
import type { ApiRequest, ApiResponse } from '../core/protocol.ts';
import type { CountsMemory } from '../counts/memory.ts';
import type { EngineMode } from '../io/choose.ts';
import type { Limits } from '../limits/system.ts';
import type { Step } from '../model/step.ts';
import type { OffloadStatus } from '../offload/engine.ts';
import type { OffloadSettings } from '../offload/switch.ts';
import type { SessionView } from '../session/answer.ts';
import type { SessionStatus } from '../session/session.ts';
import type { Counters } from '../telemetry/counters.ts';

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
  /**
   * Everything is as before `release`; sessions of listeners that came with the change end. Rejects where something could
   * not be taken back, and says what.
   */
  undo(): Promise<void>;

  /** The sessions that match, in the order in which they began, as the API lists them. */
  sessions(query: SessionQuery): Promise<SessionPart>;
  /** A session as the API shows it; undefined where there is none of that name. */
  session(name: string): Promise<SessionView | undefined>;
  /** Ends a session. Tells whether there was one. */
  endSession(name: string): Promise<boolean>;

  /** All counts, as they are now. Those of several data planes are the sums, number by number. */
  counters(): Promise<Counters>;
  /** What it runs on. */
  status(): Promise<PlaneStatus>;

  /**
   * Takes no new sessions, but such as go to the API and the metrics; addresses of listeners that do not lead there are free
   * when it resolves (a UDP port when its sessions have ended). Sessions go on until they end, or until the time is over
   * (milliseconds): then they are ended in order. Called again, the time counts anew. `undefined` takes it back: rejects
   * with E_BIND, and drains on, where an address cannot be had again.
   */
  drain(timeout: number | undefined): Promise<void>;
  /** Goes on in the files that have its paths now. What cannot be opened is told to the log, and the old file written on. */
  reopen(): Promise<void>;
  /** Ends every session and closes everything. What was written has a second to leave. */
  close(): Promise<void>;
}

/** What a data plane asks of its control plane, or tells it. */
export interface ControlPlane {
  /** Lines for the log, of levels that are `enabled`. */
  log(lines: readonly LogLine[]): void;
  /**
   * Sessions that have ended, as the access log writes them; only where `accessLog` is set. `lost`: so many more, 0 by default,
   * could not be handed over.
   */
  ended(records: readonly object[], lost?: number): void;
  /** Answers a REST API request that has come to a listener of the data plane. */
  api(request: ApiRequest): Promise<ApiResponse>;
  /** The metrics of the whole proxy. */
  metrics(): Promise<{ readonly type: string; readonly text: string }>;
}

/** What a data plane is begun with. */
export interface PlaneStart {
  /** Which of how many it is, from 0. */
  readonly worker: number;
  readonly io: EngineMode;
  /**
   * What limits count in, with all data planes of the proxy: made by `makeCounts` for so many of them, and for the sessions
   * that there may be. One that has failed is taken out of it with `forgetWorker`, when its thread is certainly gone.
   */
  readonly counts: CountsMemory;
  /** What all data planes know and nobody else, of a `SharedSecret`; left out: one that is this one's alone. */
  readonly secret?: SharedArrayBuffer;
  /**
   * The process before is to be replaced without a gap: what it listens on is listened on, too, where it was started so; else
   * as soon as it gives that up.
   */
  readonly takeover?: boolean;
  /** Sockets that listen, with which the process was started. */
  readonly activated?: readonly number[];
  readonly settings: PlaneSettings;
}

/** Settings of the whole proxy that concern a data plane. */
export interface PlaneSettings {
  readonly logLevel: Threshold;
  /** Whether the log goes to stdout. */
  readonly logOnStdout: boolean;
  /** Whether somebody wants to know of ended sessions. */
  readonly accessLog: boolean;
  readonly limits: Limits;
  readonly offload: OffloadSettings;
  /** Below which directory the API may name files. */
  readonly files: string;
  /** Bytes of a REST API request's body at most. */
  readonly bodyLimit: number;
}

export interface LogLine {
  readonly level: Level;
  readonly object: string;
  /** Its beginning, where it is longer than what a line shows. */
  readonly message: string;
  /** Characters of the whole message. */
  readonly length: number;
}

/**
 * Sessions that end with a change of the configuration: those that each of the lists of names that are given applies to.
 * A complete request to the REST API, perhaps the one that asks for the change, goes on until it has its answer.
 */
export interface Ending {
  /** Why, for their peers and the log. */
  readonly message: string;
  /** Came from one of these listeners. */
  readonly listeners?: readonly string[];
  /** Went by one of these routes. */
  readonly routes?: readonly string[];
  /** Go through one of these clusters. */
  readonly clusters?: readonly string[];
  /** In place of all others: connections to these endpoints break, and the retry policies of the sessions decide. */
  readonly endpoints?: readonly string[];
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
  /** Whether `total` is wanted: it takes a look at every session. */
  readonly count: boolean;
}

export interface SessionPart {
  readonly sessions: readonly ListedSession[];
  /** How many match, in this part or not; no number of use where `count` was not asked for. */
  readonly total: number;
  /** There are more after the last of this part. */
  readonly more: boolean;
}

export interface ListedSession {
  readonly id: number;
  readonly view: Partial<SessionView>;
}

export interface PlaneStatus {
  /** The I/O engine, why it is not something faster, and how many workers have one. */
  readonly io: { readonly engine: string; readonly why?: string; readonly threads?: number };
  readonly offload: OffloadStatus;
  /** Live sessions, but for those of the API and the metrics. */
  readonly sessions: number;
}
