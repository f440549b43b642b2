import * as net from 'node:net';
import { BINARY, type CloseReason, type MessageAttributes, type QueueLimits } from '../../core/channel.ts';
import type { Acceptor, Ends, Relay, SocketChannel } from '../../core/engine.ts';
import type { Loan } from '../node/loan.ts';
import { NodeStreamChannel } from '../node/stream.ts';
import { activeAt, takeCounters } from './counters.ts';
import { errorName } from './libc.ts';
import * as sockets from './sockets.ts';
import type { Held, IoThread } from './thread.ts';
import * as wire from './wire.ts';

/**
 * Who has the descriptor. `bare`: this channel, and nothing was read or written. `engine`: the engine's thread.
 * `returning`: it is asked to give it back. `node`: a node socket, as with the portable engine, for good. `gone`: nobody.
 */
type State = 'bare' | 'engine' | 'returning' | 'node' | 'gone';

const CLOSED: CloseReason = { kind: 'end', message: 'closed by the peer' };
const FAILED: CloseReason = { kind: 'error', message: 'its I/O thread has failed' };

/** A byte stream that is a bare descriptor until something in JavaScript reads or writes it. */
export class NativeStreamChannel extends NodeStreamChannel implements Held {
  id = -1;
  /** Another one may take it over as long as it is bare. */
  #thread: IoThread;
  readonly #fd: number;
  readonly #onSocket: (socket: net.Socket) => Loan;
  #state: State = 'bare';
  /** Whose local port is 0 while nobody has asked for it. */
  #ends: Ends | undefined;
  /** The one that the engine's thread has joined it with. */
  #other: NativeStreamChannel | undefined;
  /** The engine's thread has ended our direction already. */
  #shut = false;
  #activeAt = 0;
  /** Written while the descriptor was on its way back. */
  #written: Uint8Array[] | undefined;

  /** `ends`: undefined for UNIX sockets; its local port may be 0, for not known yet. `onSocket`: told of the node socket that it becomes. */
  constructor(
    thread: IoThread,
    fd: number,
    limits: QueueLimits,
    ends: Ends | undefined,
    onSocket: (socket: net.Socket) => Loan,
    acceptor?: Acceptor,
  ) {
    super(limits, acceptor);
    this.#thread = thread;
    this.#fd = fd;
    this.#ends = ends;
    this.#onSocket = onSocket;
    thread.connections.open++;
    thread.use();
  }

  override get socket(): SocketChannel | undefined {
    return this;
  }

