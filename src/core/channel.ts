/**
 * What all channels have in common: queueing, pausing, limits, counters, the order of data, end and close. A protocol adapts
 * its own transport and nothing else. The contract, without the class, is in `channel-contract.ts`.
 *
 * Not owned here: who reads and writes (pipes), what a lost channel means (sessions).
 */
import {
  BINARY,
  type ChannelKind,
  type ChannelOwner,
  type CloseReason,
  DEFAULT_LIMITS,
  type DropReason,
  type Head,
  type MessageAttributes,
  type QueueLimits,
  type Reader,
  type Tail,
  type Writer,
} from './channel-contract.ts';
import { addTo } from './counts.ts';
import type { SocketChannel } from './engine.ts';
import type { L7mpError } from './errors.ts';
import type { Metadata } from './metadata.ts';
import { MessageQueue } from './queue.ts';

export * from './channel-contract.ts';

/** More than any message has. The largest small integer of V8's: a larger number, or Infinity, would be an object of its own. */
const NO_LIMIT = 0x7fffffff;

// What a channel's state is made of: see the methods that ask.
const PAUSED = 1;
const DRAINING = 2;
const ENDED = 4;
const END_READ = 8;
const END_SENT = 16;
const FULL = 32;
const CLOSED = 64;

/**
 * One end of a connection. A protocol derives from it (or from `LayerChannel`, `LocalChannel`) and fills in `send`,
 * `sendEnd` and `shut`; it calls `deliver`, `deliverEnd` and `deliverClose` for what comes. Queues, limits, counters and
 * the order of data, end and close are here. Nothing throws on the paths of data: what cannot be taken is dropped and
 * counted, an error of the reader's closes the channel with the reason `error`.
 *
 * @example
 * class SerialChannel extends Channel {
 *   kind = 'stream';
 *   #port;
 *   constructor(port, limits) {
 *     super(limits);
 *     this.#port = port;
 *     port.on('data', (bytes) => this.deliver(bytes));
 *     port.on('drain', () => this.drained());
 *     port.on('close', () => this.deliverClose({ kind: 'reset', message: 'unplugged' }));
 *   }
 *   send(bytes) { return this.#port.write(bytes); }
 *   sendEnd() {}
 *   shut() { this.#port.end(); }
 *   holdSource() { this.#port.pause(); }
 *   releaseSource() { this.#port.resume(); }
 * }
 */
export abstract class Channel {
  abstract readonly kind: ChannelKind;
  owner: ChannelOwner | undefined;
  writer: Writer | undefined;

  /** Counted at the peer: in is what came from it, out is what was given to its transport. See `refresh`. */
  bytesIn = 0;
  messagesIn = 0;
  bytesOut = 0;
  messagesOut = 0;
  /** Messages dropped, by reason; made when the first is. */
  drops: Map<DropReason, number> | undefined;

  readonly limits: QueueLimits;
  #reader: Reader | undefined;
  #queue: MessageQueue | undefined;
  #tail: Tail | undefined;
  #closing: CloseReason | undefined;
  /** Flags in one word: a field for each would cost a session, which has two channels at least, a hundred bytes. */
  #state = 0;

  constructor(limits: QueueLimits = DEFAULT_LIMITS) {
    this.limits = limits;
  }

  // ------------------------------------------------------------------ what the transport is like

  // What is the same for all channels of a class is no field: each would cost an idle session a word.

  /** The largest message that the transport takes, in bytes. */
  get maxMessage(): number {
    return NO_LIMIT;
  }

  /** The peer cannot be slowed down (UDP): when the queue is full, messages are dropped. */
  get lossy(): boolean {
    return false;
  }

  /** The peer sees `end`. Where it does not (UDP, WebSocket), a session waits a while for the last answers. */
  get halfClose(): boolean {
    return false;
  }

  /**
   * The channel carries one request and its answer (HTTP), which are whole or broken: a second connection to an endpoint cannot
   * go on where the first one has stopped.
   */
  get exchange(): boolean {
    return false;
  }

  /**
   * Of an exchange: the peer asks to go on in another protocol (WebSocket). A head with status 101 says that it may: then there are
   * bytes in both directions. Its request has not ended until it is known.
   */
  get switches(): boolean {
    return false;
  }

  /** The transport retains what it is given, so that bytes which are not owned must be copied first. */
  protected get retains(): boolean {
    return true;
  }

  /** What the endpoint said when it was connected (the subprotocol that it chose), where a protocol has such a thing. */
  get answer(): Head | undefined {
    return undefined;
  }

  // ------------------------------------------------------------------ for pipes and sessions

  /** True until `close`, or until the peer has closed and all that it sent was read. */
  get open(): boolean {
    return !this.#is(CLOSED);
  }

