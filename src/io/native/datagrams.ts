/** The engine's thread's side of datagrams: sockets that are connected, and the peers of sockets that are not. */
import type { QueueLimits } from '../../core/channel.ts';
import { EAGAIN, EPOLLIN, IPPROTO_UDP, UDP_GRO } from './constants.ts';
import { BATCH, ReceiveBatch } from './datagram-batch.ts';
import { type Libc, libc } from './libc.ts';
import type { Loop, Pollable } from './loop.ts';
import { Registry } from './registry.ts';
import { type Destination, type Message, Sender } from './sender.ts';
import * as wire from './wire.ts';

/** Batches that a socket has before others have their turn. */
export const ROUNDS = 4;

const LARGEST = 65_536;

/** What the datagram sockets of one thread share. */
export class Datagrams {
  readonly c: Libc = libc();
  readonly loop: Loop;
  readonly known = new Registry<Datagram>();
  readonly slots = new wire.Slots(wire.HALF);
  readonly batch: ReceiveBatch;
  readonly sender: Sender;
  /** For a datagram that had to wait. */
  readonly buffer: number;
  #limits: QueueLimits = { bytes: 0, messages: 0 };

  constructor(loop: Loop) {
    this.loop = loop;
    this.batch = new ReceiveBatch(loop.arena);
    this.sender = new Sender(loop);
    this.buffer = loop.arena.take(LARGEST);
  }

  /** Limits as one object for all that have the same, as most do. */
  limits(bytes: number, messages: number): QueueLimits {
    if (this.#limits.bytes !== bytes || this.#limits.messages !== messages) this.#limits = { bytes, messages };
    return this.#limits;
  }

  /** Has the kernel hand over datagrams of one sender joined, where they came so. Returns whether it does. */
  join(fd: number): boolean {
    const { arena } = this.loop;
    arena.i32[this.buffer >> 2] = 1;
    return this.c.setsockopt(fd, IPPROTO_UDP, UDP_GRO, arena.base + this.buffer, 4) === 0;
  }
}

/** Single datagrams that are received before many are asked for again. */
const SINGLES = 9;

/**
 * One call receives one datagram where there is seldom more, which is cheaper then, and many where there are many: it is
 * tried again from time to time. `singles`: how often one was asked for by now, 0 where it is many. Returns the next,
 * after so many have come.
 */
export function nextSingles(singles: number, count: number): number {
  if (singles > 0) return (singles + 1) % SINGLES;
  return count === 1 ? 1 : 0;
}

/** What has come and waits until it is known where it goes. */
interface Waiting {
  readonly messages: Uint8Array[];
  bytes: number;
}

/** One correspondent. What it sends goes to another one, to the main thread, or waits until it is known where. */
export abstract class Datagram implements Destination {
  readonly id: number;
  readonly fd: number;
  abstract get named(): boolean;
  segments = true;
  message: Message | undefined;
  protected readonly shared: Datagrams;
  readonly #counters: number;
  readonly #limits: QueueLimits;
  #other: Datagram | undefined;
  #delivers = false;
  #waiting: Waiting | undefined;

  constructor(id: number, fd: number, limits: QueueLimits, shared: Datagrams) {
    this.id = id;
    this.fd = fd;
    this.shared = shared;
    this.#limits = limits;
    this.#counters = wire.countersOf(shared.loop.shared, id);
    shared.known.set(this);
  }

  /** It was said where its datagrams go. */
  protected decided(): void {}

  static couple(a: Datagram, b: Datagram): void {
    a.#part();
    b.#part();
    a.#other = b;
    b.#other = a;
    a.decided();
    b.decided();
    a.#release();
    b.#release();
  }

  deliver(): void {
    this.#part();
    this.#delivers = true;
    this.decided();
    this.#release();
  }

  close(): void {
    // Its address and its counters may be another one's from now on.
    if (this.message) this.shared.sender.flush();
    this.#part();
    this.shared.known.delete(this.id);
    this.#waiting = undefined;
  }

  /** Takes over what waits for one that it replaces. */
  inherit(other: Datagram): void {
    const waiting = other.#waiting;
    if (!waiting) return;
    this.#waiting = waiting;
    this.#arrived(waiting.messages.length, waiting.bytes);
    this.#add(wire.WAITING, waiting.messages.length);
  }

