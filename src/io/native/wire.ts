/** What the two threads of an engine share: the layout of its arena, and the records that they send each other. */
import type { Arena } from './arena.ts';
import { RING_CONTROL, type RingPlace } from './ring.ts';

// -------------------------------------------------------------------- identities

/**
 * A socket, or a peer of one, that both threads know has a slot: its number holds counters and an address in the arena.
 * With a generation in its upper bits it is an `id`, so that what is said of its earlier holder is recognised.
 */
const SLOT_BITS = 18;
export const SLOTS = 1 << SLOT_BITS;
/** The main thread gives out the lower half, the engine's thread the upper one. */
export const HALF = SLOTS >> 1;
const GENERATIONS = 1 << 12;

/**
 * Peers of listening sockets that an engine's thread may have. The other slots of its half are for those that the main
 * thread has not decided on, of whichever port they are.
 */
export const MOST_PEERS = HALF - (1 << 13);

export function slotOf(id: number): number {
  return id & (SLOTS - 1);
}

/** Gives out the slots of one half. */
export class Slots {
  #next: number;
  readonly #end: number;
  readonly #free: number[] = [];
  readonly #generations: Uint16Array = new Uint16Array(HALF);
  readonly #first: number;

  constructor(first: number) {
    this.#first = first;
    this.#next = first;
    this.#end = first + HALF;
  }

