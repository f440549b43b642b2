/**
 * The contract of an offload engine: datagrams of a session that needs no JavaScript are forwarded below the sockets,
 * in both directions, while the sockets stay open: what the engine does not take arrives at them as before.
 *
 * Not owned here: sockets, sessions, and the choice of the sessions that are offloaded.
 */

/** An IP address, without scope, and a port. */
export interface UdpEnd {
  readonly address: string;
  readonly port: number;
}

/** A session between two UDP sockets of ours, as the kernel names their ends. */
export interface UdpFlow {
  readonly client: UdpEnd;
  /**
   * What the client sends to. Where that is not known, the wildcard address of the socket (`0.0.0.0`, `::`): then it is
   * the address that the kernel would answer from, and what the client sends to another one stays on the socket.
   */
  readonly listen: UdpEnd;
  /** Our socket that is connected to the upstream. */
  readonly local: UdpEnd;
  readonly upstream: UdpEnd;
  /** How datagrams of the upstream begin that are for our socket, not for the client: `KEPT_BYTES` bytes. */
  readonly kept?: Uint8Array;
}

/** Bytes of a datagram's beginning that an engine compares. */
export const KEPT_BYTES = 12;

export interface Count {
  readonly packets: number;
  /** Of payload, as the channels of a session count. */
  readonly bytes: number;
}

export interface FlowCounters {
  /** From the client. */
  readonly in: Count;
  /** To the client. */
  readonly out: Count;
  /** When a packet last passed, or else when the flow was added, on the clock of performance.now(); a few ms late. */
  readonly lastSeen: number;
}

export interface OffloadedFlow {
  readonly refused?: undefined;
  /** What has passed below the sockets, and not through them. Costs no system call. After `remove`, the last state. */
  counters(): FlowCounters;
  /**
   * From now on everything arrives at the sockets again. To be called before either socket is closed, since its port
   * may be somebody else's then. Idempotent.
   */
  remove(): void;
}

/** The flow stays where it is. */
export interface Refused {
  /** One line for a person. */
  readonly refused: string;
}

export interface InterfaceStatus {
  readonly name: string;
  /** By what means packets that come in there are seen; undefined if they are not. */
  readonly attached?: string;
  /** Why they are not. */
  readonly why?: string;
}

export interface OffloadStatus {
  readonly on: boolean;
  /** Why not. */
  readonly why?: string;
  readonly interfaces: readonly InterfaceStatus[];
  readonly flows: number;
  /** Flows at most. */
  readonly capacity: number;
}

export interface Offload {
  readonly name: string;
  /** Whether it takes flows at all. */
  readonly on: boolean;
  status(): OffloadStatus;
  /** Takes up both directions of a flow, or neither. Packets that wait in the sockets are still there. */
  add(flow: UdpFlow): OffloadedFlow | Refused;
  /** Gives all flows back to their sockets. */
  close(): Promise<void>;
}
