/** Sends what the engine's thread has received: gathered for a turn of its loop, then sent with few system calls. */
import type { Arena } from './arena.ts';
import { EAGAIN, EMSGSIZE, MSG_DONTWAIT, MSG_NOSIGNAL } from './constants.ts';
import * as layout from './datagram-batch.ts';
import { type Libc, libc } from './libc.ts';
import type { Loop, Task } from './loop.ts';
import * as wire from './wire.ts';

const FLAGS = MSG_DONTWAIT | MSG_NOSIGNAL;

/** Pieces of memory that wait at most, each in a message of its own or with others of its destination. */
const PIECES = 2 * layout.BATCH;
/** The header of a datagram that is sent apart. */
const SPARE = PIECES;
/** Room for a message's control messages: the address that it leaves from, and the size of segments. */
const CONTROL_BYTES = 64;
const NONE = -1;

/** Where datagrams go: a connected socket, or a peer of one that is not. */
export interface Destination {
  readonly id: number;
  readonly fd: number;
  /** It is a peer: the address in its slot is sent to, with the control messages there. */
  readonly named: boolean;
  /** The kernel cuts one send into segments for it, as far as we know. */
  segments: boolean;
  /** The message that its next datagram may join. */
  message: Message | undefined;
}

/** Datagrams for one destination: all of one size but the last, which may be smaller. */
export interface Message {
  readonly to: Destination;
  readonly size: number;
  bytes: number;
  /** The first and the last of its pieces. */
  readonly first: number;
  last: number;
}

export class Sender implements Task {
  readonly #c: Libc = libc();
  readonly #loop: Loop;
  readonly #arena: Arena;
  readonly #headers: number;
  readonly #vectors: number;
  readonly #controls: number;
  /** Of each piece: where it lies, its size, the next one of its message. */
  readonly #at = new Int32Array(PIECES);
  readonly #sizes = new Int32Array(PIECES);
  readonly #next = new Int32Array(PIECES);
  #pieces = 0;
  readonly #messages: Message[] = [];
  /** Buffers of the batch that are taken. */
  #taken = 0;
  #scheduled = false;

  constructor(loop: Loop) {
    const { arena } = loop;
    this.#loop = loop;
    this.#arena = arena;
    this.#headers = arena.take((PIECES + 1) * layout.HEADER);
    this.#vectors = arena.take((PIECES + 1) * layout.VECTOR);
    this.#controls = arena.take((PIECES + 1) * CONTROL_BYTES);
    const end = this.#controls + (PIECES + 1) * CONTROL_BYTES;
    arena.u32.fill(0, this.#headers >> 2, end >> 2);
  }

  // ------------------------------------------------------------------ what is received meanwhile

  /** A buffer of the batch in which nothing lies that is still to be sent. */
  takeBuffer(): number {
    if (this.#taken === layout.BATCH) this.#freeBuffers();
    return this.#taken++;
  }

  /** All buffers of the batch. */
  takeBuffers(): void {
    this.#freeBuffers();
    this.#taken = layout.BATCH;
  }

  #freeBuffers(): void {
    this.flush();
    this.#taken = 0;
  }

  // ------------------------------------------------------------------ gathering

  /** Sends, when this turn is over, what has come in segments of `segment` bytes. It has to stay where it is until then. */
  add(to: Destination, at: number, size: number, segment: number): void {
    if (!this.#scheduled) {
      this.#scheduled = true;
      this.#loop.later(this);
    }
    const most = size > segment ? this.#atOnce(to, segment) : size;
    let done = 0;
    for (; size - done > most; done += most) this.#put(to, at + done, most, segment);
    this.#put(to, at + done, size - done, segment);
  }

  /** How many bytes in segments of a size one message takes. */
  #atOnce(to: Destination, segment: number): number {
    if (!to.segments) return segment;
    return segment * Math.max(1, Math.min(layout.BATCH, Math.floor(layout.SEGMENTS_BYTES / segment)));
  }

  #put(to: Destination, at: number, size: number, segment: number): void {
    if (this.#pieces === PIECES) this.flush();
    const piece = this.#pieces++;
    this.#at[piece] = at;
    this.#sizes[piece] = size;
    this.#next[piece] = NONE;
    const { message } = to;
    if (message && continues(message, size, segment)) {
      this.#next[message.last] = piece;
      message.last = piece;
      message.bytes += size;
      return;
    }
    to.message = { to, size: Math.min(size, segment), bytes: size, first: piece, last: piece };
    this.#messages.push(to.message);
  }

  // ------------------------------------------------------------------ sending

  proceed(): void {
    this.#scheduled = false;
    this.#freeBuffers();
  }

  broken(): void {
    this.#clear();
  }

  flush(): void {
    const messages = this.#messages;
    if (messages.length === 0) return;
    let vector = 0;
    for (let n = 0; n < messages.length; n++) vector = this.#prepare(n, messages[n] as Message, vector);
    for (let first = 0, end = 0; first < messages.length; first = end) {
      const { fd } = (messages[first] as Message).to;
      while (end < messages.length && messages[end]?.to.fd === fd) end++;
      this.#send(fd, first, end);
    }
    this.#clear();
  }

  #clear(): void {
    for (const { to } of this.#messages) to.message = undefined;
    this.#messages.length = 0;
    this.#pieces = 0;
  }

  /** Makes the n-th header say what a message is made of, and where it goes. Returns the next vector. */
  #prepare(n: number, { to, size, bytes, first }: Message, vector: number): number {
    const { u32 } = this.#arena;
    const header = this.#headers + n * layout.HEADER;
    let next = vector;
    for (let piece = first; piece !== NONE; piece = this.#next[piece] as number)
      this.#point(next++, this.#at[piece] as number, this.#sizes[piece] as number);
    this.#arena.point(header + layout.VECTORS, this.#vectors + vector * layout.VECTOR);
    u32[(header + layout.VECTOR_COUNT) >> 2] = next - vector;
    this.#address(n, to, bytes > size ? size : 0);
    return next;
  }

