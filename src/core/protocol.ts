/**
 * The contract of a protocol. One protocol is one folder that exports one `Protocol`, named in one list
 * (`../protocols.ts`) or in a configuration's `plugins`. Core code never names a protocol.
 *
 * A protocol owns: its schemas, how its peers are listened to and dialled, and what is known of them. It does not own:
 * routing, retries, timeouts, queues, limits and counters.
 */
import type { FileHandle } from 'node:fs/promises';
import type { Static, TObject, TProperties } from 'typebox';
import type { Channel, ChannelKind, QueueLimits } from './channel.ts';
import type { Connections, Shortage } from './connections.ts';
import type { Engine, First, SocketListening } from './engine.ts';
import type { GatheringLimit } from './gathering.ts';
import type { Log } from './log.ts';
import type { Metadata } from './metadata.ts';
import type { ListenAddress } from './ports.ts';
import type { Made } from './schema.ts';
import type { SharedSecret } from './shared-secret.ts';
import type { StandsOn } from './stands-on.ts';

/** `same`: what comes out has the kind of what went in. */
export type StreamKind = ChannelKind | 'same';

/** A protocol: what `defineProtocol` returns, and a plugin's default export. */
export interface Protocol {
  readonly name: string;
  /** One line for the reference. */
  readonly title: string;
  readonly listener?: ListenerSide;
  readonly cluster?: ClusterSide;
}

/** What every specification has: the protocol's name, and the protocol's own fields. */
export interface Spec {
  readonly protocol: string;
  readonly [field: string]: unknown;
}

/** What the channels of a specification are like for what stands on them. */
export interface Transport {
  readonly protocol: string;
  readonly kind: StreamKind;
  /** They lose messages, and the peer cannot be slowed down. */
  readonly lossy: boolean;
}

/** A file that a specification names, and what becomes of it. */
export interface FileUse {
  /** A JSON pointer to the field, in the specification. */
  readonly field: string;
  readonly path: string;
  /** A UNIX socket is made there, or connected to; the file is written at its end, or read; it is a FIFO, or one is made. */
  readonly use: 'listen' | 'connect' | 'append' | 'read' | 'fifo';
}

/** What is said alike of both sides of a protocol. */
export interface SideBase<T extends TObject, K extends StreamKind> {
  /** The fields of the specification beside `protocol`. */
  readonly schema: Made<T>;
  /**
   * The kind of its channels: as their `kind`. `kindOf` tells the kind of another specification of the same role, for
   * a protocol whose kind is that of what it stands on.
   */
  readonly kind: K | ((spec: Static<T>, kindOf: (spec: Spec) => K) => K);
  /** Its channels are `lossy`. Left out: as those of what it stands on; else they are not. */
  readonly lossy?: boolean | ((spec: Static<T>) => boolean);
  /** Options beside the common ones. */
  readonly options?: Made<TProperties>;
  /** Checks of its own options what the schema cannot say. Throws E_INVALID as `check` does, with the path from the options on. */
  checkOptions?(options: { readonly [field: string]: unknown }): void;
  /**
   * What a change of is taken up in place, as JSON pointers into the object: of its own options those that are looked at
   * for each session or are taken by `reconfigure`, of the specification those that are. A change of others opens the
   * sockets anew.
   *
   * @example live: ['/spec/path', '/options/ping_interval'],
   */
  readonly live?: readonly string[];
  /** Other names of fields, by the name that users may write: they are renamed before the schema is asked. */
  readonly aliases?: Readonly<Record<string, string>>;
  /** For a protocol that stands on another one. */
  readonly standsOn?: StandsOn;
  /** Another protocol may stand on it (JSONSocket's `transport`). */
  readonly transport?: boolean;
  /** `false`: of the layers (TLS, the PROXY protocol, …) it has none. Only a protocol that others may stand on has any. */
  readonly layers?: false;
  /** Its specifications run programs, as the proxy's user: the start-up file may have such objects, the API makes none. */
  readonly runsCode?: boolean;
  /** The files that a checked specification names, but for those of what it stands on. */
  files?(spec: Static<T>): readonly FileUse[];
  /**
   * JSON pointers, in a checked specification, to the texts that nobody is shown, but for those of what it stands on: keys,
   * passwords. The API shows `<redacted>` there.
   */
  secrets?(spec: Static<T>): readonly string[];
  /** Milliseconds without a byte in either direction that end a session, where the options do not say. */
  readonly idleTimeout?: number | ((spec: Static<T>) => number | undefined);
  /**
   * Checks what a schema cannot say, with the schema's and the transport's own checks done. `transport`: what it stands
   * on, if on anything. Throws an L7mpError E_INVALID whose message begins with the field's path, a JSON pointer
   * (RFC 6901) from the specification on: `/header/0/path: …`.
   */
  check?(spec: Static<T>, transport?: Transport): void;
}

