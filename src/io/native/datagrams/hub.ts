/** What the datagram sockets of one engine share. */
import type { CloseReason } from '../../../core/channel.ts';
import type { Connections } from '../../../core/connections.ts';
import type { NativeContext } from '../context.ts';
import type { Loop } from '../loop.ts';
import { IPPROTO_UDP, UDP_GRO } from '../system/constants.ts';
import { type Libc, libc } from '../system/libc.ts';
import * as sockets from '../system/sockets.ts';
import { MOST_PEERS, PeerAddresses } from './addresses.ts';
import { BATCH } from './layout.ts';
import { ReceiveBatch } from './receive-batch.ts';
import { Sender } from './sender.ts';

/** Why channels close with their engine. */
export const CLOSED: CloseReason = { kind: 'shutdown', message: 'the engine is closed' };

/** Batches that a socket has before others have their turn. */
export const ROUNDS = 4;

/** Datagrams that one call may receive at least, where it is to receive many. */
export const LEAST = BATCH / 2;

/** Single datagrams that are received before many are asked for again. */
const SINGLES = 9;

/**
 * One call receives one datagram where there is seldom more, which is cheaper then, and many where there are many: it is
 * tried again from time to time. `singles`: how often one was asked for by now, 0 where it is many. Returns the next,
 * after so many have come.
 */
export function nextSingles(singles: number, count: number): number {
  if (singles > 0) return (singles + 1) % SINGLES;
  return count === 1 ? 1 : 0;
}

/** Of the peers that there may be, those beyond which another one is taken only for one that goes. */
const CROWDED = MOST_PEERS - (1 << 13);

export class DatagramHub {
  readonly c: Libc = libc();
  readonly loop: Loop;
  readonly connections: Connections;
  readonly batch: ReceiveBatch;
  readonly sender: Sender;
  readonly addresses: PeerAddresses;
  /** JavaScript beyond the engine was called, since somebody has made it false. */
  called = false;
  /** Peers of listening sockets. */
  peers = 0;
  /** The offset of 64 bytes for arguments of system calls: nothing in it outlives a call. */
  readonly scratch: number;
  readonly #crowded: number;

  /** `crowded`: peers that it may have before another one is taken only for one that goes. */
  constructor({ loop, connections }: NativeContext, crowded = CROWDED) {
    this.loop = loop;
    this.connections = connections;
    this.batch = new ReceiveBatch(loop.arena);
    this.sender = new Sender(loop);
    this.addresses = new PeerAddresses(loop.arena);
    this.scratch = loop.arena.take(64);
    this.#crowded = crowded;
  }

  /** The engine has as many peers as it should. */
  get crowded(): boolean {
    return this.peers >= this.#crowded;
  }

  /** Has the kernel hand over datagrams of one sender joined, where they came so. Returns whether it does. */
  join(fd: number): boolean {
    return sockets.setOption(fd, IPPROTO_UDP, UDP_GRO, 1) === 0;
  }
}
