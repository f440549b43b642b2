/** Many datagrams with one system call, received into the same memory for ever (recvmmsg(2), sendmmsg(2), udp(7)). */
import type { Arena } from './arena.ts';
import { EAGAIN, EMSGSIZE, IPPROTO_UDP, MSG_DONTWAIT, MSG_NOSIGNAL, UDP_SEGMENT } from './constants.ts';
import { type Libc, libc } from './libc.ts';
import type { Loop } from './loop.ts';
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

const FLAGS = MSG_DONTWAIT | MSG_NOSIGNAL;

/** Where datagrams are received. */
export class ReceiveBatch {
  readonly #c: Libc = libc();
  readonly #arena: Arena;
  /** With room for names and control messages, and without. */
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

  /** Receives what is there, from whom it comes. Returns how many, negative for an error. `control`: bytes of it. */
  receive(fd: number, control: number, one: boolean): number {
    this.#headers = this.#named;
    const headers = this.#arena.base + this.#headers;
    this.#offer(0, control);
    if (one) return this.#single(this.#c.recvmsg(fd, headers, MSG_DONTWAIT));
    for (let n = 1; n < BATCH; n++) this.#offer(n, control);
    return this.#c.recvmmsg(fd, headers, BATCH, MSG_DONTWAIT, 0);
  }

  /** The same from a connected socket: who it comes from is known. */
  receiveConnected(fd: number, one: boolean): number {
    const { base } = this.#arena;
    this.#headers = this.#plain;
    if (one) return this.#single(this.#c.recv(fd, base + this.#data, LARGEST, MSG_DONTWAIT));
    return this.#c.recvmmsg(fd, base + this.#headers, BATCH, MSG_DONTWAIT, 0);
  }

  #single(size: number): number {
    if (size < 0) return -1;
    this.#arena.u32[(this.#headers + LENGTH) >> 2] = size;
    return 1;
  }

  #prepare(n: number): void {
    const arena = this.#arena;
    const vector = this.#vectors + n * VECTOR;
    for (const headers of [this.#named, this.#plain]) {
      const header = headers + n * HEADER;
      arena.u32.fill(0, header >> 2, (header + HEADER) >> 2);
      arena.point(header + VECTORS, vector);
      arena.u32[(header + VECTOR_COUNT) >> 2] = 1;
    }
    arena.point(this.#named + n * HEADER + NAME, this.name(n));
    arena.point(this.#named + n * HEADER + CONTROL, this.control(n));
    arena.point(vector, this.data(n));
    arena.u32[(vector + 8) >> 2] = LARGEST;
    arena.u32[(vector + 12) >> 2] = 0;
  }

  // The kernel writes how much of each it has used.
  #offer(n: number, control: number): void {
    const { u32 } = this.#arena;
    const header = this.#headers + n * HEADER;
    u32[(header + NAME_LENGTH) >> 2] = wire.SOCKADDR;
    u32[(header + CONTROL_LENGTH) >> 2] = control;
  }
}

/** Where datagrams go: a connected socket, or a peer of one that is not. */
export interface Destination {
  readonly id: number;
  readonly fd: number;
  /** It is a peer: the address in its slot is sent to, with the control messages there. */
  readonly named: boolean;
  /** The kernel cuts one send into segments for it, as far as we know. */
  segments: boolean;
}

/** Sends what was received. */
export class Sender {
  readonly #c: Libc = libc();
  readonly #loop: Loop;
  readonly #arena: Arena;
  readonly #headers: number;
  readonly #vectors: number;

  constructor(loop: Loop) {
    const { arena } = loop;
    this.#loop = loop;
    this.#arena = arena;
    this.#headers = arena.take(BATCH * HEADER);
    this.#vectors = arena.take(BATCH * VECTOR);
    for (let n = 0; n < BATCH; n++) {
      const header = this.#headers + n * HEADER;
      const vector = this.#vectors + n * VECTOR;
      arena.u32.fill(0, header >> 2, (header + HEADER) >> 2);
      arena.point(header + VECTORS, vector);
      arena.u32[(header + VECTOR_COUNT) >> 2] = 1;
      arena.point(vector, 0);
      arena.u32[(vector + 12) >> 2] = 0;
    }
  }