  override get ends(): Ends | undefined {
    if (this.#ends?.localPort === 0 && this.#state !== 'gone') {
      const { address, port } = sockets.localAddress(this.#fd);
      this.#ends = { ...this.#ends, localAddress: address, localPort: port };
    }
    return this.#ends;
  }

  // ------------------------------------------------------------------ relays

  /** Joins two channels, if both can be. `mends`: the end of `b` is not passed on by itself. */
  static join(a: NativeStreamChannel, b: NativeStreamChannel, mends: boolean): Relay | undefined {
    if (!a.#free || !b.#free || !(b.#moveTo(a.#thread) || a.#moveTo(b.#thread))) return undefined;
    if (a.#thread.ended || !a.#takeSlot()) return undefined;
    if (!b.#takeSlot()) {
      a.#giveSlot();
      return undefined;
    }
    const [first, second] = [a.#handOver(), b.#handOver()];
    a.#other = b;
    b.#other = a;
    let flags = mends ? wire.PASS_FIRST : wire.PASS_FIRST | wire.PASS_SECOND;
    if (a.endSent) flags |= wire.SHUT_FIRST;
    if (b.endSent) flags |= wire.SHUT_SECOND;
    if (!a.#ends) flags |= wire.CUT_FIRST;
    if (!b.#ends) flags |= wire.CUT_SECOND;
    a.#thread.send(wire.Command.Relay, a.id, first, b.id, second, flags);
    return { lastActive: () => Math.max(a.#lastActive(), b.#lastActive()) };
  }

  get #free(): boolean {
    return this.open && !this.#other && this.queued === 0 && (this.#state === 'bare' || this.#state === 'engine');
  }

  /** Chooses its thread, where none knows it yet. Returns whether it is that one. */
  #moveTo(thread: IoThread): boolean {
    if (this.#state === 'bare' && thread !== this.#thread) {
      this.#thread.unuse();
      this.#thread = thread;
      thread.use();
    }
    return thread === this.#thread;
  }

  /** While it is neither joined nor read, the engine's thread sees when it breaks. */
  watch(): void {
    if (this.#state !== 'bare' || !this.open || this.#thread.ended || !this.#takeSlot()) return;
    this.#thread.send(wire.Command.Hold, this.id, this.#handOver());
  }

  /** Returns whether it has a slot: its thread may have none left, and then JavaScript carries it. */
  #takeSlot(): boolean {
    if (this.#state === 'bare') this.id = this.#thread.slots.take();
    return this.id >= 0;
  }

  /** Gives back one that was taken for nothing. */
  #giveSlot(): void {
    if (this.#state !== 'bare') return;
    this.#thread.slots.give(this.id);
    this.id = -1;
  }

  /** Makes the descriptor the engine's thread's; -1 where it was already. */
  #handOver(): number {
    if (this.#state === 'engine') return -1;
    const thread = this.#thread;
    thread.adopt(this);
    thread.unuse();
    this.#state = 'engine';
    return this.#fd;
  }

  #lastActive(): number {
    if (this.#held) this.#activeAt = activeAt(this.#thread.shared, this.id);
    return this.#activeAt;
  }

  // Nothing was read or written before: what has passed is what the engine's thread has counted, and what waits here.
  override refresh(): void {
    if (!this.#held) return;
    takeCounters(this, this.#thread.shared, this.id);
    if (!this.#written) return;
    this.messagesOut += this.#written.length;
    for (const { length } of this.#written) this.bytesOut += length;
  }

  /** It has a slot. */
  get #held(): boolean {
    return this.#state === 'engine' || this.#state === 'returning';
  }

  // ------------------------------------------------------------------ what the engine's thread says

  report(type: number, at: number): void {
    const value = this.#thread.shared.arena.i32[at] as number;
    if (type === wire.Report.Ended) this.#peerEnded(value);
    else if (type === wire.Report.Closed) {
      this.#leave('gone');
      this.deliverClose(value === 0 ? CLOSED : { kind: 'reset', message: errorName(value) });
    } else if (type === wire.Report.Released) {
      this.#leave('bare');
      this.#thread.use();
      this.#becomeNode();
    }
  }

  lost(): void {
    this.#leave('gone');
    if (this.#thread.failed) sockets.close(this.#thread, this.#fd, true);
    this.deliverClose(this.#thread.failed ? FAILED : CLOSED);
  }

  #peerEnded(flags: number): void {
    const other = this.#other;
    if (other && flags & wire.PASSED) other.#shut = true;
    if (flags & wire.CLOSED_THIS) this.#leave('gone');
    if (other && flags & wire.CLOSED_OTHER) other.#leave('gone');
    this.deliverEnd();
    if (flags & wire.CLOSED_THIS) this.deliverClose(CLOSED);
    if (other && flags & wire.CLOSED_OTHER) other.deliverClose(CLOSED);
  }

  /** The engine's thread does not have it any more. */
  #leave(state: State): void {
    this.refresh();
    this.#lastActive();
    this.#part();
    this.#state = state;
    if (state === 'gone') this.#thread.connections.open--;
    this.#thread.release(this.id);
  }

  #part(): void {
    if (this.#other) this.#other.#other = undefined;
    this.#other = undefined;
  }

  // ------------------------------------------------------------------ JavaScript

  override takeSocket(): net.Socket | undefined {
    if (this.#state === 'bare' && this.open) this.#becomeNode();
    return super.takeSocket();
  }

  protected override send(bytes: Uint8Array, attributes: MessageAttributes, owned: boolean): boolean {
    this.#toJavaScript();
    if (this.#state === 'node') return super.send(bytes, attributes, owned);
    this.#written ??= [];
    this.#written.push(owned ? bytes : new Uint8Array(bytes));
    return false;
  }

  protected override sendEnd(): void {
    if (this.#state === 'node') super.sendEnd();
    else if (this.#state === 'bare') sockets.shutdown(this.#fd);
    else if (this.#state === 'engine' && !this.#shut) this.#thread.send(wire.Command.End, this.id);
  }

  protected override holdSource(): void {
    if (this.#state === 'node') super.holdSource();
  }

  protected override releaseSource(): void {
    if (!this.#other) this.#toJavaScript();
    if (this.#state === 'node') super.releaseSource();
  }

  protected override shut(reason: CloseReason): void {
    const reset = reason.kind === 'reset';
    if (this.#state === 'node') super.shut(reason);
    else if (this.#state === 'bare') {
      this.#state = 'gone';
      this.#thread.connections.open--;
      this.#thread.unuse();
      sockets.close(this.#thread, this.#fd, reset);
    } else if (this.#state !== 'gone') {
      const { id } = this;
      this.#leave('gone');
      this.#thread.send(wire.Command.Close, id, -1, reset ? 1 : 0);
    }
    this.#written = undefined;
  }

  #toJavaScript(): void {
    if (this.#state === 'bare') this.#becomeNode();
    else if (this.#state === 'engine') {
      this.#part();
      this.#state = 'returning';
      this.#thread.send(wire.Command.Release, this.id);
    }
  }

  #becomeNode(): void {
    this.#thread.unuse();
    this.#state = 'node';
    // Counted from now on as what it becomes.
    this.#thread.connections.open--;
    const socket = new net.Socket({ fd: this.#fd, allowHalfOpen: true, readable: true, writable: true });
    this.setSocket(socket, this.#onSocket(socket));
    const written = this.#written;
    this.#written = undefined;
    const full = written ? written.map((bytes) => super.send(bytes, BINARY, true)).includes(false) : false;
    if (this.endSent) super.sendEnd();
    else if (written && !full) this.drained();
    if (!this.held) super.releaseSource();
  }
}
