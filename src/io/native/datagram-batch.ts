/** Many datagrams with one system call, received into the same memory for ever (recvmmsg(2), sendmmsg(2), udp(7)). */
import type { Arena } from './arena.ts';
import { IPPROTO_UDP, MSG_DONTWAIT, UDP_GRO, UDP_SEGMENT } from './constants.ts';
import { type Libc, libc } from './libc.ts';
import * as wire from './wire.ts';

/** Datagrams of one call. The kernel takes at least as many segments of one send (UDP_MAX_SEGMENTS). */
export const BATCH = 64;

// struct mmsghdr on 64-bit systems: a msghdr (name 0, its length 8, vectors 16, their number 24, control 32, its length
// 40, flags 48), then the length of the message.
export const HEADER = 64;
export const NAME = 0;
export const NAME_LENGTH = 8;
export const VECTORS = 16;
export const VECTOR_COUNT = 24;
export const CONTROL = 32;
export const CONTROL_LENGTH = 40;
const LENGTH = 56;
export const VECTOR = 16;

/** No datagram is larger. */
const LARGEST = 65_536;
/** Between two buffers: not a power of two, or their first bytes would compete for the same lines of the cache. */
const STRIDE = LARGEST + 2048 + 64;

const NAME_BYTES = 32;
const CONTROL_BYTES = 64;

/** A cmsghdr is its length (8), level and type; its data is padded to 8. */
export const CMSG_HEADER = 16;
export const SEGMENT_CONTROL = 24;
/** What the segments of one send may be together: a datagram's largest payload, less some. */
export const SEGMENTS_BYTES = 65_000;

/** Where datagrams are received. */
export class ReceiveBatch {
  readonly #c: Libc = libc();
  readonly #arena: Arena;
  /** With room for names, and without. */
  readonly #named: number;
  readonly #plain: number;
  #headers: number;
  readonly #vectors: number;
  readonly #names: number;
  readonly #controls: number;
  readonly #data: number;

  constructor(arena: Arena) {
    this.#arena = arena;
    this.#named = arena.take(BATCH * HEADER);
    this.#plain = arena.take(BATCH * HEADER);
    this.#headers = this.#named;
    this.#vectors = arena.take(BATCH * VECTOR);
    this.#names = arena.take(BATCH * NAME_BYTES);
    this.#controls = arena.take(BATCH * CONTROL_BYTES);
    this.#data = arena.take(BATCH * STRIDE, 4096);
    for (let n = 0; n < BATCH; n++) this.#prepare(n);
  }

  /** Offsets of the n-th datagram's sender, control messages and bytes. */
  name(n: number): number {
    return this.#names + n * NAME_BYTES;
  }

  control(n: number): number {
    return this.#controls + n * CONTROL_BYTES;
  }

  data(n: number): number {
    return this.#data + n * STRIDE;
  }

  size(n: number): number {
    return this.#arena.u32[(this.#headers + n * HEADER + LENGTH) >> 2] as number;
  }

  /** The size of the n-th's segments, where the kernel has joined several datagrams: all but the last have it. */
  segment(n: number): number {
    const { u32 } = this.#arena;
    return this.#joined(n) ? (u32[(this.control(n) + CMSG_HEADER) >> 2] as number) : this.size(n);
  }

  /** The offset of the n-th's control messages, after the one that says the size of segments. */
  rest(n: number): number {
    return this.control(n) + (this.#joined(n) ? SEGMENT_CONTROL : 0);
  }

  /** Receives what is there, from whom it comes. Returns how many, negative for an error. `control`: bytes of it. */
  receive(fd: number, control: number, one: boolean): number {
    this.#headers = this.#named;
    return this.#receive(fd, control + SEGMENT_CONTROL, one, 0);
  }

  /**
   * The same from a connected socket: who it comes from is known. `joins`: the kernel may join datagrams of it. `at`:
   * where one goes.
   */
  receiveConnected(fd: number, joins: boolean, one: boolean, at: number): number {
    this.#headers = this.#plain;
    if (joins || !one) return this.#receive(fd, joins ? SEGMENT_CONTROL : 0, one, at);
    const size = this.#c.recv(fd, this.#arena.base + this.data(at), LARGEST, MSG_DONTWAIT);
    this.#offer(at, 0);
    return this.#single(at, size);
  }

  #receive(fd: number, control: number, one: boolean, at: number): number {
    const headers = this.#arena.base + this.#headers;
    if (one) {
      this.#offer(at, control);
      return this.#single(at, this.#c.recvmsg(fd, headers + at * HEADER, MSG_DONTWAIT));
    }
    for (let n = 0; n < BATCH; n++) this.#offer(n, control);
    return this.#c.recvmmsg(fd, headers, BATCH, MSG_DONTWAIT, 0);
  }

  #single(at: number, size: number): number {
    if (size < 0) return -1;
    this.#arena.u32[(this.#headers + at * HEADER + LENGTH) >> 2] = size;
    return 1;
  }

  // It comes first (udp_recvmsg() in the kernel).
  #joined(n: number): boolean {
    const { u32 } = this.#arena;
    const word = this.control(n) >> 2;
    const used = u32[(this.#headers + n * HEADER + CONTROL_LENGTH) >> 2] as number;
    return used >= CMSG_HEADER + 4 && u32[word + 2] === IPPROTO_UDP && u32[word + 3] === UDP_GRO;
  }

  #prepare(n: number): void {
    const arena = this.#arena;
    const vector = this.#vectors + n * VECTOR;
    for (const headers of [this.#named, this.#plain]) {
      const header = headers + n * HEADER;
      arena.u32.fill(0, header >> 2, (header + HEADER) >> 2);
      arena.point(header + VECTORS, vector);
      arena.u32[(header + VECTOR_COUNT) >> 2] = 1;
      arena.point(header + CONTROL, this.control(n));
    }
    arena.point(this.#named + n * HEADER + NAME, this.name(n));
    arena.point(vector, this.data(n));
    arena.u32[(vector + 8) >> 2] = LARGEST;
    arena.u32[(vector + 12) >> 2] = 0;
  }

  // The kernel writes how much of each it has used.
  #offer(n: number, control: number): void {
    const { u32 } = this.#arena;
    const header = this.#headers + n * HEADER;
    if (this.#headers === this.#named) u32[(header + NAME_LENGTH) >> 2] = wire.SOCKADDR;
    u32[(header + CONTROL_LENGTH) >> 2] = control;
  }
}

/** ECONNREFUSED, EHOSTUNREACH, ENETUNREACH, EHOSTDOWN, EPROTO: what an ICMP message turns into. */
export const UNREACHABLE = new Set([111, 113, 101, 112, 71]);

/** Writes the control message that has the kernel cut what is sent into segments of `size`. */
export function putSegmentSize({ u16, u32 }: Arena, at: number, size: number): void {
  const word = at >> 2;
  u32[word] = CMSG_HEADER + 2;
  u32[word + 1] = 0;
  u32[word + 2] = IPPROTO_UDP;
  u32[word + 3] = UDP_SEGMENT;
  u16[(at + CMSG_HEADER) >> 1] = size;
}