  /** Sends so many datagrams of a batch, from the n-th on. */
  send(to: Destination, batch: ReceiveBatch, first: number, count: number): void {
    let even = to.segments && count > 1;
    const size = batch.size(first);
    for (let n = 0; n < count; n++) {
      const length = batch.size(first + n);
      if (length !== size && (n < count - 1 || length > size || length === 0)) even = false;
      this.#fill(n, batch.data(first + n), length);
    }
    if (even && size > 0 && size * count <= SEGMENTS_BYTES && this.#sendSegments(to, size, count)) return;
    this.#sendEach(to, count);
  }

  /** Sends bytes that lie elsewhere in the arena. */
  sendBytes(to: Destination, from: number, length: number): void {
    this.#fill(0, from, length);
    this.#sendEach(to, 1);
  }

  #fill(n: number, data: number, length: number): void {
    const { u32 } = this.#arena;
    const vector = (this.#vectors + n * VECTOR) >> 2;
    u32[vector] = data;
    u32[vector + 2] = length;
  }

  /** One send for all: the kernel makes datagrams of `size` of it, the last of which may be smaller. */
  #sendSegments(to: Destination, size: number, count: number): boolean {
    const { u32, base } = this.#arena;
    const header = this.#headers;
    const used = this.#address(to, 0);
    const control = wire.addressOf(this.#loop.shared, to.id) + wire.CONTROL;
    putSegmentSize(this.#arena, control + used, size);
    this.#arena.point(header + CONTROL, control);
    u32[(header + CONTROL_LENGTH) >> 2] = used + SEGMENT_CONTROL;
    u32[(header + VECTOR_COUNT) >> 2] = count;
    const sent = this.#c.sendmsg(to.fd, base + header, FLAGS);
    u32[(header + VECTOR_COUNT) >> 2] = 1;
    if (sent >= 0) return true;
    const errno = this.#c.errno();
    // A pending ICMP error says nothing of segments: all is sent again, which has had its second chance then.
    if (errno === EAGAIN) this.#dropped(to, wire.DROPPED_FULL, count);
    else if (UNREACHABLE.has(errno)) this.#fault(to, errno);
    else to.segments = false;
    return errno === EAGAIN;
  }

  #sendEach(to: Destination, count: number): void {
    for (let n = 0; n < count; n++) this.#address(to, n);
    let tried = -1;
    for (let next = 0; next < count; ) {
      const sent = this.#sendFrom(to, next, count);
      if (sent > 0) {
        next += sent;
        continue;
      }
      const errno = this.#c.errno();
      if (errno === EAGAIN) {
        this.#dropped(to, wire.DROPPED_FULL, count - next);
        return;
      }
      if (tried !== next) this.#fault(to, errno);
      // A pending ICMP error is reported by the next send(2), which then has not sent: it is sent again, once (udp(7)).
      if (errno !== EMSGSIZE && tried !== next) tried = next;
      else {
        this.#dropped(to, errno === EMSGSIZE ? wire.DROPPED_LARGE : wire.DROPPED_ERROR, 1);
        next++;
      }
    }
  }

  /** Returns how many were sent. */
  #sendFrom(to: Destination, next: number, count: number): number {
    const header = this.#arena.base + this.#headers + next * HEADER;
    if (count - next > 1) return this.#c.sendmmsg(to.fd, header, count - next, FLAGS);
    if (to.named) return this.#c.sendmsg(to.fd, header, FLAGS) < 0 ? -1 : 1;
    const { u32, base } = this.#arena;
    const vector = (this.#vectors + next * VECTOR) >> 2;
    return this.#c.send(to.fd, base + (u32[vector] as number), u32[vector + 2] as number, FLAGS) < 0 ? -1 : 1;
  }

  /** Makes a header point to where it goes. Returns the bytes of control messages that go with it. */
  #address(to: Destination, n: number): number {
    const arena = this.#arena;
    const { u32 } = arena;
    const header = this.#headers + n * HEADER;
    if (!to.named) {
      u32[(header + NAME) >> 2] = 0;
      u32[(header + NAME + 4) >> 2] = 0;
      u32[(header + NAME_LENGTH) >> 2] = 0;
      u32[(header + CONTROL_LENGTH) >> 2] = 0;
      return 0;
    }
    const address = wire.addressOf(this.#loop.shared, to.id);
    const control = u32[(address + wire.CONTROL_LENGTH) >> 2] as number;
    arena.point(header + NAME, address);
    u32[(header + NAME_LENGTH) >> 2] = u32[(address + wire.ADDRESS_LENGTH) >> 2] as number;
    arena.point(header + CONTROL, address + wire.CONTROL);
    u32[(header + CONTROL_LENGTH) >> 2] = control;
    return control;
  }

  #dropped(to: Destination, reason: number, count: number): void {
    const { f64 } = this.#arena;
    const at = wire.countersOf(this.#loop.shared, to.id) + reason;
    f64[at] = (f64[at] as number) + count;
  }

  // What is said in a flood of errors need not be said each time.
  #fault(to: Destination, errno: number): void {
    if (!this.#loop.congested) this.#loop.report(wire.Report.Fault, to.id, errno);
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
