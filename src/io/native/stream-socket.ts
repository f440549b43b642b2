/**
 * The engine's thread's side of a byte stream. Two of them are peers: what one receives is written to the other, by
 * recv(2) and send(2) while messages are small, by splice(2) through a pipe once much comes. A socket without a peer is
 * not read, so that the kernel slows down who sends.
 */
import {
  EAGAIN,
  EINVAL,
  EPOLLERR,
  EPOLLET,
  EPOLLHUP,
  EPOLLIN,
  EPOLLOUT,
  EPOLLRDHUP,
  MSG_NOSIGNAL,
  SHUT_WR,
  SO_LINGER,
  SOL_SOCKET,
  SPLICE_FLAGS,
} from './constants.ts';
import { type Libc, libc } from './libc.ts';
import type { Loop, Pollable, Task, Ticking } from './loop.ts';
import { PIPE_SIZE, type Pipe, PipePool } from './pipes.ts';
import { Registry } from './registry.ts';
import * as wire from './wire.ts';

/** Reads, and splices, that a socket has before others have their turn. */
const READS = 16;
const SPLICES = 4;

const BUFFER = 65_536;
/** Full buffers in a row after which a stream is spliced, and small ones after which it no longer is. */
const BULK_AFTER = 4;
const SPARSE_AFTER = 8;

/** How long a closed socket may take to deliver what was written, in milliseconds; then it is cut. */
const LINGER = 10_000;

const HUNG_UP = EPOLLRDHUP | EPOLLHUP | EPOLLERR;

/** What the sockets of one thread share. */
export class Streams {
  readonly c: Libc = libc();
  readonly loop: Loop;
  readonly pipes: PipePool;
  readonly known = new Registry<StreamSocket>();
  /** Closed by the main thread, and still busy. */
  readonly closing = new Set<StreamSocket>();
  /** The offset of what is received, and of small arguments. */
  readonly buffer: number;
  readonly argument: number;

  constructor(loop: Loop) {
    this.loop = loop;
    this.pipes = new PipePool(loop.arena);
    this.buffer = loop.arena.take(BUFFER, 4096);
    this.argument = loop.arena.take(8);
  }
}

export class StreamSocket implements Pollable, Task, Ticking {
  readonly id: number;
  readonly fd: number;
  readonly #s: Streams;
  readonly #counters: number;
  #peer: StreamSocket | undefined;
  /** Its end is passed on at once, without asking the main thread. */
  #passes = false;
  /** The kernel may have something to read: events come once for each change (EPOLLET). */
  #readable = false;
  #hungUp = false;
  /** Its end was read; it was told of, after all that came before was handed on. */
  #ended = false;
  #told = false;
  /** Our direction has ended, or will when nothing waits any more. */
  #shut = false;
  #shutLater = false;
  /** Bytes that wait to be written to it: copied from `#kept`, or spliced out of a pipe. */
  #waiting = 0;
  #kept: Uint8Array | undefined;
  #pipe: Pipe | undefined;
  #bulk = false;
  #streak = 0;
  #deferred = false;
  /** Until when it may linger, once the main thread has closed it. */
  #closing = 0;
  #releasing = false;
  #closed = false;

  constructor(id: number, fd: number, streams: Streams) {
    this.id = id;
    this.fd = fd;
    this.#s = streams;
    this.#counters = wire.countersOf(streams.loop.shared, id);
    streams.known.set(this);
    streams.loop.add(fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, this);
  }

  // ------------------------------------------------------------------ what the main thread asks

  static join(a: StreamSocket, b: StreamSocket, flags: number): void {
    a.#part();
    b.#part();
    a.#peer = b;
    b.#peer = a;
    a.#passes = (flags & wire.PASS_FIRST) !== 0;
    b.#passes = (flags & wire.PASS_SECOND) !== 0;
    a.#shut ||= (flags & wire.SHUT_FIRST) !== 0;
    b.#shut ||= (flags & wire.SHUT_SECOND) !== 0;
    a.#goOn();
    b.#goOn();
  }

