import { BINARY, Channel, type QueueLimits } from '../../core/channel.ts';
import type { Metadata } from '../../core/metadata.ts';
import type { Acceptor, Ends, Relay, SocketChannel } from '../engine.ts';
import { MAX_DATAGRAM } from '../node/datagram.ts';
import { sourceAt } from './address.ts';
import * as k from './constants.ts';
import { SlotCounters } from './counters.ts';
import { errorName, libc } from './libc.ts';
import * as sockets from './sockets.ts';
import { type Held, type IoThread, scratchArena } from './thread.ts';
import * as wire from './wire.ts';

const FLAGS = k.MSG_DONTWAIT | k.MSG_NOSIGNAL;

/** Offsets in the scratch arena: a msghdr, its vector, the bytes. */
const HEADER = 512;
const VECTOR = 576;
const DATA = 4096;

/** A correspondent by datagrams. The engine's thread receives; what JavaScript sends is sent here, at once. */
export abstract class NativeDatagramChannel extends Channel implements SocketChannel, Held {
  readonly kind = 'datagram';
  override readonly bare = true;
  override readonly lossy = true;
  override maxMessage = MAX_DATAGRAM;
  protected override readonly retains = false;
  abstract readonly ends: Ends;
  abstract readonly id: number;
  protected thread: IoThread;
  protected readonly fd: number;
  #other: NativeDatagramChannel | undefined;
  #delivered = false;
  #counters: SlotCounters | undefined;
  #activeAt = 0;

  constructor(thread: IoThread, fd: number, limits: QueueLimits) {
    super(limits);
    this.thread = thread;
    this.fd = fd;
  }

  // ------------------------------------------------------------------ relays

  static join(a: NativeDatagramChannel, b: NativeDatagramChannel): Relay | undefined {
    if (!a.#free || !b.#free || !(b.moveTo(a.thread) || a.moveTo(b.thread))) return undefined;
    if (!a.engage() || !b.engage()) return undefined;
    a.#other = b;
    b.#other = a;
    a.#delivered = false;
    b.#delivered = false;
    a.thread.send(wire.Command.Couple, a.id, b.id);
    return { lastActive: () => Math.max(a.#lastActive(), b.#lastActive()) };
  }

  get #free(): boolean {
    return this.open && !this.#other && this.queued === 0;
  }

  /** Chooses its thread, where none knows it yet. Returns whether it is that one. */
  protected moveTo(thread: IoThread): boolean {
    return thread === this.thread;
  }

  /** Makes its thread know it. Returns whether it does. */
  protected abstract engage(): boolean;

  #lastActive(): number {
    if (this.open) this.#activeAt = this.#slot?.activeAt ?? 0;
    return this.#activeAt;
  }

  override refresh(): void {
    if (this.open) this.#slot?.addTo(this);
  }

  get #slot(): SlotCounters | undefined {
    if (this.id >= 0) this.#counters ??= new SlotCounters(this.thread.shared, this.id);
    return this.#counters;
  }

  // ------------------------------------------------------------------ what the engine's thread says

  report(type: number, at: number): void {
    const { i32, u8 } = this.thread.shared.arena;
    const value = i32[at] as number;
    if (type === wire.Report.Datagram) {
      const from = (at + 1) << 2;
      this.deliver(u8.subarray(from, from + value), BINARY, false);
    } else if (type === wire.Report.Fault) this.owner?.fault?.(this, errorName(value));
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
    if (this.#other || this.#delivered || !this.engage()) return;
    this.#delivered = true;
    this.thread.send(wire.Command.Deliver, this.id);
  }

  protected override send(bytes: Uint8Array): boolean {
    scratchArena().u8.set(bytes, DATA);
    const errno = this.#transmit(bytes.length);
    if (errno !== 0) this.#retry(errno, bytes.length);
    return true;
  }

  // A pending ICMP error is reported by the next send(2), which then has not sent: it is sent again, once (udp(7)).
  #retry(errno: number, size: number): void {
    if (errno === k.EAGAIN) {
      this.drop('queue-full');
      return;
    }
    this.owner?.fault?.(this, `send: ${errorName(errno)}`);
    if (errno === k.EMSGSIZE) this.drop('too-large');
    else if (this.open && this.#transmit(size) !== 0) this.drop('send-error');
  }

  /** Returns 0, or the error. */
  #transmit(size: number): number {
    const arena = scratchArena();
    const address = this.address();
    const sent =
      address === undefined
        ? libc().send(this.fd, arena.base + DATA, size, FLAGS)
        : libc().sendmsg(this.fd, this.#header(size, address), FLAGS);
    return sent < 0 ? libc().errno() : 0;
  }

  /** The offset of the slot with the address to send to; undefined where the socket is connected. */
  protected abstract address(): number | undefined;

  #header(size: number, address: number): number {
    const arena = scratchArena();
    const { u32 } = arena;
    const engine = this.thread.shared.arena;
    const control = engine.u32[(address + wire.CONTROL_LENGTH) >> 2] as number;
    u32.fill(0, HEADER >> 2, (HEADER + 56) >> 2);
    u32[HEADER >> 2] = address;
    u32[(HEADER + 4) >> 2] = engine.high;
    u32[(HEADER + 8) >> 2] = engine.u32[(address + wire.ADDRESS_LENGTH) >> 2] as number;
    arena.point(HEADER + 16, VECTOR);
    u32[(HEADER + 24) >> 2] = 1;
    u32[(HEADER + 32) >> 2] = address + wire.CONTROL;
    u32[(HEADER + 36) >> 2] = engine.high;
    u32[(HEADER + 40) >> 2] = control;
    arena.point(VECTOR, DATA);
    u32[(VECTOR + 8) >> 2] = size;
    u32[(VECTOR + 12) >> 2] = 0;
    return arena.base + HEADER;
  }

