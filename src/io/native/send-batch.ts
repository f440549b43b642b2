/** The headers of messages that are sent many with one call, or one by itself (sendmsg(2), sendmmsg(2)). */
import type { Arena } from './arena.ts';
import { MSG_DONTWAIT, MSG_NOSIGNAL } from './constants.ts';
import * as layout from './datagram-batch.ts';
import { type Libc, libc } from './libc.ts';
import * as wire from './wire.ts';

export const SEND_FLAGS = MSG_DONTWAIT | MSG_NOSIGNAL;

/** Room for a message's control messages: the address that it leaves from, and the size of segments. */
const CONTROL_BYTES = 64;

export class SendBatch {
  readonly #c: Libc = libc();
  readonly #arena: Arena;
  readonly #headers: number;
  readonly #vectors: number;
  readonly #controls: number;

  /** Bytes of memory for so many messages. */
  static bytes(messages: number): number {
    return messages * (layout.HEADER + layout.VECTOR + CONTROL_BYTES);
  }

  /** For so many messages, each of one vector or all of as many together, in the memory at an offset. */
  constructor(arena: Arena, at: number, messages: number) {
    this.#arena = arena;
    this.#headers = at;
    this.#vectors = at + messages * layout.HEADER;
    this.#controls = this.#vectors + messages * layout.VECTOR;
    arena.u32.fill(0, at >> 2, (at + SendBatch.bytes(messages)) >> 2);
  }

  /** Makes a vector say where so many bytes lie. */
  point(vector: number, at: number, bytes: number): void {
    const to = this.#vectors + vector * layout.VECTOR;
    this.#arena.point(to, at);
    this.#arena.u32[(to + 8) >> 2] = bytes;
  }

  /**
   * Makes the n-th header: the message is what `count` vectors say, from the `vector`-th on. `slot`: the offset of the
   * address that it goes to, undefined for a connected socket. `segment`: the size of segments, 0 where there is but one.
   */
  prepare(n: number, vector: number, count: number, slot: number | undefined, segment: number): void {
    const arena = this.#arena;
    const { u8, u32 } = arena;
    const header = this.#headers + n * layout.HEADER;
    const control = this.#controls + n * CONTROL_BYTES;
    arena.point(header + layout.VECTORS, this.#vectors + vector * layout.VECTOR);
    u32[(header + layout.VECTOR_COUNT) >> 2] = count;
    let used = 0;
    if (slot === undefined) {
      u32[(header + layout.NAME) >> 2] = 0;
      u32[(header + layout.NAME + 4) >> 2] = 0;
      u32[(header + layout.NAME_LENGTH) >> 2] = 0;
    } else {
      arena.point(header + layout.NAME, slot);
      u32[(header + layout.NAME_LENGTH) >> 2] = u32[(slot + wire.ADDRESS_LENGTH) >> 2] as number;
      used = u32[(slot + wire.CONTROL_LENGTH) >> 2] as number;
      if (used > 0) u8.copyWithin(control, slot + wire.CONTROL, slot + wire.CONTROL + used);
    }
    if (segment > 0) {
      layout.putSegmentSize(arena, control + used, segment);
      used += layout.SEGMENT_CONTROL;
    }
    arena.point(header + layout.CONTROL, control);
    u32[(header + layout.CONTROL_LENGTH) >> 2] = used;
  }

  /** Sends so many messages from the n-th on. Returns how many were sent; none, or a negative number, for an error. */
  send(fd: number, n: number, count: number): number {
    const header = this.#arena.base + this.#headers + n * layout.HEADER;
    if (count > 1) return this.#c.sendmmsg(fd, header, count, SEND_FLAGS);
    return this.#c.sendmsg(fd, header, SEND_FLAGS) < 0 ? -1 : 1;
  }
}

/**
 * Sends all: neighbours that leave from one descriptor together, since sendmmsg(2) has but one. `send` says how many of
 * so many it has sent from the n-th on; where that is none, the n-th has failed, and the others are tried.
 */
export function sendAll(
  messages: readonly { readonly to: { readonly fd: number } }[],
  send: (fd: number, n: number, count: number) => number,
  failed: (n: number) => void,
): void {
  for (let next = 0, end = 0; next < messages.length; ) {
    const fd = messages[next]?.to.fd as number;
    while (messages[end]?.to.fd === fd) end++;
    const sent = send(fd, next, end - next);
    if (sent > 0) next += sent;
    else failed(next++);
  }
}