  /** The last `write` said that no more fits. */
  get full(): boolean {
    return this.#is(FULL);
  }

  /** What is received is held back: nobody reads, or who reads has paused it. */
  get held(): boolean {
    return this.#is(PAUSED) || !this.#reader;
  }

  /** The peer's direction has ended, and its end was read. */
  get endRead(): boolean {
    return this.#is(END_READ);
  }

  /** Our direction has ended. */
  get endSent(): boolean {
    return this.#is(END_SENT);
  }

  /**
   * The kernel socket that carries its messages unchanged from now on: itself or, of a layer whose work is done, the one
   * below. What passes may be moved from there, by the engine or in the kernel. `owner.socketChanged` tells of a change.
   */
  get socket(): SocketChannel | undefined {
    return undefined;
  }

  /**
   * The channel that takes what is written, where that reaches another peer than the one described: a proxy, which has said
   * for whom it stands.
   */
  get via(): Channel | undefined {
    return undefined;
  }

  /** How messages begin that must come through this channel although it has a `socket`: 12 bytes. */
  get kept(): Uint8Array | undefined {
    return undefined;
  }

  /** Messages received and not read yet; of a stream, the pieces that they were put together to. */
  get queued(): number {
    return this.#queue?.length ?? 0;
  }

  /** What is known of the peer and the connection, as session metadata. Made anew at each call. */
  describe(): Metadata {
    return {};
  }

  /** Gives what is received to `reader`, what was queued first. Without one, messages queue up. */
  read(reader: Reader | undefined): void {
    this.#reader = reader;
    if (reader) this.#flow();
    else this.#hold();
  }