  /** A new id; -1 where there are no more. */
  take(): number {
    const slot = this.#free.pop() ?? (this.#next < this.#end ? this.#next++ : -1);
    if (slot < 0) return -1;
    return (this.#generations[slot - this.#first] as number) * SLOTS + slot;
  }

  give(id: number): void {
    const slot = slotOf(id);
    const n = slot - this.#first;
    this.#generations[n] = ((this.#generations[n] as number) + 1) % GENERATIONS;
    this.#free.push(slot);
  }
}

// -------------------------------------------------------------------- counters and addresses

/** The doubles of a slot's counters. */
export const BYTES_IN = 0;
export const MESSAGES_IN = 1;
export const BYTES_OUT = 2;
export const MESSAGES_OUT = 3;
/** When something last came in, on the main thread's performance.now(). */
export const ACTIVE_AT = 4;
/** Messages that have come in and wait until it is known where they go: the only one of these that also falls. */
export const WAITING = 5;
const COUNTERS = 6;
/** What seldom happens is counted far behind, in pages that are not touched until it does. */
const SELDOM = SLOTS * COUNTERS;
export const DROPPED_FULL = SELDOM;
export const DROPPED_ERROR = SELDOM + 1;
export const DROPPED_LARGE = SELDOM + 2;

/** Counts what has come from a slot, whose counters have the index `at`. */
export function countIn(f64: Float64Array, at: number, messages: number, bytes: number, now: number): void {
  f64[at + BYTES_IN] = (f64[at + BYTES_IN] as number) + bytes;
  f64[at + MESSAGES_IN] = (f64[at + MESSAGES_IN] as number) + messages;
  f64[at + ACTIVE_AT] = now;
}

/** Counts what was dropped, in the counter of the reason. Returns whether it is the first. */
export function countDropped(f64: Float64Array, counter: number, messages: number): boolean {
  const before = f64[counter] as number;
  f64[counter] = before + messages;
  return before === 0;
}

/** Counts what went to a slot. */
export function countOut(f64: Float64Array, at: number, messages: number, bytes: number): void {
  f64[at + BYTES_OUT] = (f64[at + BYTES_OUT] as number) + bytes;
  f64[at + MESSAGES_OUT] = (f64[at + MESSAGES_OUT] as number) + messages;
}

/**
 * The bytes of a slot's address: a socket address, its length, that of the control message for the address that answers
 * leave from, and whether that has changed. Where there is one, it lies far behind, as what is counted seldom does, and takes as many bytes at
 * most (an in6_pktinfo).
 */
const ADDRESS_BYTES = 40;
export const ADDRESS_LENGTH = 28;
export const CONTROL_LENGTH = 32;
/** Whether it has hit several of our addresses. */
export const WANDERS = 36;
export const CONTROL = SLOTS * ADDRESS_BYTES;

/** The longest Internet socket address (sockaddr_in6). */
export const SOCKADDR = 28;

// -------------------------------------------------------------------- records

/** What the main thread asks. */
export const Command = {
  /** listener, fd */
  Listen: 1,
  /** listener */
  Unlisten: 2,
  /** id, fd, id, fd (-1: known already), flags */
  Relay: 3,
  /** id: our direction to this socket ends. */
  End: 4,
  /** id, fd (-1: known already), reset */
  Close: 5,
  /** id: back to the main thread. */
  Release: 6,
  /** id, fd: says when it can be written. */
  Watch: 7,
  /** port, fd, family, whether it is bound to a wildcard, which of how many sockets of that address it is, their seed */
  OpenPort: 8,
  ClosePort: 9,
  /** port, whether new peers are taken, bytes and messages that may wait of each */
  AdmitPeers: 10,
  /** port, id: the peer whose address is in the slot, which has sent nothing yet. */
  AddPeer: 11,
  /** id, fd, bytes and messages that may wait: a connected datagram socket */
  Adopt: 12,
  /** id, id: datagrams go from one to the other; what has waited goes first, and then Coupled is said. */
  Couple: 13,
  /** id: datagrams go to the main thread. */
  Deliver: 14,
  Stop: 15,
  /** id, fd: a stream that is not joined yet; says when it breaks. */
  Hold: 16,
} as const;

/** Flags of Relay. The first socket's end is passed on at once; the second one's is. */
export const PASS_FIRST = 1;
export const PASS_SECOND = 2;
/** Our direction to the first, to the second, has ended already. */
export const SHUT_FIRST = 4;
export const SHUT_SECOND = 8;
/** The first is, the second is, a socket whose messages may be cut anywhere (UNIX). */
export const CUT_FIRST = 16;
export const CUT_SECOND = 32;

/** What the engine's thread says. */
export const Report = {
  /** listener, fd, a socket address (7 words) */
  Accepted: 1,
  /** id, flags: all before its end was handed on. */
  Ended: 2,
  /** id, errno: its descriptor is closed. */
  Closed: 3,
  /** id, fd */
  Released: 4,
  /** id */
  Writable: 5,
  /** listener */
  Unlistened: 6,
  /** port */
  PortClosed: 7,
  /** port, id: its address is in the slot. */
  NewPeer: 8,
  /** id, length, bytes */
  Datagram: 9,
  /** id, errno: something failed that ends nothing. */
  Fault: 10,
  /** id, length, bytes: a datagram that has waited, and was counted when it came. */
  Waited: 11,
  /** id, id: as was asked for. */
  Coupled: 12,
  /** id: the first message was dropped for a reason; further ones are only counted. */
  Dropped: 13,
  /** listener, how many connections were refused for want of a descriptor */
  Refused: 14,
  /** port, how many datagrams of new peers were dropped for want of room */
  PeersRefused: 15,
  /** id: a peer sends to several of our addresses. */
  Wanders: 16,
} as const;

/** Flags of Ended: the end was passed on; this socket, the other one, is closed, since both its directions have ended. */
export const PASSED = 1;
export const CLOSED_THIS = 2;
export const CLOSED_OTHER = 4;

// -------------------------------------------------------------------- layout

const COMMAND_WORDS = 1 << 16;
const REPORT_WORDS = 1 << 20;

/** Indices in the control array, after those of the rings. */
export const SLEEPING = 2 * RING_CONTROL;
export const RUNG = 3 * RING_CONTROL;
export const STOPPING = 4 * RING_CONTROL;
/** The lowest descriptor that no connection may have. */
export const CEILING = 5 * RING_CONTROL;
export const CONTROL_WORDS = 6 * RING_CONTROL;

/** Bytes of what the main thread gathers to send: more than the largest datagram, and what describes it. */
export const OUTBOX_BYTES = 1 << 18;

/** Bytes of an engine's arena: address space, of which memory is only what is used. */
export const ARENA_SIZE = 1 << 27;

/** The parts of an engine's arena; each thread makes the same ones. */
export interface Shared {
  readonly arena: Arena;
  readonly control: Int32Array;
  readonly commands: RingPlace;
  readonly reports: RingPlace;
  /** Index of the first slot's counters in the arena's doubles. */
  readonly counters: number;
  /** Offset of the first slot's address. */
  readonly addresses: number;
  /** Offset of the main thread's outbox. */
  readonly outbox: number;
}

export function layOut(arena: Arena, control: Int32Array): Shared {
  const ring = (words: number, n: number): RingPlace => ({
    arena,
    at: arena.take(words * 4) >> 2,
    words,
    control: control.subarray(n * RING_CONTROL, (n + 1) * RING_CONTROL),
  });
  const commands = ring(COMMAND_WORDS, 0);
  const reports = ring(REPORT_WORDS, 1);
  const counters = arena.take(2 * SLOTS * COUNTERS * 8) >> 3;
  const addresses = arena.take(2 * SLOTS * ADDRESS_BYTES);
  const outbox = arena.take(OUTBOX_BYTES);
  return { arena, control, commands, reports, counters, addresses, outbox };
}

export function countersOf(shared: Shared, id: number): number {
  return shared.counters + slotOf(id) * COUNTERS;
}

export function clearCounters(shared: Shared, id: number): void {
  const { f64 } = shared.arena;
  const at = countersOf(shared, id);
  // Not by fill(), which is a call out of compiled code, for each session.
  for (let n = 0; n < COUNTERS; n++) f64[at + n] = 0;
  // To read a page takes no memory.
  for (let n = at + DROPPED_FULL; n <= at + DROPPED_LARGE; n++) if (f64[n] !== 0) f64[n] = 0;
}

export function addressOf(shared: Shared, id: number): number {
  return shared.addresses + slotOf(id) * ADDRESS_BYTES;
}

/** The first message of the engine's thread: it serves its sockets from now on. Others tell of defects. */
export const STARTED = 'started';

/** What the engine's thread is started with. */
export interface WorkerStart {
  readonly base: number;
  readonly size: number;
  readonly control: SharedArrayBuffer;
  readonly epoll: number;
  readonly wake: number;
  readonly bell: number;
  /** The main thread's performance.timeOrigin. */
  readonly origin: number;
  /** Pipes that it may have at a time. */
  readonly pipes: number;
}
