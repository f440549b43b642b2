/** What the parts of the bench say to each other: contenders carry traffic, rows measure it. */
import type { Network } from './network.ts';

/**
 * What lies between the load and its server: a proxy on the loopback; two hops, with a WebSocket, DTLS or TLS between them; or a
 * proxy on a host of its own, between that of the load and that of the server. Of `http` and `http2`, the proxy answers by itself; of
 * `http-proxied`, an HTTP server behind it. Of `tcp-tls-tcp`, each
 * connection shakes hands in full; of `tcp-tls-tcp-resumed`, it may resume a session. What
 * begins with `workers-` is for contenders that differ in the number of their workers.
 */
export type Carries =
  | 'udp'
  | 'tcp'
  | 'http'
  | 'http-proxied'
  | 'http2'
  | 'websocket'
  | 'udp-websocket-udp'
  | 'udp-dtls-udp'
  | 'tcp-tls-tcp'
  | 'tcp-tls-tcp-resumed'
  | 'udp-namespaces'
  | 'workers-javascript'
  | 'workers-tcp'
  | 'workers-tls';

/** Where a contender runs. */
export interface Place {
  readonly carries: Carries;
  readonly network: Network;
  readonly listen: number;
  readonly upstream: number;
  /** For what a contender needs between its processes, on 127.0.0.1. */
  readonly middle: number;
  readonly control: number;
  /** For its files; its own, and deleted afterwards. */
  readonly folder: string;
}

export interface Command {
  readonly file: string;
  readonly args: readonly string[];
}

export interface Contender {
  readonly name: string;
  /** Peers are what a ratio "to the best peer" is about. */
  readonly group: 'direct' | 'peer' | 'bare' | 'l7mp';
  /** The version; rejects with the reason where the contender is not to be had. */
  version(): Promise<string>;
  /** The processes to start; no entry: it does not carry that. */
  readonly carries: { readonly [kind in Carries]?: (place: Place) => readonly Command[] };
  /** Why it takes no part in a row that it could carry. */
  unfit?(row: Row): string | undefined;
  /** Rejects where it runs, but not in the way that its name says. Called when it has carried traffic. */
  verify?(place: Place): Promise<void>;
  /** The port of its REST API, where it has one. */
  api?(place: Place): number;
}

/** What one round has found, by metric. */
export type Sample = Readonly<Record<string, number>>;

export interface Metric {
  readonly id: string;
  readonly title: string;
  readonly unit: string;
  readonly better: 'higher' | 'lower';
  /** CPU time has a table of its own. Notes are kept in the JSON only. */
  readonly table: 'result' | 'cpu' | 'note';
}

/** A contender that runs. */
export interface Running {
  readonly contender: Contender;
  readonly place: Place;
  /** The roots of its process trees; none for the direct path. */
  readonly pids: readonly number[];
}

/** What a row gets to measure with. */
export interface Round {
  readonly number: number;
  readonly seconds: number;
  /** For rows that count sessions: a share of them in a quick run. */
  readonly scale: number;
  readonly running: Running;
  /** The load's server. */
  readonly server: number;
  /** A port that the load may send from, the same in each round. */
  readonly ownPort: number;
}

export interface Row {
  readonly id: string;
  readonly title: string;
  readonly carries: Carries;
  /** The load's server: a program of bench/load and what follows its port and its time. */
  readonly server: readonly [string, ...string[]];
  /** A process for each measurement, since what one leaves behind would be in the next. */
  readonly fresh?: boolean;
  /** The proxies may use both CPUs: see README.md. */
  readonly unpinned?: boolean;
  /** Its own number of rounds, where none is asked for. */
  readonly rounds?: number;
  readonly metrics: readonly Metric[];
  measure(round: Round): Promise<Sample>;
}

/** What came of one contender in one row. */
export interface Outcome {
  readonly contender: string;
  /** Why there are no samples, or not all. */
  readonly skipped?: string;
  readonly samples: readonly Sample[];
}

export interface RowResult {
  readonly row: string;
  readonly title: string;
  readonly metrics: readonly Metric[];
  readonly outcomes: readonly Outcome[];
}

export interface Result {
  readonly date: string;
  readonly machine: Readonly<Record<string, string | number | boolean>>;
  readonly options: Readonly<Record<string, unknown>>;
  /** Of each contender, or why it is not there. */
  readonly versions: Readonly<Record<string, string>>;
  readonly rows: readonly RowResult[];
}