/** What a side has opened. */
export interface Reconfigurable {
  /**
   * Takes up another specification and other options, of which fields differ that are `live`; what lives goes on. Resolves
   * with whether it has: else everything is opened anew. Rejects, and goes on as before, where they are of no use.
   */
  reconfigure?(spec: Spec, options: { readonly [field: string]: unknown }): Promise<boolean>;
}

// -------------------------------------------------------------------- listening

/** Something that listens. */
export interface Listening extends SocketListening, Reconfigurable {}

/** How a protocol listens. */
// biome-ignore lint/suspicious/noExplicitAny: a side's schema is known to the side only; the registry checks against it.
export interface ListenerSide<T extends TObject = any> extends SideBase<T, ChannelKind> {
  /** The name of the n-th session of a listener; a name that is taken gets `_1`, `_2`, … */
  sessionName(session: { listener: string; n: number; metadata: Metadata }): string;
  /** How its sessions come: each peer has one (`server`, where nothing is said), or the listener has one. For the reference. */
  readonly modes?: readonly ('singleton' | 'server')[];
  /** The address of the Internet that it opens itself; left out: none, or that of what it stands on. */
  address?(spec: Static<T>): ListenAddress;
  /** Listens. Rejects with E_BIND, and leaves nothing behind, where it cannot. */
  listen(spec: Static<T>, host: ListenerHost): Promise<Listening>;
}

/** What is known of a peer before it has a session. */
export interface NewPeer {
  /** Its IP address, where it has one: one address may have a share of the sessions only. */
  readonly address?: string | undefined;
  /** The address may be forged, and can be told nothing (UDP): others that have not answered give way to it. */
  readonly lossy?: boolean;
  /** The peer needs the place of another one: see `Acceptor.admit`. */
  readonly scarce?: boolean | undefined;
}

/** What a listening protocol gets from the proxy. */
export interface ListenerHost {
  /** The listener's name. */
  readonly name: string;
  readonly options: ListenerOptions;
  readonly limits: QueueLimits;
  readonly io: Engine;
  readonly log: Log;
  /** The bound of what is held of messages and bodies that are not complete, in the whole proxy. */
  readonly gathering: GatheringLimit;
  /**
   * Whether one more session is taken now. What is refused is counted; tell the peer "try again later" where the
   * protocol can, before anything is set up for it.
   */
  admit(peer?: NewPeer): boolean;
  /** Whether its options deny this address, or do not allow it: why `admit` has refused. */
  denies(address: string | undefined): boolean;
  /** Nothing more is taken, whichever listener it comes to: what `admit` refuses is not this one's alone. */
  overloaded(): boolean;
  /** Whether its connections may take what is reserved: a full proxy is seen and mended through this listener. */
  mayUseReserve(): boolean;
  /** Counts what an engine has refused by itself. */
  refused(why: Shortage | 'peers', count: number): void;
  /** Begins a session. The channel's messages may be delivered from now on: they queue up until the session stands. */
  accept(channel: Channel): void;
  /** Counts, and says once in the log, what was not taken: a datagram from a wrong peer, a broken handshake. */
  reject(why: string): void;
  /**
   * Listens on another protocol's transport, for protocols that stand on one. `admit` is theirs to ask, when there is
   * something to say to the peer: the transport takes everybody that `first`, of a transport of datagrams, lets in, and
   * the options `allow` and `deny`; with `everybody` it does not look at these.
   */
  listenOn(spec: Spec, accept: (channel: Channel) => void, first?: First, everybody?: boolean): Promise<Listening>;
  /** Set by what stands on it: looks at the first datagrams of peers before there is anything of them. */
  readonly first?: First | undefined;
  /** Ports that somebody else has may be waited for: the process before has them, and is about to end. */
  readonly waits?: boolean;
  /** Set where what it names was named by the API: files are opened through it. */
  readonly enclosure?: Enclosure | undefined;
  /** What all workers know and nobody else: keys that must be the same in each are derived of it. */
  readonly secret: SharedSecret;
  /** The mode of sockets and files that it makes, where the specification does not say; else what the process makes of it. */
  readonly fileMode?: number | undefined;
}

