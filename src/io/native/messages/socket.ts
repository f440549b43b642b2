import type { MessageAttributes } from '../../../core/channel.ts';
import type { SocketChannel } from '../../../core/engine.ts';
import { CLOSED, ConnectedSocket } from '../streams/connected.ts';
import * as state from '../streams/state.ts';
import * as k from '../system/constants.ts';
import * as sockets from '../system/sockets.ts';
import { MessageBacklog } from './backlog.ts';
import type { MessageHub } from './hub.ts';

/** Messages that a socket has before others have their turn. */
const READS = 32;

/** A kernel socket that is connected, keeps messages apart, and loses none. What nobody reads is not received. */
export abstract class MessageSocket extends ConnectedSocket<MessageHub, MessageBacklog> implements SocketChannel {
  override get kind(): 'datagram' {
    return 'datagram';
  }

  // ------------------------------------------------------------------ for its heir to fill in

  /**
   * Something was received, and lies in `hub.incoming`: a message or, where the socket has such, a part of one or a notification.
   * Also while it closes, and nobody wants any more.
   */
  protected abstract received(size: number): void;

  /** Sends a message. Returns 0 where it is done with, or the error; EAGAIN: the socket takes none now. */
  protected abstract transmit(bytes: Uint8Array, attributes: MessageAttributes): number;

  /** Whether a message of no bytes, which was received, is the peer's end. */
  protected get isEnd(): boolean {
    return true;
  }

  /** Receives into `hub.incoming`: see `MessageHub.receive`. */
  protected receive(): number {
    return this.hub.receive(this.fd);
  }

  // ------------------------------------------------------------------ sending

  protected override send(bytes: Uint8Array, attributes: MessageAttributes, owned: boolean): boolean {
    if (this.is(state.GONE | state.OVER)) return true;
    if (!this.backlog) {
      const errno = this.#try(bytes, attributes);
      if (errno === 0) return true;
      if (errno !== k.EAGAIN) {
        this.overLater(errno);
        return true;
      }
      this.hearRoom();
      this.backlog = new MessageBacklog((next) => this.#try(next.bytes, next.attributes));
    }
    this.backlog.push(bytes, attributes, owned);
    return false;
  }

  /** What is larger than the socket takes is lost, and no more. */
  #try(bytes: Uint8Array, attributes: MessageAttributes): number {
    const errno = this.transmit(bytes, attributes);
    if (errno !== k.EMSGSIZE) return errno;
    this.drop('too-large');
    return 0;
  }

  protected override sendEnd(): void {
    if (this.halfClose) super.sendEnd();
  }

  // ------------------------------------------------------------------ what the loop asks

  ready(events: number): boolean {
    if (this.is(state.OVER)) return false;
    if (events & k.EPOLLERR && !this.is(state.READ | state.CLOSING)) {
      this.over(sockets.pendingError(this.fd));
      return true;
    }
    if (events & ~k.EPOLLOUT) this.flags |= state.READABLE;
    if (this.backlog && events & (k.EPOLLOUT | k.EPOLLHUP | k.EPOLLERR)) this.flush();
    this.goOn();
    return true;
  }

  protected get calls(): boolean {
    return true;
  }

  protected roomCame(): void {}

  part(): void {}

  // ------------------------------------------------------------------ receiving

  protected override holdSource(): void {
    this.set(state.READ, false);
  }

  protected override releaseSource(): void {
    if (this.is(state.GONE | state.CLOSING)) return;
    this.flags |= state.READ;
    if (this.is(state.READABLE)) this.goOnLater();
  }

  protected goOn(): void {
    for (let n = 0; n < READS; n++) {
      if (!this.is(state.READABLE) || this.is(state.GONE | state.OVER)) return;
      if (!this.is(state.READ | state.CLOSING)) return;
      this.#receive();
    }
    if (this.is(state.READABLE)) this.goOnLater();
  }

  #receive(): void {
    const size = this.receive();
    if (size < 0) this.#nothing(this.hub.c.errno());
    else if (size === 0 && this.isEnd) this.#ended();
    else this.received(size);
  }

  #nothing(errno: number): void {
    if (errno === k.EAGAIN) this.set(state.READABLE, false);
    else this.over(errno);
  }

  /** Whoever has ended both ways is closed, before anybody hears. */
  #ended(): void {
    this.set(state.READABLE, false);
    this.flags |= state.ENDED | state.TOLD;
    const over = !this.halfClose || this.is(state.SHUT | state.CLOSING);
    const closing = this.is(state.CLOSING);
    if (over) this.cut();
    if (closing) return;
    this.deliverEnd();
    if (over) this.deliverClose(CLOSED);
  }
}
