import * as net from 'node:net';
import { BINARY, Channel, type CloseReason, type MessageAttributes, type QueueLimits } from '../../core/channel.ts';
import type { Acceptor, Ends, Relay, SocketChannel } from '../../core/engine.ts';
import type { Metadata } from '../../core/metadata.ts';
import { Backlog } from './backlog.ts';
import * as k from './constants.ts';
import { Flow } from './flow.ts';
import type { Watched } from './keep-alive.ts';
import { errorName } from './libc.ts';
import type { Pollable, Task, Ticking } from './loop.ts';
import * as sockets from './sockets.ts';
import { BUFFER, type Streams } from './streams.ts';

/** Reads, and splices, that a socket has before others have their turn. */
const READS = 16;
const SPLICES = 4;

/** How long a closed socket may take to deliver what was written, in milliseconds; then it is cut. */
const LINGER = 10_000;

const HUNG_UP = k.EPOLLRDHUP | k.EPOLLHUP | k.EPOLLERR;

/**
 * What says that only EAGAIN of recv(2) means that there is no more for now. Less than was asked for may be what came
 * before an urgent mark (tcp(7)), together with descriptors (unix(7)), or before an error whose event has come already.
 */
const CUT = k.EPOLLPRI | k.EPOLLHUP | k.EPOLLERR;

/** Each change is told once (epoll(7)): who has seen one remembers it. */
const EVENTS = k.EPOLLIN | k.EPOLLPRI | k.EPOLLRDHUP | k.EPOLLET;
/** Also that there is room to write: while nothing waits, that would be an event for nothing. */
export const ALL_EVENTS = EVENTS | k.EPOLLOUT;

// What a stream's state is made of, in one word, as that of its base class.
/** There may be something to receive, and less than was asked for does not say that there is no more. */
const READABLE = 1;
const CUT_SHORT = 2;
/** Its end was received; it was told of, after all that came before was handed on. */
const ENDED = 4;
const TOLD = 8;
/** Our direction has ended, or will when nothing waits any more. */
const SHUT = 16;
const SHUT_LATER = 32;
/** JavaScript takes what comes. */
const READ = 64;
/** Its end is passed on to the other one of a relay. */
const PASSES = 128;
/** It hears of room to write. */
const HEARS_ROOM = 256;
/** It is to go on later. */
const DEFERRED = 512;
/** It closes then. */
const OVER = 1024;
/** It was closed here: what waits is delivered, what comes is thrown away. */
const CLOSING = 2048;
/** It has no descriptor any more. */
const GONE = 4096;
/** The peer has ended: after less than was asked for comes its end, which need not be asked for. */
const LAST = 8192;

const CLOSED: CloseReason = { kind: 'end', message: 'closed by the peer' };
const STOPPED: CloseReason = { kind: 'shutdown', message: 'the engine is closed' };

/**
 * A byte stream on a kernel socket. JavaScript reads and writes it, or it is one of two that are relayed: what one receives
 * is written to the other, by recv(2) and send(2) while messages are small, by splice(2) through a pipe once much comes.
 * Who nobody reads for is not received from, so that the kernel slows down who sends.
 */
export class NativeStreamChannel extends Channel implements SocketChannel, Relay, Pollable, Task, Ticking, Watched {
  readonly fd: number;
  readonly #s: Streams;
  readonly #acceptor: Acceptor | undefined;
  /** Whose local port is 0 while nobody has asked for it. */
  #ends: Ends | undefined;
  #flags = 0;
  /** The other one of a relay. */
  #other: NativeStreamChannel | undefined;
  /** What waits to be written, if anything does. */
  #backlog: Backlog | undefined;
  /** How it is received, once it was relayed. */
  #flow: Flow | undefined;
  /** When something last came while it was relayed; once it is closing, when it is cut. */
  #time = 0;
  /** Why it closes later: 0 in order. */
  #errno = 0;

  /**
   * A connection that is counted: it gives that back when it is closed. `ends`: undefined for UNIX sockets; its local port may be 0, for not known yet. `known`: the loop has the descriptor
   * already, with all events, of which some may have come.
   */
  constructor(
    streams: Streams,
    fd: number,
    limits: QueueLimits,
    ends: Ends | undefined,
    { acceptor, known = false }: { acceptor?: Acceptor; known?: boolean } = {},
  ) {
    super(limits);
    const { loop } = streams.context;
    this.#s = streams;
    this.fd = fd;
    this.#ends = ends;
    this.#acceptor = acceptor;
    if (!ends) this.#flags |= CUT_SHORT;
    if (known) {
      this.#flags |= READABLE | CUT_SHORT | HEARS_ROOM;
      loop.replace(fd, this);
    } else loop.add(fd, EVENTS, this);
    // What was accepted has it from the socket that listens.
    if (ends && !acceptor) streams.keepAlive.add(this);
  }

