import { BINARY, Channel, type QueueLimits } from '../../core/channel.ts';
import type { Acceptor, Ends, Relay, SocketChannel } from '../../core/engine.ts';
import { L7mpError } from '../../core/errors.ts';
import type { Metadata } from '../../core/metadata.ts';
import { MAX_DATAGRAM } from '../node/datagram.ts';
import { sourceAt } from './address.ts';
import { activeAt, SlotCounters, waitingAt } from './counters.ts';
import { errorName, libc } from './libc.ts';
import type { Sending } from './outbox.ts';
import * as sockets from './sockets.ts';
import type { Held, IoThread } from './thread.ts';
import * as wire from './wire.ts';

/**
 * Where its datagrams go: nowhere yet, so that they wait; to the other one of a relay, which the engine's thread is told
 * of (`coupling`), or knows; to JavaScript.
 */
type Way = 'none' | 'coupling' | 'coupled' | 'delivered';

/** A correspondent by datagrams. The engine's thread receives; what JavaScript sends goes by the outbox. */
export abstract class NativeDatagramChannel extends Channel implements SocketChannel, Held, Relay, Sending {
  abstract readonly ends: Ends;
  abstract readonly id: number;
  protected thread: IoThread;
  readonly fd: number;
  segments = true;
  #other: NativeDatagramChannel | undefined;
  #way: Way = 'none';
  #counters: SlotCounters | undefined;
  /** When the engine's thread last had something from either side of the relay. */
  #activeAt = 0;

  constructor(thread: IoThread, fd: number, limits: QueueLimits) {
    super(limits);
    this.thread = thread;
    this.fd = fd;
  }

  get kind(): 'datagram' {
    return 'datagram';
  }

  override get maxMessage(): number {
    return MAX_DATAGRAM;
  }

  override get lossy(): boolean {
    return true;
  }

  // What goes another way from now on must not overtake what has waited.
  override get socket(): SocketChannel | undefined {
    return this.#way === 'coupling' ? undefined : this;
  }

  protected override get retains(): boolean {
    return false;
  }

  // ------------------------------------------------------------------ relays

  static join(a: NativeDatagramChannel, b: NativeDatagramChannel): Relay | undefined {
    if (!a.#free || !b.#free || !(b.moveTo(a.thread) || a.moveTo(b.thread))) return undefined;
    a.engage();
    b.engage();
    a.#other = b;
    b.#other = a;
    a.#way = 'coupling';
    b.#way = 'coupling';
    // The engine's thread sends from now on.
    a.thread.outbox.flush();
    a.thread.send(wire.Command.Couple, a.id, b.id);
    return a;
  }

  get #free(): boolean {
    return this.open && !this.#other && this.queued === 0;
  }

  /** Chooses its thread, where none knows it yet. Returns whether it is that one. */
  protected moveTo(thread: IoThread): boolean {
    return thread === this.thread;
  }

  /** Makes its thread know it. */
  protected abstract engage(): void;

  lastActive(): number {
    if (this.open) this.#noteActivity(this);
    if (this.#other) this.#noteActivity(this.#other);
    return this.#activeAt;
  }

  #noteActivity({ thread, id }: NativeDatagramChannel): void {
    if (id >= 0) this.#activeAt = Math.max(this.#activeAt, activeAt(thread.shared, id));
  }

  override refresh(): void {
    if (this.open) this.#count();
  }

  #count(): void {
    if (this.id < 0) return;
    this.#counters ??= new SlotCounters(this.thread.shared, this.id);
    this.#counters.addTo(this);
  }

  #dropWaiting(): void {
    const waiting = this.id < 0 ? 0 : waitingAt(this.thread.shared, this.id);
    if (waiting > 0) this.drop('closed', waiting);
  }

  // ------------------------------------------------------------------ what the engine's thread says

  report(type: number, at: number): void {
    const { i32, u8 } = this.thread.shared.arena;
    const value = i32[at] as number;
    if (type === wire.Report.Datagram || type === wire.Report.Waited) {
      const from = (at + 1) << 2;
      if (type === wire.Report.Waited) this.#uncount(value);
      this.deliver(u8.subarray(from, from + value), BINARY, false);
    } else if (type === wire.Report.Coupled) this.#coupled(value);
    else if (type === wire.Report.Dropped) this.#count();
    else if (type === wire.Report.Wanders) this.owner?.wanders?.();
    else if (type === wire.Report.Fault) this.owner?.fault?.(this, errorName(value));
  }

  #coupled(id: number): void {
    if (this.#other?.id !== id) return;
    this.#way = 'coupled';
    this.#other.#way = 'coupled';
    this.owner?.socketChanged?.(this);
  }

  // It was counted when it came, and is once more when it is delivered.
  #uncount(bytes: number): void {
    this.#count();
    this.messagesIn--;
    this.bytesIn -= bytes;
  }

  lost(): void {
    this.deliverClose(
      this.thread.failed
        ? { kind: 'error', message: 'its I/O thread has failed' }
        : { kind: 'end', message: 'the engine is closed' },
    );
  }

  // ------------------------------------------------------------------ JavaScript

  protected override releaseSource(): void {
    if (this.#other || this.#way === 'delivered') return;
    this.engage();
    this.#way = 'delivered';
    this.thread.send(wire.Command.Deliver, this.id);
  }

  protected override send(bytes: Uint8Array): boolean {
    this.thread.outbox.add(this, bytes);
    return true;
  }

  abstract address(): number | undefined;

  failed(errno: number): void {
    this.owner?.fault?.(this, `send: ${errorName(errno)}`);
  }

  protected override sendEnd(): void {}

  protected override shut(): void {
    const other = this.#other;
    this.#noteActivity(this);
    this.#count();
    this.#dropWaiting();
    if (other) {
      // Either of them stands for the relay.
      other.#noteActivity(this);
      other.#other = undefined;
      other.#way = 'none';
    }
    this.#other = undefined;
    this.thread.outbox.flush();
    this.giveUp();
  }

  /** Gives the socket, or the place at one, back. */
  protected abstract giveUp(): void;
}

