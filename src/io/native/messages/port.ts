/** A socket of messages that is not connected: its peers share it, and are told apart by where they send from. */
import {
  Channel,
  type CloseReason,
  type DropReason,
  type MessageAttributes,
  type QueueLimits,
} from '../../../core/channel.ts';
import type { SocketChannel } from '../../../core/engine.ts';
import type { Metadata } from '../../../core/metadata.ts';
import type { Pollable } from '../loop.ts';
import * as k from '../system/constants.ts';
import { errorName } from '../system/libc.ts';
import { MessageBacklog } from './backlog.ts';
import type { MessageHub } from './hub.ts';

/** Messages that a socket has before others have their turn. */
const READS = 64;

const STOPPED: CloseReason = { kind: 'shutdown', message: 'the engine is closed' };
const FAILED: CloseReason = { kind: 'error', message: 'the socket failed' };

/** What drives a socket. Messages of the kernel's that do not fit anywhere are lost. */
export abstract class MessagePort<Peer extends PortPeer> implements Pollable {
  readonly hub: MessageHub;
  fd: number;
  /** Those that wait for room to send. */
  readonly #waiting = new Set<PortPeer>();

  /** `fd`: not in the loop yet. */
  constructor(hub: MessageHub, fd: number) {
    this.hub = hub;
    this.fd = fd;
  }

  // ------------------------------------------------------------------ for its heir to fill in

  /** A message lies in `hub.incoming`. */
  protected abstract received(size: number): void;
  /** There is an error, which has been taken from the socket. */
  protected abstract failed(errno: number): void;
  abstract peers(): Iterable<Peer>;
  /** The peer has closed. */
  abstract left(peer: PortPeer): void;
  /** Gives the descriptor back. */
  protected abstract giveUp(): void;

  /** Receives into `hub.incoming`: see `MessageHub.receive`. */
  protected receive(): number {
    return this.hub.receive(this.fd);
  }

  /** Says when the socket takes more, or no longer, by calling `flush`. */
  protected hearRoom(on: boolean): void {
    this.hub.context.loop.modify(this.fd, on ? k.EPOLLIN | k.EPOLLOUT : k.EPOLLIN);
  }

  // ------------------------------------------------------------------ in the loop

  ready(events: number): boolean {
    if (events & k.EPOLLOUT) this.flush();
    if (events & ~k.EPOLLOUT) for (let n = 0; n < READS && this.#receive(); n++);
    return true;
  }

  broken(): void {
    this.close(FAILED);
  }

  stop(): void {
    this.close(STOPPED);
  }

  /** Ends all peers, and itself. */
  close(reason: CloseReason): void {
    this.loseAll(reason);
    this.giveUp();
  }

  protected loseAll(reason: CloseReason): void {
    for (const peer of [...this.peers()]) peer.lose(reason);
  }

  /** Returns whether there may be more. */
  #receive(): boolean {
    const { hub } = this;
    const size = this.receive();
    if (size >= 0) {
      this.received(size);
      return this.open;
    }
    const errno = hub.c.errno();
    if (errno !== k.EAGAIN) this.failed(errno);
    return errno !== k.EAGAIN && this.open;
  }

  /** Whether its descriptor is its own. */
  protected abstract get open(): boolean;

  // ------------------------------------------------------------------ for its peers

  /** The peer hears when the socket takes more. */
  wait(peer: PortPeer): void {
    if (this.#waiting.size === 0) this.hearRoom(true);
    this.#waiting.add(peer);
  }

  /** Some of them wait. */
  protected get isFull(): boolean {
    return this.#waiting.size > 0;
  }

  waitNot(peer: PortPeer): void {
    if (!this.#waiting.delete(peer) || this.#waiting.size > 0 || !this.open) return;
    this.hearRoom(false);
  }

  protected flush(): void {
    for (const peer of [...this.#waiting]) peer.flush();
  }
}

/** A peer of such a socket. */
export abstract class PortPeer extends Channel implements SocketChannel {
  readonly #port: MessagePort<PortPeer>;
  #backlog: MessageBacklog | undefined;
  #faulty = 0;

  constructor(port: MessagePort<PortPeer>, limits: QueueLimits) {
    super(limits);
    this.#port = port;
  }

  get kind(): 'datagram' {
    return 'datagram';
  }

  get ends(): undefined {
    return undefined;
  }

  override get lossy(): boolean {
    return true;
  }

  protected override get retains(): boolean {
    return false;
  }

  abstract override describe(): Metadata;

  /** Sends a message. Returns 0, or the error; EAGAIN: the socket takes none now. */
  protected abstract transmit(bytes: Uint8Array, attributes: MessageAttributes): number;

  // ------------------------------------------------------------------ for its port

  /** It has sent this. */
  take(bytes: Uint8Array, attributes?: MessageAttributes): void {
    this.deliver(bytes, attributes, false);
  }

  /** The way to it is gone. */
  lose(reason: CloseReason): void {
    this.#leave();
    this.deliverClose(reason);
  }

  /** The socket takes more. */
  flush(): void {
    const errno = this.#backlog?.write() ?? 0;
    if (errno === k.EAGAIN) return;
    this.#backlog = undefined;
    this.#port.waitNot(this);
    this.drained();
  }

  // ------------------------------------------------------------------ for its channel

  protected override send(bytes: Uint8Array, attributes: MessageAttributes, owned: boolean): boolean {
    if (!this.#backlog) {
      if (this.#try(bytes, attributes) === 0) return true;
      this.#backlog = new MessageBacklog((next) => this.#try(next.bytes, next.attributes));
      this.#port.wait(this);
    }
    this.#backlog.push(bytes, attributes, owned);
    return false;
  }

  protected override sendEnd(): void {}

  protected override shut(): void {
    this.#backlog?.write();
    this.#leave();
  }

  /** Returns 0, or EAGAIN: all other errors are of one message, which is lost. */
  #try(bytes: Uint8Array, attributes: MessageAttributes): number {
    const errno = this.transmit(bytes, attributes);
    if (errno === k.EAGAIN || errno === 0) return errno;
    this.drop(reasonOf(errno));
    if (errno !== k.EMSGSIZE && errno !== this.#faulty) this.owner?.fault?.(this, errorName(errno));
    this.#faulty = errno;
    return 0;
  }

  #leave(): void {
    this.#backlog = undefined;
    this.#port.waitNot(this);
    this.#port.left(this);
  }
}

function reasonOf(errno: number): DropReason {
  return errno === k.EMSGSIZE ? 'too-large' : 'send-error';
}
