/**
 * The engine's thread's side of a byte stream. Two of them are peers: what one receives is written to the other, by
 * recv(2) and send(2) while messages are small, by splice(2) through a pipe once much comes. A socket without a peer is
 * not read, so that the kernel slows down who sends.
 */
import * as k from './constants.ts';
import type { Pollable, Task, Ticking } from './loop.ts';
import { Backlog, BUFFER, Flow, type Streams } from './streams.ts';
import * as wire from './wire.ts';

/** Reads, and splices, that a socket has before others have their turn. */
const READS = 16;
const SPLICES = 4;

/** How long a closed socket may take to deliver what was written, in milliseconds; then it is cut. */
const LINGER = 10_000;

const HUNG_UP = k.EPOLLRDHUP | k.EPOLLHUP | k.EPOLLERR;

/** There may be more behind a short read, of which no event comes: an end, or what follows urgent data (EPOLLPRI). */
const CUT = HUNG_UP | k.EPOLLPRI;

const EVENTS = k.EPOLLIN | k.EPOLLPRI | k.EPOLLOUT | k.EPOLLRDHUP | k.EPOLLET;

export class StreamSocket implements Pollable, Task, Ticking {
  readonly id: number;
  readonly fd: number;
  readonly #s: Streams<StreamSocket>;
  readonly #counters: number;
  #peer: StreamSocket | undefined;
  /** Its end is passed on at once, without asking the main thread. */
  #passes = false;
  /** The kernel may have something to read: events come once for each change (k.EPOLLET). */
  #readable = false;
  /** Its end was read; it was told of, after all that came before was handed on. */
  #ended = false;
  #told = false;
  /** Our direction has ended, or will when nothing waits any more. */
  #shut = false;
  #shutLater = false;
  /** What waits to be written to it. */
  readonly #backlog: Backlog;
  /** How it is received. */
  readonly #flow: Flow;
  #deferred = false;
  /** Until when it may linger, once the main thread has closed it. */
  #closing = 0;
  #releasing = false;
  #closed = false;

  constructor(id: number, fd: number, streams: Streams<StreamSocket>) {
    this.id = id;
    this.fd = fd;
    this.#s = streams;
    this.#backlog = new Backlog(streams);
    this.#flow = new Flow(streams);
    this.#counters = wire.countersOf(streams.loop.shared, id);
    streams.known.set(this);
    streams.loop.add(fd, EVENTS, this);
  }

  // ------------------------------------------------------------------ what the main thread asks

  static join(a: StreamSocket, b: StreamSocket, flags: number): void {
    a.#part();
    b.#part();
    a.#peer = b;
    b.#peer = a;
    a.#passes = (flags & wire.PASS_FIRST) !== 0;
    b.#passes = (flags & wire.PASS_SECOND) !== 0;
    a.#flow.cut ||= (flags & wire.CUT_FIRST) !== 0;
    b.#flow.cut ||= (flags & wire.CUT_SECOND) !== 0;
    a.#shut ||= (flags & wire.SHUT_FIRST) !== 0;
    b.#shut ||= (flags & wire.SHUT_SECOND) !== 0;
    a.#goOn();
    b.#goOn();
  }

