import { Channel, type CloseReason, type QueueLimits } from '../../../core/channel.ts';
import type { Acceptor, Ends } from '../../../core/engine.ts';
import type { Metadata } from '../../../core/metadata.ts';
import type { NativeContext } from '../context.ts';
import type { Pollable, Task, Ticking } from '../loop.ts';
import * as k from '../system/constants.ts';
import { errorName, type Libc } from '../system/libc.ts';
import * as sockets from '../system/sockets.ts';
import type { KeepAlive, Watched } from './keep-alive.ts';
import type { Share } from './siblings.ts';
import * as state from './state.ts';

/** How long a closed socket may take to deliver what was written, in milliseconds; then it is cut. */
const LINGER = 10_000;

/** Each change is told once (epoll(7)): who has seen one remembers it. */
const EVENTS = k.EPOLLIN | k.EPOLLPRI | k.EPOLLRDHUP | k.EPOLLET;
/** Also that there is room to write: while nothing waits, that would be an event for nothing. */
export const ALL_EVENTS = EVENTS | k.EPOLLOUT;

export const CLOSED: CloseReason = { kind: 'end', message: 'closed by the peer' };
const STOPPED: CloseReason = { kind: 'shutdown', message: 'the engine is closed' };

/** What the sockets of an engine share. */
export interface ConnectionHub {
  readonly c: Libc;
  readonly context: NativeContext;
  readonly keepAlive: KeepAlive;
  /** Its share of the connections, where others listen as well. */
  readonly share: Share | undefined;
  /** Closes a socket that was counted, and of which no channel was made. */
  abandon(fd: number): void;
}

/** What is written to a socket later, since it takes no more now. */
export interface Waiting {
  /** Writes. Returns 0 once it is empty, or the error: EAGAIN where the socket takes no more. */
  write(fd: number): number;
  /** Nobody wants it any more. */
  destroy(): void;
}

export interface SocketOptions {
  /** The acceptor, where it was accepted. */
  readonly acceptor?: Acceptor;
  /** The loop has the descriptor already, with all events, of which some may have come. */
  readonly known?: boolean;
  /** The kernel looks by itself whether the peer is still there. */
  readonly watched?: boolean;
}