/** `options` of a listener, as validated. Protocols may have more. */
export interface ListenerOptions {
  readonly track?: number;
  readonly idle_timeout?: number;
  readonly max_sessions?: number;
  readonly verbose_errors?: boolean;
  readonly max_sessions_per_source?: number;
  readonly connect_timeout?: number;
  readonly handshake_timeout?: number;
  readonly allow?: readonly string[];
  readonly deny?: readonly string[];
  readonly [field: string]: unknown;
}

// -------------------------------------------------------------------- dialling

/** How a protocol dials, or transforms. */
// biome-ignore lint/suspicious/noExplicitAny: as above.
export interface ClusterSide<T extends TObject = any> extends SideBase<T, StreamKind> {
  /** No network behind it: the cluster has one virtual endpoint, and takes none from the configuration. */
  readonly virtual?: boolean;
  /**
   * A full proxy is seen and mended by it: its sessions count for no limit of the whole proxy, and may use what is
   * reserved.
   */
  readonly management?: boolean;
  /** Whoever reaches the cluster controls the proxy: that it is open to the network is warned about. */
  readonly control?: boolean;
  /**
   * What `open` makes is one for all workers, and its channels may be reached from each: one in the `proxy`, where it joins
   * sessions; one in the `process`, where it has something of the process's (stdin), and lives in its main thread. Left
   * out: each worker makes its own. Only for a virtual side that asks nothing of its host but `log`, `limits` and
   * `connections`.
   */
  readonly scope?: 'proxy' | 'process';
  /** The addresses of its endpoints are paths of sockets. */
  readonly dialsPaths?: boolean;
  /** The address of the only endpoint, where the specification holds it and no endpoint is given. */
  defaultAddress?(spec: Static<T>): string | undefined;
  /** Checks the address of an endpoint, where the protocol knows what addresses are like. Throws E_INVALID. */
  checkAddress?(address: string, spec: Static<T>): void;
  /**
   * All sessions are over, and the process is about to end: resolves when nothing is left of what they have begun. Of a side
   * whose `scope` is the process.
   */
  finish?(): Promise<void>;
  /** Makes what the sessions of one cluster share. Rejects (E_FILE, …) and leaves nothing behind where it cannot. */
  open(spec: Static<T>, host: ClusterHost): Dialer | Promise<Dialer>;
}

/** What a dialling protocol gets from the proxy. */
export interface ClusterHost {
  /** The cluster's name. */
  readonly name: string;
  readonly options: ClusterOptions;
  readonly limits: QueueLimits;
  readonly io: Engine;
  /** The sockets of traffic in its thread: asked before it opens what is no socket of `io`. */
  readonly connections: Connections;
  readonly log: Log;
  /** As a listener's. */
  readonly gathering: GatheringLimit;
  /** Services of the proxy to its own virtual clusters: the REST API, the metrics. */
  readonly services: Services;
  /** Set where what it names was named by the API: files are opened through it. */
  readonly enclosure?: Enclosure | undefined;
  /** Opens another protocol's dialler, for protocols that stand on one. */
  dialerOn(spec: Spec): Promise<Dialer>;
}

/** `options` of a cluster, as validated; times in milliseconds. Protocols may have more. */
export interface ClusterOptions {
  readonly idle_timeout?: number;
  readonly connect_timeout?: number;
  readonly half_close_timeout?: number;
  readonly fail_timeout?: number;
  readonly [field: string]: unknown;
}

/** What the sessions of one cluster share. */
export interface Dialer extends Reconfigurable {
  /**
   * Connects to an endpoint. Rejects with E_CONNECT, E_HANDSHAKE or E_TIMEOUT; gives up when the attempt is cancelled
   * or its time is over, and leaves nothing behind then. A local dialler answers at once, without a promise.
   */
  dial(attempt: Attempt): Channel | Promise<Channel>;
  /**
   * Goes on in the files that have its paths now: they were renamed, to be kept apart from what comes. Rejects with E_FILE,
   * and goes on in the old ones, where it cannot.
   */
  reopen?(): Promise<void>;
  /** The cluster is gone; its live channels go on. */
  close?(): void | Promise<void>;
}

