import * as net from 'node:net';
import { BINARY } from '../../../core/channel.ts';
import type { Relay, SocketChannel } from '../../../core/engine.ts';
import * as k from '../system/constants.ts';
import * as sockets from '../system/sockets.ts';
import { CLOSED } from './connected.ts';
import { Flow } from './flow.ts';
import { BUFFER } from './hub.ts';
import { StreamSocket } from './socket.ts';
import * as state from './state.ts';

/** Reads, and splices, that a socket has before others have their turn. */
const READS = 16;
const SPLICES = 4;

const HUNG_UP = k.EPOLLRDHUP | k.EPOLLHUP | k.EPOLLERR;

/**
 * What says that only EAGAIN of recv(2) means that there is no more for now. Less than was asked for may be what came
 * before an urgent mark (tcp(7)), together with descriptors (unix(7)), or before an error whose event has come already.
 */
const CUT = k.EPOLLPRI | k.EPOLLHUP | k.EPOLLERR;

/**
 * A byte stream on a kernel socket. JavaScript reads and writes it, or it is one of two that are relayed: what one receives
 * is written to the other, by recv(2) and send(2) while messages are small, by splice(2) through a pipe once much comes.
 * What nobody reads is not received, so that the kernel slows down who sends.
 */
export class NativeStreamChannel extends StreamSocket implements SocketChannel, Relay {
  /** The other one of a relay. */
  #other: NativeStreamChannel | undefined;
  /** How it is received, once it was relayed. */
  #flow: Flow | undefined;

  override get socket(): SocketChannel {
    return this;
  }

  takeSocket(): net.Socket | undefined {
    const { fd, acceptor, hub } = this;
    const used = this.messagesIn + this.messagesOut > 0 || this.endSent || this.endRead;
    if (!this.open || this.is(state.GONE) || used || this.#other) return undefined;
    // Its address cannot be asked for when the descriptor is another's.
    const { ends } = this;
    hub.context.loop.remove(fd);
    this.flags |= state.GONE;
    this.close({ kind: 'end', message: 'a library has its socket' });
    const socket = new net.Socket({ fd, allowHalfOpen: true, readable: true, writable: true });
    socket.pause();
    hub.onSocket(socket);
    if (ends && !acceptor) sockets.keepAlive(fd);
    if (acceptor && hub.share) socket.once('close', () => hub.share?.left());
    return socket;
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
    return this.open && !this.#other && this.queued === 0 && !this.is(state.GONE | state.OVER);
  }

  #engage(other: NativeStreamChannel, passes: boolean): void {
    this.#other = other;
    this.#flow ??= new Flow(this.hub);
    this.set(state.READ, false);
    this.set(state.PASSES, passes);
    if (this.is(state.READABLE | state.ENDED)) this.goOnLater();
  }

  lastActive(): number {
    return this.#other ? Math.max(this.time, this.#other.time) : this.time;
  }

  part(): void {
    const other = this.#other;
    if (!other) return;
    // Either of them stands for the relay.
    this.time = other.time = this.lastActive();
    this.#other = other.#other = undefined;
    this.#goOnReading();
    other.#goOnReading();
  }

  /** While it is relayed, nothing but an end concerns anybody beyond the engine, nor room where nobody waits for it. */
  protected get calls(): boolean {
    return !this.#other || this.is(state.TOLD | state.GONE) || this.full;
  }

  // ------------------------------------------------------------------ reading

