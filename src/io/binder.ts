/**
 * Binds sockets that listen: once for all data planes, so that a taken address is an answer to the request that asked
 * for it, that a socket outlives a thread that fails, and that a UDP peer stays with its data plane whatever comes and goes.
 */
import type { FifoAddress, InternetAddress, MessageAddress, SocketAddress } from '../core/engine.ts';

export interface Binder {
  /** Rejects with E_BIND, and leaves nothing behind, where it cannot. */
  bindStream(at: SocketAddress): Promise<BoundSocket>;
  /** Likewise. A socket that has no connections to share is `alone` for the first, and `elsewhere` for all others. */
  bindMessages(at: MessageAddress): Promise<BoundSocket>;
  /** Likewise FIFOs, `alone`. Left out: who listens opens them by itself. */
  bindFifos?(at: FifoAddress): Promise<BoundFifos>;
  /** Likewise. An address that is still held for live sessions is handed out again as it is. */
  bindDatagram(at: InternetAddress): Promise<BoundDatagram>;
}

/** A socket that listens. Who uses it does not close it. */
export interface BoundSocket {
  /** Descriptors are the process's: the number is good in any thread. -1 where `listen` says what to do. */
  readonly fd: number;
  /**
   * For an engine that cannot take a descriptor: it listens by itself, alone, or beside the others (SO_REUSEPORT), or does
   * not, since another data plane listens for all.
   */
  readonly listen?: 'alone' | 'beside' | 'elsewhere';
  /** The socket is not used any more here. Resolves when the address is free, or others still use it. */
  release(): Promise<void>;
}

/** FIFOs that are kept open: `fd` is the one that is read; -1 for none. */
export interface BoundFifos extends BoundSocket {
  /** The descriptor of the one that is written; -1 for none. */
  readonly write: number;
}

/** A data plane's socket of an address: each has one, and the kernel spreads peers over them; of many ports each has its own. */
export interface BoundDatagram extends BoundSocket {
  /** Which of how many it is, and by which secret peers are spread over them. */
  readonly n: number;
  readonly of: number;
  readonly seed: number;
}

/** What a data plane gets that has nothing to do with a port: another one has it. Nothing is to be released. */
export const ELSEWHERE: BoundDatagram = {
  fd: -1,
  n: 0,
  of: 1,
  seed: 0,
  listen: 'elsewhere',
  release: async () => {},
};

/** Which of so many data planes has one of many ports. */
export function ownerOf(port: number, of: number): number {
  return port % of;
}