/** A socket that is connected to one peer: a bare descriptor until it is relayed or read. */
export class ConnectedChannel extends NativeDatagramChannel {
  id = -1;
  /** Kept from the start, so that it can be relayed or read whatever else is opened meanwhile. */
  #slot: number;
  readonly #host: string;
  readonly #port: number;
  #ends: Ends | undefined;

  /** Throws E_LIMIT, and leaves the descriptor alone, where the thread has no slot left. */
  constructor(thread: IoThread, fd: number, limits: QueueLimits, host: string, port: number) {
    super(thread, fd, limits);
    this.#slot = thread.slots.take();
    if (this.#slot < 0) throw noSlot();
    thread.connections.open++;
    this.#host = host;
    this.#port = port;
    thread.use();
  }

  get ends(): Ends {
    if (this.#ends) return this.#ends;
    const local = this.open ? sockets.localAddress(this.fd) : { address: '', port: 0 };
    this.#ends = {
      localAddress: local.address,
      localPort: local.port,
      remoteAddress: this.#host,
      remotePort: this.#port,
    };
    return this.#ends;
  }

  protected override moveTo(thread: IoThread): boolean {
    if (this.id < 0 && thread !== this.thread) {
      const slot = thread.slots.take();
      if (slot < 0) return false;
      this.thread.slots.give(this.#slot);
      this.#slot = slot;
      this.thread.outbox.flush();
      this.thread.unuse();
      this.thread = thread;
      thread.use();
    }
    return super.moveTo(thread);
  }

  override lost(): void {
    super.lost();
    this.thread.connections.open--;
    if (this.thread.failed) libc().close(this.fd);
  }

  protected override engage(): void {
    if (this.id >= 0) return;
    const { thread, limits } = this;
    this.id = this.#slot;
    thread.adopt(this);
    thread.send(wire.Command.Adopt, this.id, this.fd, bounded(limits.bytes), bounded(limits.messages));
  }

  override address(): undefined {
    return undefined;
  }

  protected override giveUp(): void {
    const { thread, id } = this;
    thread.connections.open--;
    thread.unuse();
    if (id < 0) {
      thread.slots.give(this.#slot);
      libc().close(this.fd);
    } else {
      thread.release(id);
      thread.send(wire.Command.Close, id, -1, 0);
    }
  }
}

/** What a port is to its peers. */
export interface PeerHost {
  readonly fd: number;
  readonly thread: IoThread;
  /** The ends of the peer whose address is in a slot. */
  endsOf(thread: IoThread, id: number): Ends;
  forget(channel: PeerChannel): void;
}

/** A peer of a listening socket. */
export class PeerChannel extends NativeDatagramChannel {
  readonly id: number;
  /** Known otherwise than by its slot: it was told, or has given the slot back. */
  #ends: Ends | undefined;
  readonly #port: PeerHost;
  readonly #acceptor: Acceptor;

  constructor(id: number, ends: Ends | undefined, port: PeerHost, acceptor: Acceptor) {
    super(port.thread, port.fd, acceptor.limits);
    this.id = id;
    this.#ends = ends;
    this.#port = port;
    this.#acceptor = acceptor;
  }

  // An idle session has no use for them, and the slot has the address.
  get ends(): Ends {
    return this.#ends ?? this.#port.endsOf(this.thread, this.id);
  }

  get wanders(): boolean {
    const { arena } = this.thread.shared;
    return arena.u32[(wire.addressOf(this.thread.shared, this.id) + wire.WANDERS) >> 2] !== 0;
  }

  get answersFrom(): string | undefined {
    const { shared } = this.thread;
    return sourceAt(shared.arena, wire.addressOf(shared, this.id));
  }

  override describe(): Metadata {
    return this.#acceptor.describe(this);
  }

  override lost(): void {
    this.#ends = this.ends;
    if (this.open) this.#port.forget(this);
    super.lost();
  }

  protected override engage(): void {}

  override address(): number {
    return wire.addressOf(this.thread.shared, this.id);
  }

  protected override giveUp(): void {
    this.#ends = this.ends;
    this.thread.release(this.id);
    this.thread.send(wire.Command.Close, this.id, -1, 0);
    this.#port.forget(this);
  }
}

/** A limit as a word of a record. */
export function bounded(limit: number): number {
  return Math.min(limit, 0x7fffffff);
}

export function noSlot(): L7mpError {
  return new L7mpError('E_LIMIT', 'the engine holds as many sockets as it can');
}
