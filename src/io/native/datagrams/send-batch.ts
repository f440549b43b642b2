/** The headers of messages that are sent many with one call, or one by itself (sendmsg(2), sendmmsg(2)). */
import type { Arena } from '../system/arena.ts';
import { MSG_DONTWAIT, MSG_NOSIGNAL } from '../system/constants.ts';
import { type Libc, libc } from '../system/libc.ts';
import * as addresses from './addresses.ts';
import * as layout from './layout.ts';

const SEND_FLAGS = MSG_DONTWAIT | MSG_NOSIGNAL;

/** Room for a message's control messages: the address that it leaves from, and the size of segments. */
const CONTROL_BYTES = 64;

export class SendBatch {
  readonly #c: Libc = libc();
  readonly #arena: Arena;
  readonly #headers: number;
  readonly #vectors: number;
  readonly #controls: number;

  /** For so many messages, each of one vector or all of as many together. */
  constructor(arena: Arena, messages: number) {
    this.#arena = arena;
    this.#headers = arena.take(messages * layout.HEADER);
    this.#vectors = arena.take(messages * layout.VECTOR);
    this.#controls = arena.take(messages * CONTROL_BYTES);
    for (let n = 0; n < messages; n++) this.#clear(n);
  }

  /** Makes a vector say where so many bytes lie. */
  point(vector: number, at: number, bytes: number): void {
    const to = this.#vectors + vector * layout.VECTOR;
    this.#arena.point(to, at);
    this.#arena.u32[(to + 8) >> 2] = bytes;
  }

  /**
   * Makes the n-th header: the message is what `count` vectors say, from the `vector`-th on. `address`: the offset of a
   * peer's address, negative for a connected socket. `segment`: the size of segments, 0 where there is but one.
   */
  prepare(n: number, vector: number, count: number, address: number, segment: number): void {
    const arena = this.#arena;
    const { u8, u32 } = arena;
    const header = this.#headers + n * layout.HEADER;
    const control = this.#controls + n * CONTROL_BYTES;
    arena.point(header + layout.VECTORS, this.#vectors + vector * layout.VECTOR);
    u32[(header + layout.VECTOR_COUNT) >> 2] = count;
    let used = 0;
    if (address < 0) {
      u32[(header + layout.NAME) >> 2] = 0;
      u32[(header + layout.NAME + 4) >> 2] = 0;
      u32[(header + layout.NAME_LENGTH) >> 2] = 0;
    } else {
      arena.point(header + layout.NAME, address);
      u32[(header + layout.NAME_LENGTH) >> 2] = u32[(address + addresses.ADDRESS_LENGTH) >> 2] as number;
      used = u32[(address + addresses.CONTROL_LENGTH) >> 2] as number;
      const source = address + addresses.CONTROL;
      if (used > 0) u8.copyWithin(control, source, source + used);
    }
    if (segment > 0) {
      layout.putSegmentSize(arena, control + used, segment);
      used += layout.SEGMENT_CONTROL;
    }
    u32[(header + layout.CONTROL_LENGTH) >> 2] = used;
  }

  /** Sends a datagram that lies in one piece, without a header where that is not needed: it costs less. Returns 1, or a negative number. */
  sendOne(fd: number, n: number, at: number, bytes: number, address: number): number {
    const { base, u32 } = this.#arena;
    if (address < 0) return this.#c.send(fd, base + at, bytes, SEND_FLAGS) < 0 ? -1 : 1;
    if (u32[(address + addresses.CONTROL_LENGTH) >> 2] !== 0) return this.send(fd, n, 1);
    const size = u32[(address + addresses.ADDRESS_LENGTH) >> 2] as number;
    return this.#c.sendto(fd, base + at, bytes, SEND_FLAGS, base + address, size) < 0 ? -1 : 1;
  }

  /** Sends so many messages from the n-th on. Returns how many were sent; none, or a negative number, for an error. */
  send(fd: number, n: number, count: number): number {
    const header = this.#arena.base + this.#headers + n * layout.HEADER;
    if (count > 1) return this.#c.sendmmsg(fd, header, count, SEND_FLAGS);
    return this.#c.sendmsg(fd, header, SEND_FLAGS) < 0 ? -1 : 1;
  }

  #clear(n: number): void {
    const arena = this.#arena;
    const vector = this.#vectors + n * layout.VECTOR;
    const header = this.#headers + n * layout.HEADER;
    layout.clearHeader(arena, header, vector);
    arena.point(header + layout.CONTROL, this.#controls + n * CONTROL_BYTES);
    // The high word of a vector's size is never written again.
    arena.u32.fill(0, vector >> 2, (vector + layout.VECTOR) >> 2);
  }
}
