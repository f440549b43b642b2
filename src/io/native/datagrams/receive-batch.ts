/** Many datagrams with one system call, received into the same memory for ever (recvmmsg(2), udp(7)). */
import type { Arena } from '../system/arena.ts';
import { IPPROTO_UDP, MSG_DONTWAIT, SOCKADDR, UDP_GRO } from '../system/constants.ts';
import { type Libc, libc } from '../system/libc.ts';
import * as layout from './layout.ts';

const { BATCH, HEADER, VECTOR, CMSG_HEADER, SEGMENT_CONTROL } = layout;

/** No datagram is larger. */
const LARGEST = 65_536;
/** Between two buffers: not a power of two, or their first bytes would compete for the same lines of the cache. */
const STRIDE = LARGEST + 2048 + 64;

const NAME_BYTES = 32;
const CONTROL_BYTES = 64;

export class ReceiveBatch {
  readonly #c: Libc = libc();
  readonly #arena: Arena;
  /** With room for names, and without. */
  readonly #named: number;
  readonly #plain: number;
  #headers: number;
  readonly #names: number;
  readonly #controls: number;
  readonly #data: number;

  constructor(arena: Arena) {
    this.#arena = arena;
    this.#named = arena.take(BATCH * HEADER);
    this.#plain = arena.take(BATCH * HEADER);
    this.#headers = this.#named;
    const vectors = arena.take(BATCH * VECTOR);
    this.#names = arena.take(BATCH * NAME_BYTES);
    this.#controls = arena.take(BATCH * CONTROL_BYTES);
    this.#data = arena.take(BATCH * STRIDE, 4096);
    for (let n = 0; n < BATCH; n++) this.#prepare(n, vectors + n * VECTOR);
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
    return this.#arena.u32[(this.#headers + n * HEADER + layout.MESSAGE_LENGTH) >> 2] as number;
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

  /**
   * Receives what is there, and from whom it comes: `most` datagrams into the n-th buffer and those behind it. Returns how
   * many, negative for an error. `control`: bytes of what else is said of each. `joins`: the kernel may join datagrams of
   * one sender.
   */
  receive(fd: number, control: number, joins: boolean, n: number, most: number): number {
    this.#headers = this.#named;
    if (joins || control > 0 || most > 1) return this.#receive(fd, control + (joins ? SEGMENT_CONTROL : 0), n, most);
    this.#offer(n, 0);
    const { base } = this.#arena;
    const length = base + this.#named + n * HEADER + layout.NAME_LENGTH;
    return this.#single(
      n,
      this.#c.recvfrom(fd, base + this.data(n), LARGEST, MSG_DONTWAIT, base + this.name(n), length),
    );
  }

  /** The same from a connected socket: who it comes from is known. */
  receiveConnected(fd: number, joins: boolean, n: number, most: number): number {
    this.#headers = this.#plain;
    if (joins || most > 1) return this.#receive(fd, joins ? SEGMENT_CONTROL : 0, n, most);
    this.#offer(n, 0);
    return this.#single(n, this.#c.recv(fd, this.#arena.base + this.data(n), LARGEST, MSG_DONTWAIT));
  }

  #receive(fd: number, control: number, n: number, most: number): number {
    const headers = this.#arena.base + this.#headers + n * HEADER;
    for (let each = n; each < n + most; each++) this.#offer(each, control);
    if (most === 1) return this.#single(n, this.#c.recvmsg(fd, headers, MSG_DONTWAIT));
    return this.#c.recvmmsg(fd, headers, most, MSG_DONTWAIT, 0);
  }

  #single(n: number, size: number): number {
    if (size < 0) return -1;
    this.#arena.u32[(this.#headers + n * HEADER + layout.MESSAGE_LENGTH) >> 2] = size;
    return 1;
  }

  // That message comes first (udp_recvmsg() in the kernel).
  #joined(n: number): boolean {
    const { u32 } = this.#arena;
    const word = this.control(n) >> 2;
    const used = u32[(this.#headers + n * HEADER + layout.CONTROL_LENGTH) >> 2] as number;
    return used >= CMSG_HEADER + 4 && u32[word + 2] === IPPROTO_UDP && u32[word + 3] === UDP_GRO;
  }

  #prepare(n: number, vector: number): void {
    const arena = this.#arena;
    for (const headers of [this.#named, this.#plain]) {
      const header = headers + n * HEADER;
      layout.clearHeader(arena, header, vector);
      arena.point(header + layout.CONTROL, this.control(n));
    }
    arena.point(this.#named + n * HEADER + layout.NAME, this.name(n));
    arena.point(vector, this.data(n));
    arena.u32[(vector + 8) >> 2] = LARGEST;
    arena.u32[(vector + 12) >> 2] = 0;
  }

  // The kernel writes how much of each it has used.
  #offer(n: number, control: number): void {
    const { u32 } = this.#arena;
    const header = this.#headers + n * HEADER;
    if (this.#headers === this.#named) u32[(header + layout.NAME_LENGTH) >> 2] = SOCKADDR;
    u32[(header + layout.CONTROL_LENGTH) >> 2] = control;
  }
}