  /** JavaScript takes what comes, if anybody there reads. */
  #goOnReading(): void {
    if (this.held || this.is(state.GONE | state.CLOSING)) return;
    this.flags |= state.READ;
    if (this.is(state.READABLE | state.ENDED)) this.goOnLater();
  }

  protected override holdSource(): void {
    this.set(state.READ, false);
  }

  protected override releaseSource(): void {
    if (!this.#other) this.#goOnReading();
  }

  // ------------------------------------------------------------------ events

  ready(events: number): boolean {
    // A reset that a write was told of is told to nobody else: it would read as an end, with no error pending.
    if (this.is(state.OVER)) return false;
    const called = this.calls;
    if (events & k.EPOLLERR && !this.#other && !this.is(state.READ | state.CLOSING)) {
      this.over(sockets.pendingError(this.fd));
      return true;
    }
    if (events & CUT) this.flags |= state.CUT_SHORT;
    if (events & k.EPOLLRDHUP) this.flags |= state.LAST;
    if (events & (k.EPOLLIN | k.EPOLLPRI | HUNG_UP)) this.flags |= state.READABLE;
    if (this.backlog && events & (k.EPOLLOUT | k.EPOLLHUP | k.EPOLLERR)) this.flush();
    if (this.is(state.READABLE)) this.#pump();
    return called || this.calls;
  }

  protected goOn(): void {
    if (this.is(state.ENDED)) this.#tell();
    else if (this.is(state.READABLE)) this.#pump();
  }

  protected roomCame(): void {
    this.#other?.goOn();
  }

  // ------------------------------------------------------------------ receiving

  /** Moves what has arrived, as long as there is something, somebody takes it and its turn lasts. */
  #pump(): void {
    const turns = this.#flow?.bulk ? SPLICES : READS;
    for (let n = 0; n < turns; n++) {
      if (!this.is(state.READABLE) || this.is(state.ENDED | state.GONE | state.OVER) || !this.#step()) return;
    }
    if (this.is(state.READABLE)) this.goOnLater();
  }

  /** Returns whether it could do something. */
  #step(): boolean {
    const to = this.#other;
    if (this.is(state.CLOSING) || to?.is(state.SHUT)) this.#receive();
    else if (to) {
      if (to.backlog) return false;
      this.#moveTo(to, this.#flow as Flow);
    } else if (this.is(state.READ)) this.#hand();
    else return false;
    return true;
  }

  #moveTo(to: NativeStreamChannel, flow: Flow): void {
    const received = flow.move(this.fd, to, this.is(state.CUT_SHORT));
    if (received <= 0) {
      this.#nothing(received === 0 ? 0 : flow.error);
      return;
    }
    this.messagesIn++;
    this.bytesIn += received;
    to.messagesOut++;
    to.bytesOut += received;
    this.time = this.hub.context.loop.now;
    if (flow.error !== 0) to.over(flow.error);
    if (flow.drained) this.#receivedAll();
  }

  /** Gives what has come to JavaScript. */
  #hand(): void {
    const received = this.#receive();
    if (received <= 0) return;
    const { buffer, context } = this.hub;
    this.deliver(context.loop.arena.u8.subarray(buffer, buffer + received), BINARY, false);
    if (received < BUFFER && !this.is(state.CUT_SHORT)) this.#receivedAll();
  }

  /** There is no more for now: an event comes with more, or its end has come already. */
  #receivedAll(): void {
    this.set(state.READABLE, false);
    if (this.is(state.LAST)) this.#nothing(0);
  }

  #receive(): number {
    const { c, buffer, context } = this.hub;
    const received = c.recv(this.fd, context.loop.arena.base + buffer, BUFFER, 0);
    if (received <= 0) this.#nothing(received === 0 ? 0 : c.errno());
    return received;
  }

  /** There was nothing to receive: the end (0), nothing yet, or an error. */
  #nothing(errno: number): void {
    if (errno === k.EAGAIN) this.set(state.READABLE, false);
    else if (errno !== 0) this.over(errno);
    else {
      this.flags |= state.ENDED;
      if (this.is(state.CLOSING)) this.cut();
      else this.#tell();
    }
  }

  /** Tells of its end, once all before it was handed on. Whoever has ended both ways is closed, before anybody hears. */
  #tell(): void {
    const to = this.#other;
    if (this.is(state.TOLD | state.GONE) || (to ? to.backlog : !this.is(state.READ))) return;
    this.flags |= state.TOLD;
    if (to && this.is(state.PASSES) && !to.is(state.SHUT)) {
      to.flags |= state.SHUT;
      // Where its own direction has ended too, close(2) says it.
      if (!to.is(state.TOLD)) this.hub.c.shutdown(to.fd, k.SHUT_WR);
    }
    const over = this.isOver;
    const otherOver = to?.isOver;
    if (over) this.cut();
    if (otherOver) to?.cut();
    this.deliverEnd();
    if (over) this.deliverClose(CLOSED);
    if (otherOver) to?.deliverClose(CLOSED);
  }

  /** Both of its directions have ended, and it was told. */
  get isOver(): boolean {
    return this.is(state.TOLD) && this.is(state.SHUT);
  }
}