  pause(): void {
    if (this.#is(PAUSED)) return;
    this.#state |= PAUSED;
    this.#hold();
  }

  resume(): void {
    if (!this.#is(PAUSED)) return;
    this.#state &= ~PAUSED;
    if (this.#reader) this.#flow();
  }

  /**
   * Takes a message for the peer. Returns whether more fits; `writer.drained` is called when it does again. It is
   * taken in either case, unless it is larger than `maxMessage` or our direction has ended: then it is dropped and
   * counted, never cut.
   */
  write(bytes: Uint8Array, attributes: MessageAttributes = BINARY, owned = false): boolean {
    if (this.#is(CLOSED | END_SENT) || this.#closing) {
      this.drop('closed');
      return true;
    }
    if (bytes.length > this.maxMessage) {
      this.drop('too-large');
      return !this.#is(FULL);
    }
    this.messagesOut++;
    this.bytesOut += bytes.length;
    const mine = owned || !this.retains ? bytes : new Uint8Array(bytes);
    if (!this.send(mine, attributes, owned || this.retains)) this.#state |= FULL;
    return !this.#is(FULL);
  }

  /** Ends our direction: the peer reads what was written, then the end. */
  end(tail?: Tail): void {
    if (this.#is(CLOSED | END_SENT)) return;
    this.#state |= END_SENT;
    this.sendEnd(tail);
  }

  /** Closes both directions. What was written is still delivered, unless the reason is a reset. */
  close(reason: CloseReason): void {
    if (this.#is(CLOSED)) return;
    this.#state |= CLOSED;
    this.#discard();
    this.#reader = undefined;
    this.writer = undefined;
    if (!this.#closing) this.shut(reason);
  }

  /** A route was found for the session that this channel began; its endpoint is not connected yet. */
  routed(): void {}

  /** The session stands: every stage is connected. `head` is the answering side's, where it had one. */
  accept(_head?: Head): void {}

  /** The answering side's head, after `accept`. */
  head(_head: Head): void {}

  /** The session cannot be made, or failed: tells the peer why where the protocol can, and closes. */
  refuse(error: L7mpError): void {
    this.close({ kind: error.code === 'E_LIMIT' ? 'refused' : 'error', message: error.message });
  }

  /** Brings the counters up to date, where they are kept elsewhere while an engine relays the channel. */
  refresh(): void {}

  /** Counts a message that was lost here. */
  drop(reason: DropReason, messages = 1): void {
    this.drops ??= new Map();
    const first = !this.drops.has(reason);
    addTo(this.drops, reason, messages);
    if (first) this.owner?.dropped?.(this, reason, messages);
  }

  // ------------------------------------------------------------------ for the adapter, towards the core

  /** A message, or a piece of the stream, has arrived. */
  protected deliver(bytes: Uint8Array, attributes: MessageAttributes = BINARY, owned = true): void {
    if (this.#is(CLOSED | ENDED)) return;
    this.messagesIn++;
    this.bytesIn += bytes.length;
    if (this.#reader && !this.#is(PAUSED) && !this.#queue?.length) this.#hand(bytes, attributes, owned);
    else this.#enqueue(bytes, attributes, owned);
  }

  /** The peer has ended its direction. */
  protected deliverEnd(tail?: Tail): void {
    if (this.#is(CLOSED | ENDED)) return;
    this.#state |= ENDED;
    this.#tail = tail;
    this.#settle();
  }

  /** The transport is gone. In order, what is queued is read first; after a failure it is discarded. */
  protected deliverClose(reason: CloseReason): void {
    if (this.#is(CLOSED) || this.#closing) return;
    this.#closing = reason;
    this.#state |= ENDED;
    if (reason.kind !== 'end') this.#discard();
    if (this.#queue?.length || (!this.#reader && !this.#is(END_READ) && reason.kind === 'end'))
      this.owner?.lingering?.(this);
    this.#settle();
  }

  /** Hands out what is queued, for a transport that moves it by another way than the reader from now on. */
  protected takeQueued(take: (bytes: Uint8Array) => void): void {
    const queue = this.#queue;
    this.#queue = undefined;
    while (queue?.length) take(queue.shift().bytes);
  }

  /** The transport takes more after `send` had returned false. */
  protected drained(): void {
    if (!this.#is(FULL)) return;
    this.#state &= ~FULL;
    this.writer?.drained();
  }

  // ------------------------------------------------------------------ for the adapter to fill in

  /** Gives a message to the transport, which may keep it where it is `owned` (always, with `retains`). Returns whether more fits. */
  protected abstract send(bytes: Uint8Array, attributes: MessageAttributes, owned: boolean): boolean;

  /** Tells the peer that our direction has ended, where the transport can. */
  protected abstract sendEnd(tail?: Tail): void;

  /** Gives the transport back. What was sent must still reach the peer, unless the reason is a reset. */
  protected abstract shut(reason: CloseReason): void;

  /** Asks the transport to stop, or go on, delivering. What comes nevertheless is queued. */
  protected holdSource(): void {}
  protected releaseSource(): void {}

  // ------------------------------------------------------------------ own

  /** Whether it is in any of these states. */
  #is(states: number): boolean {
    return (this.#state & states) !== 0;
  }

  #hold(): void {
    if (!this.#is(CLOSED) && !this.#closing) this.holdSource();
  }

  #hand(bytes: Uint8Array, attributes: MessageAttributes, owned: boolean): void {
    try {
      this.#reader?.message(bytes, attributes, owned);
    } catch (error) {
      this.#fail(error);
    }
  }

  #fail(error: unknown): void {
    const message = error instanceof Error ? error.message : String(error);
    if (this.#is(CLOSED)) return;
    const { owner } = this;
    // Of an exception the peer is told nothing.
    this.close({ kind: 'error', message: 'the session failed' });
    owner?.closed(this, { kind: 'error', message });
  }

  // A transport that can be held has little in flight then, and loses none of it; a lossy one is bounded.
  #enqueue(bytes: Uint8Array, attributes: MessageAttributes, owned: boolean): void {
    this.#queue ??= new MessageQueue();
    const { bytes: maxBytes, messages } = this.limits;
    if (this.lossy && (this.#queue.length >= messages || this.#queue.bytes + bytes.length > maxBytes)) {
      this.drop('queue-full');
      return;
    }
    if (this.kind === 'stream') this.#queue.append(bytes, attributes, owned);
    else this.#queue.push(owned ? bytes : new Uint8Array(bytes), attributes);
  }

  #discard(): void {
    if (this.#queue?.length) this.drop('closed', this.#queue.length);
    this.#queue = undefined;
  }

  #flow(): void {
    if (this.#is(DRAINING)) return;
    this.#state |= DRAINING;
    while (this.#reader && !this.#is(PAUSED) && this.#queue?.length) {
      const { bytes, attributes } = this.#queue.shift();
      this.#hand(bytes, attributes, true);
    }
    this.#state &= ~DRAINING;
    if (this.#is(CLOSED) || !this.#reader || this.#is(PAUSED)) return;
    this.#queue = undefined;
    if (this.#is(ENDED)) this.#settle();
    else this.releaseSource();
  }

  /** Hands the end and the close on, once all that came before them was read. */
  #settle(): void {
    const failed = this.#closing && this.#closing.kind !== 'end';
    if (!failed && (!this.#reader || this.#is(PAUSED | DRAINING) || this.#queue?.length)) return;
    if (!failed && !this.#is(END_READ)) {
      this.#state |= END_READ;
      try {
        this.#reader?.end(this.#tail);
      } catch (error) {
        this.#fail(error);
        return;
      }
    }
    if (!this.#closing || this.#is(CLOSED)) return;
    const { owner } = this;
    this.#state |= CLOSED;
    this.#reader = undefined;
    owner?.closed(this, this.#closing);
  }
}
