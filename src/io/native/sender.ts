/** Sends what the engine's thread has received: gathered for a turn of its loop, then sent with few system calls. */
import { empty } from '../../core/arrays.ts';
import type { Arena } from './arena.ts';
import { EAGAIN, EMSGSIZE } from './constants.ts';
import * as layout from './datagram-batch.ts';
import { type Libc, libc } from './libc.ts';
import type { Loop, Task } from './loop.ts';
import { SEND_FLAGS, SendBatch, sendAll } from './send-batch.ts';
import * as wire from './wire.ts';

/** Pieces of memory that wait at most, each in a message of its own or with others of its destination. */
const PIECES = 2 * layout.BATCH;
/** The header of a datagram that is sent apart. */
const SPARE = PIECES;
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
  readonly #batch: SendBatch;
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
    this.#batch = new SendBatch(arena, arena.take(SendBatch.bytes(PIECES + 1)), PIECES + 1);
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
    sendAll(messages, this.#send, this.#failed);
    this.#clear();
  }

  #clear(): void {
    for (const { to } of this.#messages) to.message = undefined;
    empty(this.#messages);
    this.#pieces = 0;
  }

  /** Makes the n-th header say what a message is made of, and where it goes. Returns the next vector. */
  #prepare(n: number, { to, size, bytes, first }: Message, vector: number): number {
    let next = vector;
    for (let piece = first; piece !== NONE; piece = this.#next[piece] as number)
      this.#batch.point(next++, this.#at[piece] as number, this.#sizes[piece] as number);
    this.#batch.prepare(n, vector, next - vector, this.#slotOf(to), bytes > size ? size : 0);
    return next;
  }

  /** The offset of the address that it is sent to; undefined where its socket is connected. */
  #slotOf({ named, id }: Destination): number | undefined {
    return named ? wire.addressOf(this.#loop.shared, id) : undefined;
  }

  readonly #send = (fd: number, n: number, count: number): number => {
    const { to, size, bytes, first } = this.#messages[n] as Message;
    // The cheaper call, where it says all.
    if (count === 1 && !to.named && bytes === size && this.#next[first] === NONE) {
      return this.#c.send(fd, this.#arena.base + (this.#at[first] as number), bytes, SEND_FLAGS) < 0 ? -1 : 1;
    }
    return this.#batch.send(fd, n, count);
  };

  readonly #failed = (n: number): void => {
    const errno = this.#c.errno();
    const { to, size, bytes, first } = this.#messages[n] as Message;
    if (errno === EAGAIN) this.#dropped(to, wire.DROPPED_FULL, size > 0 ? Math.ceil(bytes / size) : 1);
    else if (bytes === size) this.#retry(to, this.#at[first] as number, size, errno);
    else {
      // A pending ICMP error says nothing of segments.
      if (layout.UNREACHABLE.has(errno)) this.#fault(to, errno);
      else to.segments = false;
      for (let piece = first; piece !== NONE; piece = this.#next[piece] as number)
        this.#sendSegments(to, this.#at[piece] as number, this.#sizes[piece] as number, size);
    }
  };

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
    this.#batch.point(SPARE, at, size);
    this.#batch.prepare(SPARE, SPARE, 1, this.#slotOf(to), 0);
    return this.#batch.send(to.fd, SPARE, 1) < 0 ? this.#c.errno() : 0;
  }

  // ------------------------------------------------------------------ what is told

  #dropped(to: Destination, reason: number, count: number): void {
    const counter = wire.countersOf(this.#loop.shared, to.id) + reason;
    if (wire.countDropped(this.#arena.f64, counter, count)) this.#loop.report(wire.Report.Dropped, to.id);
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
