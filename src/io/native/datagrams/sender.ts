/** What is sent by datagrams: gathered for a turn of the loop, then sent with few system calls. */
import type { DropReason } from '../../../core/channel.ts';
import type { Loop, Task } from '../loop.ts';
import type { Arena } from '../system/arena.ts';
import { EAGAIN, EMSGSIZE } from '../system/constants.ts';
import { type Libc, libc } from '../system/libc.ts';
import { BATCH, SEGMENTS_BYTES } from './layout.ts';
import { SendBatch } from './send-batch.ts';

/** Pieces of memory that wait at most, each in a message of its own or with others of its destination. */
const PIECES = 2 * BATCH;
/** The header of a datagram that is sent apart. */
const SPARE = PIECES;
const NONE = -1;

/** Bytes of what JavaScript sends that wait at most: more than the largest datagram. */
const WRITTEN_BYTES = 3 << 16;

/** Bytes that are gathered before buffers are received into again: what is not in the CPU's cache any more is slow to send. */
const GATHERED_BYTES = 1 << 17;

/** ECONNREFUSED, EHOSTUNREACH, ENETUNREACH, EHOSTDOWN, EPROTO: what an ICMP message turns into. */
const UNREACHABLE = new Set([111, 113, 101, 112, 71]);

/** Where datagrams go: a connected socket, or a peer of one that is not. */
export interface Destination {
  readonly fd: number;
  /** The offset of the peer's address; negative where the socket is connected. */
  readonly address: number;
  /** The kernel cuts one send into segments for it, as far as we know. */
  segments: boolean;
  /** The number of the message that its next datagram may join; negative for none. */
  message: number;
  drop(reason: DropReason, messages: number): void;
  /** Is told of an error that ends nothing. */
  failed(errno: number): void;
}

/** What a destination is to be told of: an error, or datagrams that were dropped. */
interface Failure {
  readonly to: Destination;
  readonly errno: number;
  readonly dropped?: DropReason;
  readonly count: number;
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
  /**
   * Of each message, which has the datagrams of one destination, all of one size but the last, which may be smaller: where
   * it goes, that size, its bytes, its first piece and its last one.
   */
  readonly #to: (Destination | undefined)[] = new Array(PIECES).fill(undefined);
  readonly #segments = new Int32Array(PIECES);
  readonly #bytes = new Int32Array(PIECES);
  readonly #first = new Int32Array(PIECES);
  readonly #last = new Int32Array(PIECES);
  #messages = 0;
  /** Where what JavaScript sends is copied to, and how much of that is used. */
  readonly #written: number;
  #used = 0;
  /** Buffers of the receive batch that are taken, and bytes to be sent that have been added since none was. */
  #taken = 0;
  #gathered = 0;
  #scheduled = false;
  #failures: Failure[] = [];
  /** Somebody was told of a failure in this turn. */
  #told = false;

  constructor(loop: Loop) {
    const { arena } = loop;
    this.#loop = loop;
    this.#arena = arena;
    this.#batch = new SendBatch(arena, PIECES + 1);
    this.#written = arena.take(WRITTEN_BYTES);
  }

  // ------------------------------------------------------------------ what is received meanwhile

  /** The first of the receive batch's buffers in which nothing lies that is still to be sent; `least` follow, itself included. */
  freeBuffers(least: number): number {
    if (this.#taken + least > BATCH || this.#gathered > GATHERED_BYTES) this.#giveBuffers();
    return this.#taken;
  }

  /** So many more of them are in use. */
  takeBuffers(count: number): void {
    this.#taken += count;
  }

  #giveBuffers(): void {
    this.flush();
    this.#taken = 0;
    this.#gathered = 0;
  }

  // ------------------------------------------------------------------ gathering

  /** Sends a copy, when this turn is over. */
  write(to: Destination, bytes: Uint8Array): void {
    if (this.#used + bytes.length > WRITTEN_BYTES) this.flush();
    const at = this.#written + this.#used;
    this.#arena.u8.set(bytes, at);
    this.#used += bytes.length;
    this.add(to, at, bytes.length, bytes.length);
  }

  /** Sends, when this turn is over, what has come in segments of `segment` bytes. It has to stay where it is until then. */
  add(to: Destination, at: number, size: number, segment: number): void {
    if (!this.#scheduled) {
      this.#scheduled = true;
      this.#loop.later(this);
    }
    this.#gathered += size;
    const most = size > segment ? atOnce(to, segment) : size;
    let done = 0;
    for (; size - done > most; done += most) this.#put(to, at + done, most, segment);
    this.#put(to, at + done, size - done, segment);
  }

  #put(to: Destination, at: number, size: number, segment: number): void {
    if (this.#pieces === PIECES) this.flush();
    const { message } = to;
    const joins = message !== NONE && this.#continues(to, message, size, segment);
    if (joins && this.#extends(message, at, size)) return;
    const piece = this.#pieces++;
    this.#at[piece] = at;
    this.#sizes[piece] = size;
    this.#next[piece] = NONE;
    if (joins) {
      this.#next[this.#last[message] as number] = piece;
      this.#last[message] = piece;
      this.#bytes[message] = (this.#bytes[message] as number) + size;
    } else this.#begin(to, piece, size, Math.min(size, segment));
  }

  #begin(to: Destination, piece: number, size: number, segment: number): void {
    const message = this.#messages++;
    to.message = message;
    this.#to[message] = to;
    this.#segments[message] = segment;
    this.#bytes[message] = size;
    this.#first[message] = piece;
    this.#last[message] = piece;
  }

  /** Whether `more` bytes, in segments of a size, may follow what a message has. */
  #continues(to: Destination, message: number, more: number, segment: number): boolean {
    const size = this.#segments[message] as number;
    const bytes = this.#bytes[message] as number;
    if (!to.segments || more === 0 || bytes === 0 || bytes % size !== 0) return false;
    // Others may be joined only in whole segments of the same size; a smaller one is the last.
    if (segment !== size && (more > size || more > segment)) return false;
    return bytes + more <= SEGMENTS_BYTES && Math.ceil((bytes + more) / size) <= BATCH;
  }