/** A kernel socket that is connected: how it waits, and how it ends. How it is received and written to is its heir's business. */
export abstract class ConnectedSocket<Hub extends ConnectionHub, Backlog extends Waiting>
  extends Channel
  implements Pollable, Task, Ticking, Watched
{
  readonly fd: number;
  protected readonly hub: Hub;
  protected readonly acceptor: Acceptor | undefined;
  protected flags = 0;
  /** What waits to be written, if anything does. */
  protected backlog: Backlog | undefined;
  /** When something last came while it was relayed; once it is closing, when it is cut. */
  protected time = 0;
  /** The local port is 0 while nobody has asked for it. */
  #ends: Ends | undefined;
  /** Why it closes later: 0 in order. */
  #errno = 0;

  /**
   * A connection that is counted: it gives that back when it is closed. `ends`: undefined for UNIX sockets; its local port
   * may be 0, for not known yet.
   */
  constructor(hub: Hub, fd: number, limits: QueueLimits, ends: Ends | undefined, options: SocketOptions = {}) {
    super(limits);
    const { acceptor, known, watched } = options;
    const { loop } = hub.context;
    this.hub = hub;
    this.fd = fd;
    this.#ends = ends;
    this.acceptor = acceptor;
    if (!ends) this.flags |= state.CUT_SHORT;
    if (known) {
      this.flags |= state.READABLE | state.CUT_SHORT | state.HEARS_ROOM;
      loop.replace(fd, this);
    } else if (!loop.add(fd, EVENTS, this)) this.overLater(hub.c.errno());
    // What was accepted has it from the socket that listens.
    if (ends && !acceptor && !watched) hub.keepAlive.add(fd);
    else this.flags |= state.WATCHED;
  }

  override get halfClose(): boolean {
    return true;
  }

  protected override get retains(): boolean {
    return false;
  }

  get ends(): Ends | undefined {
    if (this.#ends?.localPort === 0 && !this.is(state.GONE)) {
      const { address, port } = sockets.localAddress(this.fd);
      this.#ends = { ...this.#ends, localAddress: address, localPort: port };
    }
    return this.#ends;
  }

  override describe(): Metadata {
    return this.acceptor?.describe(this) ?? {};
  }

  // ------------------------------------------------------------------ for its heir to fill in

  abstract ready(events: number): boolean;
  /** Takes up what was put off, or waited for room. */
  protected abstract goOn(): void;
  /** Ends its relay, if it has one. */
  abstract part(): void;
  /** What `Loop` is to be told when something was put off. */
  protected abstract get calls(): boolean;
  /** There is room to write again. */
  protected abstract roomCame(): void;

  // ------------------------------------------------------------------ what the loop asks

  proceed(): boolean {
    const called = this.calls;
    this.set(state.DEFERRED, false);
    if (this.is(state.OVER)) this.over(this.#errno);
    else this.goOn();
    return called || this.calls;
  }

  broken(): void {
    this.over(k.EINVAL);
  }

  tick(now: number): boolean {
    if (this.is(state.GONE)) return false;
    if (now < this.time) return true;
    this.cut();
    return false;
  }

  keepAlive(): void {
    if (this.is(state.GONE | state.WATCHED)) return;
    this.flags |= state.WATCHED;
    sockets.keepAlive(this.fd);
  }

  /** The engine closes. */
  stop(): void {
    if (this.is(state.GONE)) return;
    this.cut();
    this.deliverClose(STOPPED);
  }

  // ------------------------------------------------------------------ writing

  /** Hears of room to write from now on. */
  protected hearRoom(): void {
    if (this.is(state.HEARS_ROOM)) return;
    this.flags |= state.HEARS_ROOM;
    this.hub.context.loop.modify(this.fd, ALL_EVENTS);
  }

  /** Writes what waits, and goes on with what had waited for that. */
  protected flush(): void {
    const errno = this.backlog?.write(this.fd) ?? 0;
    if (errno === k.EAGAIN) return;
    if (errno !== 0) {
      this.over(errno);
      return;
    }
    this.backlog = undefined;
    if (this.is(state.CLOSING)) {
      this.#linger();
      return;
    }
    if (this.is(state.SHUT_LATER)) this.#shutdown();
    this.roomCame();
    this.drained();
  }

  // ------------------------------------------------------------------ the end

  protected override sendEnd(): void {
    if (this.is(state.SHUT | state.GONE)) return;
    if (this.backlog) this.flags |= state.SHUT_LATER;
    else this.#shutdown();
  }

  /** Ends our direction: nothing waits any more. */
  #shutdown(): void {
    this.flags |= state.SHUT;
    if (this.is(state.TOLD)) this.overLater(0);
    else this.hub.c.shutdown(this.fd, k.SHUT_WR);
  }

  protected override shut(reason: CloseReason): void {
    if (this.is(state.GONE)) return;
    this.part();
    if (reason.kind === 'reset') {
      sockets.lingerNot(this.fd);
      this.cut();
      return;
    }
    const { loop } = this.hub.context;
    this.flags |= state.CLOSING;
    this.time = loop.now + LINGER;
    if (!this.backlog) this.#linger();
    if (!this.is(state.GONE)) loop.tickFor(this);
  }

  /**
   * Linux answers data that nobody has read with a reset, which would destroy what the peer has not read yet: so what
   * still comes is read and thrown away until the peer ends too.
   */
  #linger(): void {
    if (this.is(state.ENDED)) {
      this.cut();
      return;
    }
    if (!this.is(state.SHUT)) this.hub.c.shutdown(this.fd, k.SHUT_WR);
    this.flags |= state.SHUT | state.READABLE;
    this.goOn();
  }

  protected goOnLater(): void {
    if (this.is(state.DEFERRED)) return;
    this.flags |= state.DEFERRED;
    this.hub.context.loop.later(this);
  }

  /** It has ended both ways, or failed: not in the middle of somebody's call. */
  protected overLater(errno: number): void {
    // Who has failed and is ended after that has failed.
    if (!this.is(state.OVER)) this.#errno = errno;
    this.flags |= state.OVER;
    this.goOnLater();
  }

  /** It has ended both ways (0), or failed. */
  protected over(errno: number): void {
    if (this.is(state.GONE)) return;
    const closing = this.is(state.CLOSING);
    this.cut();
    if (!closing) this.deliverClose(errno === 0 ? CLOSED : { kind: 'reset', message: errorName(errno) });
  }

  /** Closes it at once. */
  protected cut(): void {
    if (this.is(state.GONE)) return;
    this.flags |= state.GONE;
    // An end after a part of what was written would look like the end of it all.
    if (this.backlog) sockets.lingerNot(this.fd);
    this.part();
    const { connections, loop } = this.hub.context;
    loop.close(this.fd);
    connections.give();
    if (this.acceptor) this.hub.share?.left();
    this.backlog?.destroy();
    this.backlog = undefined;
  }

  // ------------------------------------------------------------------ state

  /** Whether it is in any of these states. */
  protected is(states: number): boolean {
    return (this.flags & states) !== 0;
  }

  protected set(flag: number, on: boolean): void {
    this.flags = on ? this.flags | flag : this.flags & ~flag;
  }
}