  #point(vector: number, at: number, size: number): void {
    const to = this.#vectors + vector * layout.VECTOR;
    this.#arena.point(to, at);
    this.#arena.u32[(to + 8) >> 2] = size;
  }

  /** `segment`: the size of segments, 0 where there is but one. */
  #address(n: number, to: Destination, segment: number): void {
    const arena = this.#arena;
    const { u8, u32 } = arena;
    const header = this.#headers + n * layout.HEADER;
    const control = this.#controls + n * CONTROL_BYTES;
    let used = 0;
    if (to.named) {
      const address = wire.addressOf(this.#loop.shared, to.id);
      arena.point(header + layout.NAME, address);
      u32[(header + layout.NAME_LENGTH) >> 2] = u32[(address + wire.ADDRESS_LENGTH) >> 2] as number;
      used = u32[(address + wire.CONTROL_LENGTH) >> 2] as number;
      if (used > 0) u8.copyWithin(control, address + wire.CONTROL, address + wire.CONTROL + used);
    } else {
      u32[(header + layout.NAME) >> 2] = 0;
      u32[(header + layout.NAME + 4) >> 2] = 0;
      u32[(header + layout.NAME_LENGTH) >> 2] = 0;
    }
    if (segment > 0) {
      layout.putSegmentSize(arena, control + used, segment);
      used += layout.SEGMENT_CONTROL;
    }
    arena.point(header + layout.CONTROL, control);
    u32[(header + layout.CONTROL_LENGTH) >> 2] = used;
  }

  /** Sends the messages from the n-th to before the end-th, which leave from one socket. */
  #send(fd: number, first: number, end: number): void {
    for (let next = first; next < end; ) {
      const sent = end - next > 1 ? this.#sendMany(fd, next, end - next) : this.#sendOne(next);
      if (sent > 0) next += sent;
      else this.#failed(this.#messages[next++] as Message, this.#c.errno());
    }
  }

  /** Returns how many were sent. */
  #sendMany(fd: number, n: number, count: number): number {
    return this.#c.sendmmsg(fd, this.#arena.base + this.#headers + n * layout.HEADER, count, FLAGS);
  }

  /** Returns how many were sent: one, or a negative number. */
  #sendOne(n: number): number {
    const { to, size, bytes, first } = this.#messages[n] as Message;
    // The cheaper call, where it says all.
    if (!to.named && bytes === size && this.#next[first] === NONE) {
      const { base } = this.#arena;
      return this.#c.send(to.fd, base + (this.#at[first] as number), bytes, FLAGS) < 0 ? -1 : 1;
    }
    return this.#c.sendmsg(to.fd, this.#arena.base + this.#headers + n * layout.HEADER, FLAGS) < 0 ? -1 : 1;
  }

  #failed({ to, size, bytes, first }: Message, errno: number): void {
    if (errno === EAGAIN) this.#dropped(to, wire.DROPPED_FULL, size > 0 ? Math.ceil(bytes / size) : 1);
    else if (bytes === size) this.#retry(to, this.#at[first] as number, size, errno);
    else {
      // A pending ICMP error says nothing of segments.
      if (layout.UNREACHABLE.has(errno)) this.#fault(to, errno);
      else to.segments = false;
      for (let piece = first; piece !== NONE; piece = this.#next[piece] as number)
        this.#sendSegments(to, this.#at[piece] as number, this.#sizes[piece] as number, size);
    }
  }

  /** Sends each segment of a piece by itself. */
  #sendSegments(to: Destination, at: number, bytes: number, size: number): void {
    for (let done = 0; done < bytes; done += size) {
      const length = Math.min(size, bytes - done);
      const errno = this.#sendApart(to, at + done, length);
      if (errno === EAGAIN) this.#dropped(to, wire.DROPPED_FULL, 1);
      else if (errno !== 0) this.#retry(to, at + done, length, errno);
    }
  }

  // A pending ICMP error is reported by the next send(2), which then has not sent: it is sent again, once (udp(7)).
  #retry(to: Destination, at: number, size: number, errno: number): void {
    this.#fault(to, errno);
    if (errno === EMSGSIZE) this.#dropped(to, wire.DROPPED_LARGE, 1);
    else {
      const again = this.#sendApart(to, at, size);
      if (again !== 0) this.#dropped(to, again === EAGAIN ? wire.DROPPED_FULL : wire.DROPPED_ERROR, 1);
    }
  }

  /** Returns 0, or the error. */
  #sendApart(to: Destination, at: number, size: number): number {
    const header = this.#headers + SPARE * layout.HEADER;
    this.#point(SPARE, at, size);
    this.#arena.point(header + layout.VECTORS, this.#vectors + SPARE * layout.VECTOR);
    this.#arena.u32[(header + layout.VECTOR_COUNT) >> 2] = 1;
    this.#address(SPARE, to, 0);
    return this.#c.sendmsg(to.fd, this.#arena.base + header, FLAGS) < 0 ? this.#c.errno() : 0;
  }

  // ------------------------------------------------------------------ what is told

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

/** Whether `more` bytes, in segments of a size, may follow what a message has. */
function continues({ to, size, bytes }: Message, more: number, segment: number): boolean {
  if (!to.segments || more === 0 || bytes === 0 || bytes % size !== 0) return false;
  // Others may be joined only in whole segments of the same size; a smaller one is the last.
  if (segment !== size && (more > size || more > segment)) return false;
  return bytes + more <= layout.SEGMENTS_BYTES && Math.ceil((bytes + more) / size) <= layout.BATCH;
}