  protected override sendEnd(): void {}

  protected override shut(): void {
    if (this.#other) this.#other.#other = undefined;
    this.#other = undefined;
    this.#activeAt = this.#counters?.activeAt ?? 0;
    this.#slot?.addTo(this);
    this.giveUp();
  }

  /** Gives the socket, or the place at one, back. */
  protected abstract giveUp(): void;
}

/** A socket that is connected to one peer: a bare descriptor until it is relayed or read. */
export class ConnectedChannel extends NativeDatagramChannel {
  id = -1;
  readonly #remote: { readonly address: string; readonly port: number };
  #ends: Ends | undefined;

  constructor(thread: IoThread, fd: number, limits: QueueLimits, remote: { address: string; port: number }) {
    super(thread, fd, limits);
    this.#remote = remote;
    thread.use();
  }

  get ends(): Ends {
    if (this.#ends) return this.#ends;
    const local = this.open ? sockets.localAddress(this.fd) : { address: '', port: 0 };
    const { address, port } = this.#remote;
    this.#ends = { localAddress: local.address, localPort: local.port, remoteAddress: address, remotePort: port };
    return this.#ends;
  }

  protected override moveTo(thread: IoThread): boolean {
    if (this.id < 0 && thread !== this.thread) {
      this.thread.unuse();
      this.thread = thread;
      thread.use();
    }
    return super.moveTo(thread);
  }

  override lost(): void {
    super.lost();
    if (this.thread.failed) libc().close(this.fd);
  }

  protected override engage(): boolean {
    if (this.id >= 0) return true;
    const { thread, limits } = this;
    this.id = thread.slots.take();
    if (this.id < 0) return false;
    thread.adopt(this);
    thread.send(wire.Command.Adopt, this.id, this.fd, bounded(limits.bytes), bounded(limits.messages));
    return true;
  }

  protected override address(): undefined {
    return undefined;
  }

  protected override giveUp(): void {
    const { thread, id } = this;
    thread.unuse();
    if (id < 0) libc().close(this.fd);
    else {
      thread.release(id);
      thread.send(wire.Command.Close, id, -1, 0);
    }
  }
}

/** What a port is to its peers. */
export interface PeerHost {
  readonly fd: number;
  readonly thread: IoThread;
  forget(channel: PeerChannel): void;
}

/** A peer of a listening socket. */
export class PeerChannel extends NativeDatagramChannel {
  readonly id: number;
  readonly ends: Ends;
  readonly #port: PeerHost;
  readonly #acceptor: Acceptor;

  constructor(id: number, ends: Ends, port: PeerHost, acceptor: Acceptor) {
    super(port.thread, port.fd, acceptor.limits);
    this.id = id;
    this.ends = ends;
    this.#port = port;
    this.#acceptor = acceptor;
  }

  get answersFrom(): string | undefined {
    const { shared } = this.thread;
    return sourceAt(shared.arena, wire.addressOf(shared, this.id));
  }

  override describe(): Metadata {
    return this.#acceptor.describe(this);
  }

  override lost(): void {
    if (this.open) this.#port.forget(this);
    super.lost();
  }

  protected override engage(): boolean {
    return true;
  }

  protected override address(): number {
    return wire.addressOf(this.thread.shared, this.id);
  }

  protected override giveUp(): void {
    this.thread.release(this.id);
    this.thread.send(wire.Command.Close, this.id, -1, 0);
    this.#port.forget(this);
  }
}

/** A limit as a word of a record. */
export function bounded(limit: number): number {
  return Math.min(limit, 0x7fffffff);
}