  /** Ends our direction, after what waits. */
  end(): void {
    if (this.#shut) return;
    if (this.#waiting > 0) {
      this.#shutLater = true;
      return;
    }
    this.#shut = true;
    if (this.#told) this.#over(0);
    else this.#s.c.shutdown(this.fd, SHUT_WR);
  }

  /** Closes both directions: what waits is still delivered, unless it is a reset. The id is nobody's from now on. */
  close(reset: boolean): void {
    this.#part();
    this.#s.known.delete(this.id);
    this.#releasing = false;
    if (reset) this.#reset();
    else {
      const { loop, closing } = this.#s;
      this.#closing = loop.now + LINGER;
      closing.add(this);
      loop.tickFor(this);
      if (this.#waiting === 0) this.#farewell();
    }
  }

  /** Gives the descriptor back to the main thread, after what waits. */
  release(): void {
    this.#part();
    this.#releasing = true;
    if (this.#waiting === 0) this.#released();
  }

  // ------------------------------------------------------------------ events

  ready(events: number): void {
    if (events & HUNG_UP) this.#hungUp = true;
    if (events & (EPOLLIN | HUNG_UP)) this.#readable = true;
    if (this.#waiting > 0 && events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) this.#flush();
    if (this.#readable) this.#pump();
  }

  proceed(): void {
    this.#deferred = false;
    this.#pump();
  }

  broken(): void {
    if (!this.#closed) this.#over(EINVAL);
  }

  tick(now: number): boolean {
    if (this.#closed) return false;
    if (now < this.#closing) return true;
    this.cut();
    return false;
  }

  /** Closes it at once. */
  cut(): void {
    if (this.#closed) return;
    this.#closed = true;
    const { loop, known, closing, pipes } = this.#s;
    this.#part();
    known.delete(this.id);
    closing.delete(this);
    loop.close(this.fd);
    if (this.#pipe) pipes.destroy(this.#pipe);
    this.#pipe = undefined;
    this.#kept = undefined;
    this.#waiting = 0;
  }

  // ------------------------------------------------------------------ receiving

  /** Moves what has arrived, as long as there is something, the peer takes it and its turn lasts. */
  #pump(): void {
    const turns = this.#bulk ? SPLICES : READS;
    for (let n = 0; n < turns; n++) {
      if (!this.#readable || this.#ended || this.#closed) return;
      if (this.#closing > 0) this.#discard();
      else {
        const to = this.#peer;
        if (!to || to.#waiting > 0) return;
        if (to.#shut) this.#discard();
        else if (this.#bulk) this.#spliceTo(to);
        else this.#copyTo(to);
      }
    }
    if (this.#deferred || !this.#readable) return;
    this.#deferred = true;
    this.#s.loop.later(this);
  }

  #copyTo(to: StreamSocket): void {
    const { c, buffer, loop } = this.#s;
    const { base, u8 } = loop.arena;
    const received = c.recv(this.fd, base + buffer, BUFFER, 0);
    if (received <= 0) {
      this.#nothing(received);
      return;
    }
    this.#count(to, received);
    // What is less than was asked for was all: an event comes with more (epoll(7)), but the end's may have come already.
    if (received < BUFFER) {
      this.#streak = 0;
      this.#readable = this.#hungUp;
    } else if (++this.#streak >= BULK_AFTER) this.#setBulk(true);
    const sent = c.send(to.fd, base + buffer, received, MSG_NOSIGNAL);
    if (sent === received) return;
    if (sent < 0 && c.errno() !== EAGAIN) to.#over(c.errno());
    else {
      to.#kept = u8.slice(buffer + Math.max(0, sent), buffer + received);
      to.#waiting = to.#kept.length;
    }
  }

  #spliceTo(to: StreamSocket): void {
    const { c, pipes } = this.#s;
    const pipe = pipes.take();
    if (!pipe) {
      this.#copyTo(to);
      return;
    }
    const received = c.splice(this.fd, 0, pipe.writeEnd, 0, PIPE_SIZE, SPLICE_FLAGS);
    if (received <= 0) {
      pipes.give(pipe);
      // Some kinds of sockets cannot be spliced in some kernels.
      if (received < 0 && c.errno() === EINVAL) this.#setBulk(false, Number.NEGATIVE_INFINITY);
      else this.#nothing(received);
      return;
    }
    this.#count(to, received);
    if (received >= BUFFER) this.#streak = 0;
    else if (++this.#streak >= SPARSE_AFTER) this.#setBulk(false);
    to.#pipe = pipe;
    to.#waiting = received;
    to.#write();
  }

  #setBulk(bulk: boolean, streak = 0): void {
    this.#bulk = bulk;
    this.#streak = streak;
  }

  #discard(): void {
    const { c, buffer, loop } = this.#s;
    const received = c.recv(this.fd, loop.arena.base + buffer, BUFFER, 0);
    if (received <= 0) this.#nothing(received);
  }

  /** There was nothing to receive: the end, nothing yet, or an error. */
  #nothing(result: number): void {
    if (result === 0) {
      this.#ended = true;
      if (this.#closing > 0) this.cut();
      else this.#tell();
      return;
    }
    const errno = this.#s.c.errno();
    if (errno === EAGAIN) this.#readable = false;
    else this.#over(errno);
  }

  #count(to: StreamSocket, bytes: number): void {
    const { loop } = this.#s;
    const { f64 } = loop.arena;
    const from = this.#counters;
    f64[from + wire.BYTES_IN] = (f64[from + wire.BYTES_IN] as number) + bytes;
    f64[from + wire.MESSAGES_IN] = (f64[from + wire.MESSAGES_IN] as number) + 1;
    f64[from + wire.ACTIVE_AT] = loop.now;
    const into = to.#counters;
    f64[into + wire.BYTES_OUT] = (f64[into + wire.BYTES_OUT] as number) + bytes;
    f64[into + wire.MESSAGES_OUT] = (f64[into + wire.MESSAGES_OUT] as number) + 1;
  }

  // ------------------------------------------------------------------ sending

  /** Writes what waits, and goes on with what had waited for that. */
  #flush(): void {
    if (!this.#write()) return;
    if (this.#closing > 0) this.#farewell();
    else if (this.#releasing) this.#released();
    else {
      if (this.#shutLater) this.end();
      if (this.#peer) this.#peer.#goOn();
    }
  }

  /** Writes what waits. Returns whether nothing waits any more. */
  #write(): boolean {
    const { c, pipes } = this.#s;
    while (this.#waiting > 0) {
      const written = this.#pipe
        ? c.splice(this.#pipe.readEnd, 0, this.fd, 0, this.#waiting, SPLICE_FLAGS)
        : this.#writeKept();
      if (written > 0) this.#waiting -= written;
      else {
        if (written === 0 || c.errno() !== EAGAIN) this.#over(written === 0 ? EINVAL : c.errno());
        return false;
      }
    }
    if (this.#pipe) pipes.give(this.#pipe);
    this.#pipe = undefined;
    this.#kept = undefined;
    return true;
  }

  #writeKept(): number {
    const { c, buffer, loop } = this.#s;
    const kept = this.#kept as Uint8Array;
    const rest = kept.subarray(kept.length - this.#waiting);
    loop.arena.u8.set(rest, buffer);
    return c.send(this.fd, loop.arena.base + buffer, rest.length, MSG_NOSIGNAL);
  }

  // ------------------------------------------------------------------ ends

  /** Its peer takes more. */
  #goOn(): void {
    if (this.#ended && !this.#told) this.#tell();
    else this.#pump();
  }

  /** Tells the main thread of its end, once all before it was handed on. */
  #tell(): void {
    const to = this.#peer;
    if (this.#told || !to || to.#waiting > 0) return;
    this.#told = true;
    let flags = 0;
    if (this.#passes && !to.#shut) {
      flags |= wire.PASSED;
      to.#shut = true;
      // Where its own direction has ended too, close(2) says it.
      if (!to.#told) this.#s.c.shutdown(to.fd, SHUT_WR);
    }
    if (this.#shut) flags |= wire.CLOSED_THIS;
    if (to.#told && to.#shut) flags |= wire.CLOSED_OTHER;
    this.#s.loop.report(wire.Report.Ended, this.id, flags);
    if (flags & wire.CLOSED_THIS) this.cut();
    if (flags & wire.CLOSED_OTHER) to.cut();
  }

  /** It has ended both ways, or failed. */
  #over(errno: number): void {
    if (this.#closed) return;
    if (this.#closing === 0) this.#s.loop.report(wire.Report.Closed, this.id, errno);
    this.cut();
  }

  /**
   * Linux answers data that nobody has read with a reset, which would destroy what the peer has not read yet: so what
   * still comes is read and thrown away until the peer ends too.
   */
  #farewell(): void {
    if (this.#ended) this.cut();
    else {
      if (!this.#shut) this.#s.c.shutdown(this.fd, SHUT_WR);
      this.#shut = true;
      this.#readable = true;
      this.#pump();
    }
  }

  // A socket that lingers for no time is closed with a reset (socket(7), SO_LINGER).
  #reset(): void {
    const { c, argument, loop } = this.#s;
    const at = argument >> 2;
    loop.arena.i32[at] = 1;
    loop.arena.i32[at + 1] = 0;
    c.setsockopt(this.fd, SOL_SOCKET, SO_LINGER, loop.arena.base + argument, 8);
    this.cut();
  }

  #released(): void {
    const { loop, known } = this.#s;
    this.#closed = true;
    known.delete(this.id);
    loop.remove(this.fd);
    loop.report(wire.Report.Released, this.id, this.fd);
  }

  #part(): void {
    if (this.#peer) this.#peer.#peer = undefined;
    this.#peer = undefined;
  }
}