/** What a dialler knows of a session. */
export interface DiallingSession {
  readonly name: string;
  readonly metadata: Metadata;
  /** Where the session has come from. */
  readonly listener?: { readonly name: string };
  /** The client waits for one answer to one request, whose head is in the metadata (HTTP). */
  readonly exchange?: boolean;
  /** Its client asks to go on in another protocol: see `Channel.switches`. */
  readonly switches?: boolean;
  /** What the client sends goes through other clusters first, which may change it. */
  readonly transformed?: boolean;
}

/** One attempt to connect. */
export interface Attempt {
  /** The endpoint's address: an IP address or a name, a path, …: as the protocol says. */
  readonly address: string;
  /** The endpoint's port, in place of the specification's. */
  readonly port: number | undefined;
  /** The time that this attempt has, in milliseconds. */
  readonly timeout: number;
  /** The session for which the connection is made; a probe has none. */
  readonly session?: DiallingSession;
  /**
   * Aborted when the attempt is not wanted any more, or its time is over. It is made when it is first asked for, and costs
   * some microseconds: who connects at once does not ask.
   */
  readonly signal: AbortSignal;
}

/** Below which directory files may be opened, whatever links there are. */
export interface Enclosure {
  /** Opens a file, with the flags of open(2); one that is made is for the proxy's user only. Rejects with E_FORBIDDEN, or as open(2). */
  open(path: string, flags: number): Promise<FileHandle>;
}

/** What the proxy offers to virtual clusters. */
export interface Services {
  /** Answers a REST API request. */
  api(request: ApiRequest): Promise<ApiResponse>;
  /** The metrics in the Prometheus text format, and its media type. */
  metrics(): Promise<{ type: string; text: string }>;
  /** A counter with labels, one for each name. Throws E_DUPLICATE where the proxy has another metric of that name. */
  counter(name: string, help: string, labels: readonly string[]): LabelledCounter;
  /** The largest body of an API request, in bytes. */
  bodyLimit(): number;
}

/** A metric that is read when it is asked for, not written for each message. */
export interface LabelledCounter {
  /** Adds a sample whose value is read from `value` at each scrape. Returns what ends it: its last value is kept for a while. */
  watch(labels: Record<string, string>, value: () => number): () => void;
}

/** A request to the REST API, from whatever carries it. */
export interface ApiRequest {
  readonly method: string;
  /** Path and query. */
  readonly url: string;
  readonly headers: Record<string, string | string[]>;
  readonly body: Uint8Array;
  readonly peer: ApiPeer;
}

/** The sender of a request, as far as its connection tells. */
export interface ApiPeer {
  /** `<address>:<port>`, or the session's name where there is no such address. */
  readonly from: string;
  /** The name of the listener through which it came. */
  readonly listener?: string | undefined;
  /** What the session's metadata say of the certificate that the listener has verified, if it has. */
  readonly certificate?: Metadata | undefined;
}

/** What answers it. */
export interface ApiResponse {
  readonly status: number;
  readonly headers: Record<string, string>;
  /** Or its parts, of an answer of any length that is made while it is read. An error on the way breaks the answer off. */
  readonly body: string | Uint8Array | AsyncIterable<string | Uint8Array>;
}

// -------------------------------------------------------------------- definition

/**
 * A protocol, with the types of its specifications taken from its schemas.
 *
 * @example
 * export default defineProtocol({
 *   name: 'UpperCase',
 *   title: 'Passes everything on, in capitals.',
 *   cluster: {
 *     schema: strict({}),
 *     kind: 'same',
 *     virtual: true,
 *     open: (_spec, { limits }) => ({ dial: () => new UpperCaseChannel(limits) }),
 *   },
 * });
 */
export function defineProtocol<L extends TObject, C extends TObject>(definition: {
  readonly name: string;
  readonly title: string;
  readonly listener?: ListenerSide<L>;
  readonly cluster?: ClusterSide<C>;
}): Protocol {
  // The registry hands a side only what its own schema has let through.
  return definition as unknown as Protocol;
}