  /** It has sent what a buffer of the batch holds. */
  protected received(n: number): void {
    const { batch, sender } = this.shared;
    const [at, size, segment] = [batch.data(n), batch.size(n), batch.segment(n)];
    const to = this.#other;
    if (to) {
      const count = size > segment ? Math.ceil(size / segment) : 1;
      this.#arrived(count, size);
      this.#left(to, count, size);
      sender.add(to, at, size, segment);
      return;
    }
    let done = 0;
    for (; size - done > segment; done += segment) this.#take(at + done, segment);
    this.#take(at + done, size - done);
  }

  /** One datagram that does not go to another socket. */
  #take(at: number, size: number): void {
    // Who reads what is reported counts it.
    if (this.#delivers && this.shared.loop.reportBytes(wire.Report.Datagram, this.id, at, size)) return;
    this.#arrived(1, size);
    if (this.#delivers) this.#dropped();
    else this.#wait(at, size);
  }

  #wait(data: number, size: number): void {
    this.#waiting ??= { messages: [], bytes: 0 };
    const { messages, bytes } = this.#waiting;
    if (messages.length >= this.#limits.messages || bytes + size > this.#limits.bytes) {
      this.#dropped();
      return;
    }
    messages.push(this.shared.loop.arena.u8.slice(data, data + size));
    this.#waiting.bytes += size;
    this.#add(wire.WAITING, 1);
  }

  /** Sends on what has waited. */
  #release(): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    if (!waiting) return;
    this.#add(wire.WAITING, -waiting.messages.length);
    const { loop, sender, buffer } = this.shared;
    for (const bytes of waiting.messages) {
      loop.arena.u8.set(bytes, buffer);
      if (this.#other) {
        this.#left(this.#other, 1, bytes.length);
        sender.add(this.#other, buffer, bytes.length, bytes.length);
        sender.flush();
      } else if (!loop.reportBytes(wire.Report.Waited, this.id, buffer, bytes.length)) this.#dropped();
    }
  }

  #part(): void {
    if (this.#other) this.#other.#other = undefined;
    this.#other = undefined;
    this.#delivers = false;
  }

  #arrived(messages: number, bytes: number): void {
    const { arena, now } = this.shared.loop;
    wire.countIn(arena.f64, this.#counters, messages, bytes, now);
  }

  #left(to: Datagram, messages: number, bytes: number): void {
    wire.countOut(this.shared.loop.arena.f64, to.#counters, messages, bytes);
  }

  #dropped(): void {
    const { loop } = this.shared;
    const first = wire.countDropped(loop.arena.f64, this.#counters + wire.DROPPED_FULL, 1);
    if (first) loop.report(wire.Report.Dropped, this.id);
  }

  #add(counter: number, n: number): void {
    const { f64 } = this.shared.loop.arena;
    f64[this.#counters + counter] = (f64[this.#counters + counter] as number) + n;
  }
}

/** A socket that is connected to one peer. */
export class ConnectedDatagram extends Datagram implements Pollable {
  #singles = 0;
  #joins: boolean | undefined;

  constructor(id: number, fd: number, limits: QueueLimits, shared: Datagrams) {
    super(id, fd, limits, shared);
    shared.loop.add(fd, EPOLLIN, this);
  }

  get named(): boolean {
    return false;
  }

  ready(): void {
    for (let n = 0; n < ROUNDS; n++) {
      const one = this.#singles > 0;
      const count = this.#receive(one);
      if (count < 0) {
        if (!this.#failed()) return;
        continue;
      }
      this.#singles = nextSingles(this.#singles, count);
      if (one || count < BATCH) return;
    }
  }

  /** Returns how many buffers were filled, negative for an error. */
  #receive(one: boolean): number {
    const { batch, sender } = this.shared;
    if (!one) sender.takeBuffers();
    const first = one ? sender.takeBuffer() : 0;
    const count = batch.receiveConnected(this.fd, this.#joins === true, one, first);
    for (let n = 0; n < count; n++) this.received(first + n);
    // Plain recv(2), which cannot say that they are joined, is cheaper for a socket that has but one at a time.
    if (count > 1) this.#joins ??= this.shared.join(this.fd);
    return count;
  }

  broken(): void {}

  override close(): void {
    super.close();
    this.shared.loop.close(this.fd);
  }

  /** An ICMP error concerns a datagram that was sent before, and ends nothing. Returns whether there may be more. */
  #failed(): boolean {
    const errno = this.shared.c.errno();
    if (errno === EAGAIN) return false;
    const { loop } = this.shared;
    if (!loop.congested) loop.report(wire.Report.Fault, this.id, errno);
    return true;
  }
}