  override get kind(): 'stream' {
    return 'stream';
  }

  override get halfClose(): boolean {
    return true;
  }

  protected override get retains(): boolean {
    return false;
  }

  override get socket(): SocketChannel {
    return this;
  }

  get ends(): Ends | undefined {
    if (this.#ends?.localPort === 0 && !this.#is(GONE)) {
      const { address, port } = sockets.localAddress(this.fd);
      this.#ends = { ...this.#ends, localAddress: address, localPort: port };
    }
    return this.#ends;
  }

  override describe(): Metadata {
    return this.#acceptor?.describe(this) ?? {};
  }

  takeSocket(): net.Socket | undefined {
    const used = this.messagesIn + this.messagesOut > 0 || this.endSent || this.endRead;
    if (!this.open || this.#is(GONE) || used || this.#other) return undefined;
    this.#ends = this.ends;
    this.#s.context.loop.remove(this.fd);
    this.#flags |= GONE;
    this.close({ kind: 'end', message: 'a library has its socket' });
    const socket = new net.Socket({ fd: this.fd, allowHalfOpen: true, readable: true, writable: true });
    socket.pause();
    this.#s.onSocket(socket);
    if (this.#ends && !this.#acceptor) sockets.keepAlive(this.fd);
    const { share } = this.#s;
    if (this.#acceptor && share) socket.once('close', () => share.left());
    return socket;
  }

  keepAlive(): void {
    if (!this.#is(GONE)) sockets.keepAlive(this.fd);
  }

  // ------------------------------------------------------------------ relays

  /** Joins two channels, if both can be. `mends`: the end of `b` is not passed on by itself. */
  static join(a: NativeStreamChannel, b: NativeStreamChannel, mends: boolean): Relay | undefined {
    if (a === b || !a.#free || !b.#free) return undefined;
    a.#engage(b, true);
    b.#engage(a, !mends);
    return a;
  }

  get #free(): boolean {
    return this.open && !this.#other && this.queued === 0 && !this.#is(GONE | OVER);
  }

  #engage(other: NativeStreamChannel, passes: boolean): void {
    this.#other = other;
    this.#flow ??= new Flow(this.#s);
    this.#set(READ, false);
    this.#set(PASSES, passes);
    if (this.#is(READABLE | ENDED)) this.#goOnLater();
  }

  /** Our direction has ended. */
  get isShut(): boolean {
    return this.#is(SHUT);
  }

  lastActive(): number {
    return this.#other ? Math.max(this.#time, this.#other.#time) : this.#time;
  }

  part(): void {
    const other = this.#other;
    if (!other) return;
    // Either of them stands for the relay.
    this.#time = other.#time = this.lastActive();
    this.#other = other.#other = undefined;
    this.#goOnReading();
    other.#goOnReading();
  }

  /** JavaScript takes what comes, if anybody there reads. */
  #goOnReading(): void {
    if (this.held || this.#is(GONE | CLOSING)) return;
    this.#flags |= READ;
    if (this.#is(READABLE | ENDED)) this.#goOnLater();
  }

  // ------------------------------------------------------------------ events

  ready(events: number): boolean {
    const relayed = this.#relays;
    if (events & k.EPOLLERR && !this.#other && !this.#is(READ | CLOSING)) {
      this.#over(sockets.pendingError(this.fd));
      return true;
    }
    if (events & CUT) this.#flags |= CUT_SHORT;
    if (events & k.EPOLLRDHUP) this.#flags |= LAST;
    if (events & (k.EPOLLIN | k.EPOLLPRI | HUNG_UP)) this.#flags |= READABLE;
    if (this.#backlog && events & (k.EPOLLOUT | k.EPOLLHUP | k.EPOLLERR)) this.#flush();
    if (this.#is(READABLE)) this.#pump();
    return !relayed || !this.#relays;
  }

  proceed(): boolean {
    const relayed = this.#relays;
    this.#set(DEFERRED, false);
    if (this.#is(OVER)) this.#over(this.#errno);
    else this.#goOn();
    return !relayed || !this.#relays;
  }

  /** Nothing that happens to it concerns anybody else: what comes goes to the other one of a relay. */
  get #relays(): boolean {
    return this.#other !== undefined && !this.#is(TOLD | GONE) && !this.full;
  }

  broken(): void {
    this.#over(k.EINVAL);
  }

  tick(now: number): boolean {
    if (this.#is(GONE)) return false;
    if (now < this.#time) return true;
    this.#cut();
    return false;
  }

  /** The engine closes. */
  stop(): void {
    if (this.#is(GONE)) return;
    this.#cut();
    this.deliverClose(STOPPED);
  }

  // ------------------------------------------------------------------ receiving

  /** Moves what has arrived, as long as there is something, somebody takes it and its turn lasts. */
  #pump(): void {
    const turns = this.#flow?.bulk ? SPLICES : READS;
    for (let n = 0; n < turns; n++) {
      if (!this.#is(READABLE) || this.#is(ENDED | GONE) || !this.#step()) return;
    }
    if (this.#is(READABLE)) this.#goOnLater();
  }

  /** Returns whether it could do something. */
  #step(): boolean {
    const to = this.#other;
    if (this.#is(CLOSING) || to?.isShut) this.#receive();
    else if (to) {
      if (to.#backlog) return false;
      this.#moveTo(to, this.#flow as Flow);
    } else if (this.#is(READ)) this.#hand();
    else return false;
    return true;
  }

  #moveTo(to: NativeStreamChannel, flow: Flow): void {
    const received = flow.move(this.fd, to, this.#is(CUT_SHORT));
    if (received <= 0) {
      this.#nothing(received === 0 ? 0 : flow.error);
      return;
    }
    this.messagesIn++;
    this.bytesIn += received;
    to.messagesOut++;
    to.bytesOut += received;
    this.#time = this.#s.context.loop.now;
    if (flow.error !== 0) to.#over(flow.error);
    if (flow.drained) this.#receivedAll();
  }

  /** Gives what has come to JavaScript. */
  #hand(): void {
    const received = this.#receive();
    if (received <= 0) return;
    const { buffer, context } = this.#s;
    this.deliver(context.loop.arena.u8.subarray(buffer, buffer + received), BINARY, false);
    if (received < BUFFER && !this.#is(CUT_SHORT)) this.#receivedAll();
  }

  /** There is no more for now: an event comes with more, or its end has come already. */
  #receivedAll(): void {
    this.#set(READABLE, false);
    if (this.#is(LAST)) this.#nothing(0);
  }

  #receive(): number {
    const { c, buffer, context } = this.#s;
    const received = c.recv(this.fd, context.loop.arena.base + buffer, BUFFER, 0);
    if (received <= 0) this.#nothing(received === 0 ? 0 : c.errno());
    return received;
  }

  /** There was nothing to receive: the end (0), nothing yet, or an error. */
  #nothing(errno: number): void {
    if (errno === k.EAGAIN) this.#set(READABLE, false);
    else if (errno !== 0) this.#over(errno);
    else {
      this.#flags |= ENDED;
      if (this.#is(CLOSING)) this.#cut();
      else this.#tell();
    }
  }

  // ------------------------------------------------------------------ sending

  wait(): Backlog {
    if (!this.#is(HEARS_ROOM)) {
      this.#flags |= HEARS_ROOM;
      this.#s.context.loop.modify(this.fd, ALL_EVENTS);
    }
    this.#backlog ??= new Backlog(this.#s);
    return this.#backlog;
  }

  /** Writes what waits, and goes on with what had waited for that. */
  #flush(): void {
    const errno = (this.#backlog as Backlog).write(this.fd);
    if (errno === k.EAGAIN) return;
    if (errno !== 0) {
      this.#over(errno);
      return;
    }
    this.#backlog = undefined;
    if (this.#is(CLOSING)) {
      this.#linger();
      return;
    }
    if (this.#is(SHUT_LATER)) this.#shutdown();
    if (this.#other) this.#other.#goOn();
    this.drained();
  }

  // ------------------------------------------------------------------ ends

  /** Somebody takes what has come. */
  #goOn(): void {
    if (this.#is(ENDED)) this.#tell();
    else if (this.#is(READABLE)) this.#pump();
  }

  #goOnLater(): void {
    if (this.#is(DEFERRED)) return;
    this.#flags |= DEFERRED;
    this.#s.context.loop.later(this);
  }

  /** Tells of its end, once all before it was handed on. Whoever has ended both ways is closed, before anybody hears. */
  #tell(): void {
    const to = this.#other;
    if (this.#is(TOLD | GONE) || (to ? to.#backlog !== undefined : !this.#is(READ))) return;
    this.#flags |= TOLD;
    if (to && this.#is(PASSES) && !to.#is(SHUT)) {
      to.#flags |= SHUT;
      // Where its own direction has ended too, close(2) says it.
      if (!to.#is(TOLD)) this.#s.c.shutdown(to.fd, k.SHUT_WR);
    }
    const over = [this, ...(to ? [to] : [])].filter((one) => one.#is(TOLD) && one.#is(SHUT));
    for (const one of over) one.#cut();
    this.deliverEnd();
    for (const one of over) one.deliverClose(CLOSED);
  }

  /** Ends our direction: nothing waits any more. */
  #shutdown(): void {
    this.#flags |= SHUT;
    if (this.#is(TOLD)) this.#overLater(0);
    else this.#s.c.shutdown(this.fd, k.SHUT_WR);
  }

  /** It has ended both ways, or failed: not in the middle of somebody's call. */
  #overLater(errno: number): void {
    this.#errno = errno;
    this.#flags |= OVER;
    this.#goOnLater();
  }

  #over(errno: number): void {
    if (this.#is(GONE)) return;
    const closing = this.#is(CLOSING);
    this.#cut();
    if (!closing) this.deliverClose(errno === 0 ? CLOSED : { kind: 'reset', message: errorName(errno) });
  }

  /**
   * Linux answers data that nobody has read with a reset, which would destroy what the peer has not read yet: so what
   * still comes is read and thrown away until the peer ends too.
   */
  #linger(): void {
    if (this.#is(ENDED)) {
      this.#cut();
      return;
    }
    if (!this.#is(SHUT)) this.#s.c.shutdown(this.fd, k.SHUT_WR);
    this.#flags |= SHUT | READABLE;
    this.#pump();
  }

  /** Closes it at once. */
  #cut(): void {
    if (this.#is(GONE)) return;
    this.#flags |= GONE;
    // An end after a part of what was written would look like the end of it all.
    if (this.#backlog) sockets.lingerNot(this.fd);
    this.part();
    const { connections, loop } = this.#s.context;
    loop.close(this.fd);
    connections.give();
    if (this.#acceptor) this.#s.share?.left();
    this.#backlog?.destroy();
    this.#backlog = undefined;
  }

  // ------------------------------------------------------------------ JavaScript

  protected override send(bytes: Uint8Array, _attributes: MessageAttributes, owned: boolean): boolean {
    if (bytes.length === 0 || this.#is(GONE | OVER)) return true;
    let done = 0;
    if (!this.#backlog) {
      done = this.#s.send(this.fd, bytes);
      if (done === bytes.length) return true;
      const errno = this.#s.c.errno();
      if (errno !== k.EAGAIN) {
        this.#overLater(errno);
        return true;
      }
    }
    this.wait().append(done > 0 ? bytes.subarray(done) : bytes, owned);
    return false;
  }

  protected override sendEnd(): void {
    if (this.#is(SHUT | GONE)) return;
    if (this.#backlog) this.#flags |= SHUT_LATER;
    else this.#shutdown();
  }

  protected override holdSource(): void {
    this.#set(READ, false);
  }

  protected override releaseSource(): void {
    if (!this.#other) this.#goOnReading();
  }

  protected override shut(reason: CloseReason): void {
    if (this.#is(GONE)) return;
    this.part();
    if (reason.kind === 'reset') {
      sockets.lingerNot(this.fd);
      this.#cut();
      return;
    }
    const { loop } = this.#s.context;
    this.#flags |= CLOSING;
    this.#time = loop.now + LINGER;
    if (!this.#backlog) this.#linger();
    if (!this.#is(GONE)) loop.tickFor(this);
  }

  #is(flags: number): boolean {
    return (this.#flags & flags) !== 0;
  }

  #set(flag: number, on: boolean): void {
    this.#flags = on ? this.#flags | flag : this.#flags & ~flag;
  }
}