  /** Whether it lies where the last piece of the message ends: then it is a part of that. */
  #extends(message: number, at: number, size: number): boolean {
    const last = this.#last[message] as number;
    const before = this.#sizes[last] as number;
    if ((this.#at[last] as number) + before !== at) return false;
    this.#sizes[last] = before + size;
    this.#bytes[message] = (this.#bytes[message] as number) + size;
    return true;
  }

  // ------------------------------------------------------------------ sending

  proceed(): boolean {
    this.#scheduled = false;
    this.#giveBuffers();
    const told = this.#told;
    this.#told = false;
    return told;
  }

  broken(): void {
    this.#clear();
    this.#taken = 0;
    this.#gathered = 0;
  }

  /** Sends what it has, neighbours that leave from one descriptor together: sendmmsg(2) has but one. */
  flush(): void {
    const count = this.#messages;
    if (count === 0) return;
    let vector = 0;
    for (let n = 0; n < count; n++) vector = this.#prepare(n, vector);
    for (let next = 0, end = 0; next < count; ) {
      const { fd } = this.#to[next] as Destination;
      while (end < count && this.#to[end]?.fd === fd) end++;
      const sent = this.#send(fd, next, end - next);
      if (sent > 0) next += sent;
      else this.#failed(next++);
    }
    this.#clear();
    if (this.#failures.length > 0) this.#tell();
  }

  #clear(): void {
    for (let n = 0; n < this.#messages; n++) {
      (this.#to[n] as Destination).message = NONE;
      this.#to[n] = undefined;
    }
    this.#messages = 0;
    this.#pieces = 0;
    this.#used = 0;
  }

  /** Makes the n-th header say what a message is made of, and where it goes. Returns the next vector. */
  #prepare(n: number, vector: number): number {
    let next = vector;
    for (let piece = this.#first[n] as number; piece !== NONE; piece = this.#next[piece] as number)
      this.#batch.point(next++, this.#at[piece] as number, this.#sizes[piece] as number);
    const segment = this.#segments[n] as number;
    const { address } = this.#to[n] as Destination;
    this.#batch.prepare(n, vector, next - vector, address, (this.#bytes[n] as number) > segment ? segment : 0);
    return next;
  }

  #send(fd: number, n: number, count: number): number {
    const bytes = this.#bytes[n] as number;
    const first = this.#first[n] as number;
    const whole = bytes === this.#segments[n] && this.#next[first] === NONE;
    if (count > 1 || !whole) return this.#batch.send(fd, n, count);
    return this.#batch.sendOne(fd, n, this.#at[first] as number, bytes, (this.#to[n] as Destination).address);
  }

  // ------------------------------------------------------------------ what was not sent

  #failed(n: number): void {
    const errno = this.#c.errno();
    const to = this.#to[n] as Destination;
    const size = this.#segments[n] as number;
    const bytes = this.#bytes[n] as number;
    const first = this.#first[n] as number;
    if (errno === EAGAIN) this.#drop(to, 'queue-full', size > 0 ? Math.ceil(bytes / size) : 1);
    else if (bytes === size) this.#retry(to, this.#at[first] as number, size, errno);
    else {
      // A pending ICMP error says nothing of segments.
      if (UNREACHABLE.has(errno)) this.#fault(to, errno);
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
      if (errno === EAGAIN) this.#drop(to, 'queue-full', 1);
      else if (errno !== 0) this.#retry(to, at + done, length, errno);
    }
  }

  // A pending ICMP error is reported by the next send(2), which then has not sent: it is sent again, once (udp(7)).
  #retry(to: Destination, at: number, size: number, errno: number): void {
    this.#fault(to, errno);
    if (errno === EMSGSIZE) this.#drop(to, 'too-large', 1);
    else {
      const again = this.#sendApart(to, at, size);
      if (again !== 0) this.#drop(to, again === EAGAIN ? 'queue-full' : 'send-error', 1);
    }
  }

  /** Returns 0, or the error. */
  #sendApart(to: Destination, at: number, size: number): number {
    this.#batch.point(SPARE, at, size);
    this.#batch.prepare(SPARE, SPARE, 1, to.address, 0);
    return this.#batch.send(to.fd, SPARE, 1) < 0 ? this.#c.errno() : 0;
  }

  #drop(to: Destination, dropped: DropReason, count: number): void {
    this.#failures.push({ to, errno: 0, dropped, count });
  }

  #fault(to: Destination, errno: number): void {
    this.#failures.push({ to, errno, count: 0 });
  }

  // Only now: who is told may send again, or close.
  #tell(): void {
    this.#told = true;
    for (const { to, errno, dropped, count } of this.#failures.splice(0)) {
      if (dropped !== undefined) to.drop(dropped, count);
      else to.failed(errno);
    }
  }
}

/** How many bytes in segments of a size one message takes. */
function atOnce(to: Destination, segment: number): number {
  if (!to.segments) return segment;
  return segment * Math.max(1, Math.min(BATCH, Math.floor(SEGMENTS_BYTES / segment)));
}