  /** Ends our direction, after what waits. */
  end(): void {
    if (this.#shut) return;
    if (this.#waits) {
      this.#shutLater = true;
      return;
    }
    this.#shut = true;
    if (this.#told) this.#over(0);
    else this.#s.c.shutdown(this.fd, k.SHUT_WR);
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
      if (!this.#waits) this.#farewell();
    }
  }

  /** Gives the descriptor back to the main thread, after what waits. */
  release(): void {
    this.#part();
    this.#releasing = true;
    if (!this.#waits) this.#released();
  }

  // ------------------------------------------------------------------ events

  ready(events: number): void {
    if (events & k.EPOLLERR && !this.#peer && this.#closing === 0) {
      this.#broken();
      return;
    }
    if (events & CUT) this.#flow.cut = true;
    if (events & (k.EPOLLIN | CUT)) this.#readable = true;
    if (this.#waits && events & (k.EPOLLOUT | k.EPOLLHUP | k.EPOLLERR)) this.#flush();
    if (this.#readable) this.#pump();
  }

  proceed(): void {
    this.#deferred = false;
    this.#pump();
  }

  broken(): void {
    if (!this.#closed) this.#over(k.EINVAL);
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
    const { loop, known, closing } = this.#s;
    // An end after a part of what was written would look like the end of it all.
    if (this.#waits) this.#lingerNot();
    this.#part();
    known.delete(this.id);
    closing.delete(this);
    loop.close(this.fd);
    this.#backlog.destroy();
  }

  // ------------------------------------------------------------------ receiving

  /** Moves what has arrived, as long as there is something, the peer takes it and its turn lasts. */
  #pump(): void {
    const turns = this.#flow.bulk ? SPLICES : READS;
    for (let n = 0; n < turns; n++) {
      if (!this.#readable || this.#ended || this.#closed || !this.#step()) return;
    }
    if (this.#deferred || !this.#readable) return;
    this.#deferred = true;
    this.#s.loop.later(this);
  }

  /** Returns whether it could do something. */
  #step(): boolean {
    const to = this.#peer;
    if (this.#closing > 0 || to?.isShut) this.#discard();
    else if (!to || to.#waits) return false;
    else this.#moveTo(to);
    return true;
  }

  /** Our direction to it has ended. */
  get isShut(): boolean {
    return this.#shut;
  }

  #moveTo(to: StreamSocket): void {
    const flow = this.#flow;
    const received = flow.move(this.fd, to.fd, to.#backlog);
    if (received <= 0) {
      this.#nothing(received === 0 ? 0 : flow.error);
      return;
    }
    const { arena, now } = this.#s.loop;
    wire.countIn(arena.f64, this.#counters, 1, received, now);
    wire.countOut(arena.f64, to.#counters, 1, received);
    if (flow.drained) this.#readable = false;
    if (flow.error !== 0) to.#over(flow.error);
  }

  #discard(): void {
    const { c, buffer, loop } = this.#s;
    const received = c.recv(this.fd, loop.arena.base + buffer, BUFFER, 0);
    if (received <= 0) this.#nothing(received === 0 ? 0 : c.errno());
  }

  /** There was nothing to receive: the end (0), nothing yet, or an error. */
  #nothing(errno: number): void {
    if (errno === k.EAGAIN) this.#readable = false;
    else if (errno !== 0) this.#over(errno);
    else {
      this.#ended = true;
      if (this.#closing > 0) this.cut();
      else this.#tell();
    }
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
    const errno = this.#backlog.write(this.fd);
    if (errno === 0) return true;
    if (errno !== k.EAGAIN) this.#over(errno);
    return false;
  }

  get #waits(): boolean {
    return !this.#backlog.empty;
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
    if (this.#told || !to || to.#waits) return;
    this.#told = true;
    let flags = 0;
    if (this.#passes && !to.#shut) {
      flags |= wire.PASSED;
      to.#shut = true;
      // Where its own direction has ended too, close(2) says it.
      if (!to.#told) this.#s.c.shutdown(to.fd, k.SHUT_WR);
    }
    if (this.#shut) flags |= wire.CLOSED_THIS;
    if (to.#told && to.#shut) flags |= wire.CLOSED_OTHER;
    this.#s.loop.report(wire.Report.Ended, this.id, flags);
    if (flags & wire.CLOSED_THIS) this.cut();
    if (flags & wire.CLOSED_OTHER) to.cut();
  }

  /** Nobody reads it, who would be told by that. */
  #broken(): void {
    const { c, argument, loop } = this.#s;
    const at = argument >> 2;
    loop.arena.i32[at] = 0;
    loop.arena.i32[at + 1] = 4;
    const address = loop.arena.base + argument;
    c.getsockopt(this.fd, k.SOL_SOCKET, k.SO_ERROR, address, address + 4);
    this.#over(loop.arena.i32[at] as number);
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
      if (!this.#shut) this.#s.c.shutdown(this.fd, k.SHUT_WR);
      this.#shut = true;
      this.#readable = true;
      this.#pump();
    }
  }

  #reset(): void {
    this.#lingerNot();
    this.cut();
  }

  // A socket that lingers for no time is closed with a reset (socket(7), k.SO_LINGER).
  #lingerNot(): void {
    const { c, argument, loop } = this.#s;
    const at = argument >> 2;
    loop.arena.i32[at] = 1;
    loop.arena.i32[at + 1] = 0;
    c.setsockopt(this.fd, k.SOL_SOCKET, k.SO_LINGER, loop.arena.base + argument, 8);
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
