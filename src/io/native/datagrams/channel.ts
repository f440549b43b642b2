import { BINARY, Channel, type CloseReason } from '../../../core/channel.ts';
import type { Ends, Relay, SocketChannel } from '../../../core/engine.ts';
import { MAX_DATAGRAM } from '../../node/datagram.ts';
import { errorName } from '../system/libc.ts';
import type { DatagramHub } from './hub.ts';
import type { Destination } from './sender.ts';

/** A correspondent by datagrams. What it sends goes to the other one of a relay, or is delivered to JavaScript. */
export abstract class DatagramChannel extends Channel implements SocketChannel, Relay, Destination {
  abstract readonly ends: Ends;
  abstract readonly fd: number;
  abstract readonly address: number;
  protected abstract readonly hub: DatagramHub;
  segments = true;
  message = -1;
  #other: DatagramChannel | undefined;
  /** When something last came while it was joined, in whole milliseconds: a small integer costs no object. */
  #activeAt = 0;

  get kind(): 'datagram' {
    return 'datagram';
  }

  override get maxMessage(): number {
    return MAX_DATAGRAM;
  }

  override get socket(): SocketChannel {
    return this;
  }

  override get lossy(): boolean {
    return true;
  }

  protected override get retains(): boolean {
    return false;
  }

  // ------------------------------------------------------------------ relays

  /** What has waited in either is on its way when this returns. Undefined where the two cannot be joined. */
  static join(a: DatagramChannel, b: DatagramChannel): Relay | undefined {
    if (!a.#free || !b.#free || a.hub !== b.hub) return undefined;
    a.#other = b;
    b.#other = a;
    const waited = a.queued + b.queued;
    a.takeQueued((bytes) => a.#forward(b, bytes));
    b.takeQueued((bytes) => b.#forward(a, bytes));
    // What goes another way from now on must not overtake it.
    if (waited > 0) a.hub.sender.flush();
    return a;
  }

  get #free(): boolean {
    return this.open && !this.#other;
  }

  lastActive(): number {
    const other = this.#other;
    return other ? Math.max(this.#activeAt, other.#activeAt) : this.#activeAt;
  }

  // Either of them stands for the relay. What was received leaves before what JavaScript writes: by the same sender.
  part(): void {
    const other = this.#other;
    if (!other) return;
    this.#activeAt = other.#activeAt = this.lastActive();
    this.#other = other.#other = undefined;
  }

  #forward(to: DatagramChannel, bytes: Uint8Array): void {
    to.messagesOut++;
    to.bytesOut += bytes.length;
    this.hub.sender.write(to, bytes);
  }

  // ------------------------------------------------------------------ receiving

  /** The peer has sent what the n-th buffer of the batch holds. */
  protected received(n: number): void {
    const { hub } = this;
    const { batch, loop } = hub;
    const size = batch.size(n);
    const segment = batch.segment(n);
    const at = batch.data(n);
    if (this.#other) {
      this.#pass(this.#other, at, size, segment);
      return;
    }
    hub.called = true;
    if (size <= segment) this.deliver(loop.arena.u8.subarray(at, at + size), BINARY, false);
    else this.#deliverSegments(at, size, segment);
  }

  #pass(to: DatagramChannel, at: number, size: number, segment: number): void {
    const { sender, loop } = this.hub;
    const messages = size > segment ? Math.ceil(size / segment) : 1;
    this.#activeAt = loop.now;
    this.messagesIn += messages;
    this.bytesIn += size;
    to.messagesOut += messages;
    to.bytesOut += size;
    sender.add(to, at, size, segment);
  }

  // Whoever hears one of them may have it joined.
  #deliverSegments(at: number, size: number, segment: number): void {
    const { u8 } = this.hub.loop.arena;
    const end = at + size;
    for (let from = at; from < end; from += segment) {
      if (this.#other) {
        this.#pass(this.#other, from, end - from, segment);
        return;
      }
      this.deliver(u8.subarray(from, Math.min(from + segment, end)), BINARY, false);
    }
  }

  // ------------------------------------------------------------------ sending

  protected override send(bytes: Uint8Array): boolean {
    this.hub.sender.write(this, bytes);
    return true;
  }

  failed(errno: number): void {
    if (this.open) this.owner?.fault?.(this, `send: ${errorName(errno)}`);
  }

  protected override sendEnd(): void {}

  // ------------------------------------------------------------------ the end

  protected override shut(): void {
    this.part();
    // Its address, or its descriptor, may be another one's from now on.
    if (this.message >= 0) this.hub.sender.flush();
    this.giveUp();
  }

  /** Closes it from below. */
  lose(reason: CloseReason): void {
    if (!this.open) return;
    this.shut();
    this.deliverClose(reason);
  }

  /** Gives the socket, or the place at one, back. */
  protected abstract giveUp(): void;
}
