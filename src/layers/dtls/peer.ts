/**
 * One address that clients send from. Whoever is there has one connection; a client that has been started again begins another
 * one from the same address and port, which takes the place of the first when its handshake is over, and not before: until
 * then anybody could have sent what it began with.
 */
import { randomBytes } from 'node:crypto';
import {
  BINARY,
  Channel,
  type ChannelOwner,
  type CloseReason,
  type DropReason,
  type MessageAttributes,
  type Reader,
  type Writer,
} from '../../core/channel.ts';
import type { Metadata } from '../../core/metadata.ts';
import type { Cookies } from './cookies.ts';
import { type Hello, helloIn, helloVerifyRequest, isHello } from './record.ts';

const BEGAN_ANEW: CloseReason = { kind: 'reset', message: 'the client has begun anew from the same address and port' };

/** Begins the handshake of a client on what it sends through. */
export type BeginHandshake = (lower: OneOfPeer, hello: Hello) => void;

export class DtlsPeer implements Reader, Writer, ChannelOwner {
  readonly #lower: Channel;
  readonly #cookies: Cookies;
  readonly #begin: BeginHandshake;
  #settled: OneOfPeer | undefined;
  #shaking: OneOfPeer | undefined;
  /** What cookies of later clients are good for: this socket, as long as it lives. */
  #place: string | undefined;

  constructor(lower: Channel, cookies: Cookies, begin: BeginHandshake) {
    this.#lower = lower;
    this.#cookies = cookies;
    this.#begin = begin;
    lower.owner = this;
    lower.writer = this;
    lower.routed();
    lower.accept();
    lower.read(this);
  }

  // ------------------------------------------------------------------ for the channel below

  message(bytes: Uint8Array, _attributes: MessageAttributes): void {
    if (isHello(bytes)) {
      this.#greeted(bytes);
      return;
    }
    this.#settled?.take(bytes);
    // It drops what is not encrypted with its own keys, and so does the other one.
    this.#shaking?.take(bytes);
  }

  /** Datagrams have no end. */
  end(): void {}

  drained(): void {
    this.#settled?.goOn();
  }

  closed(_lower: Channel, reason: CloseReason): void {
    for (const one of [this.#settled, this.#shaking]) one?.lose(reason);
  }

  fault(_lower: Channel, message: string): void {
    this.#tell((owner, one) => owner.fault?.(one, message));
  }

  dropped(_lower: Channel, reason: DropReason, messages: number): void {
    this.#tell((owner, one) => owner.dropped?.(one, reason, messages));
  }

  wanders(): void {
    this.#tell((owner) => owner.wanders?.());
  }

  #tell(tell: (owner: ChannelOwner, one: OneOfPeer) => void): void {
    const one = this.#settled;
    if (one?.owner) tell(one.owner, one);
  }

  // ------------------------------------------------------------------ for the clients

  /** Its handshake is over: whoever was there before is not there any more. */
  settle(one: OneOfPeer): void {
    const before = this.#settled;
    this.#settled = one;
    this.#shaking = undefined;
    if (one.drops) this.#lower.drops = one.drops;
    before?.lose(BEGAN_ANEW);
  }

  leave(one: OneOfPeer, reason: CloseReason): void {
    if (this.#settled === one) this.#settled = undefined;
    if (this.#shaking === one) this.#shaking = undefined;
    if (!this.#settled && !this.#shaking) this.#lower.close(reason);
  }

  // ------------------------------------------------------------------ those who begin

  #greeted(bytes: Uint8Array): void {
    const hello = helloIn(bytes);
    if (!hello) {
      this.#shaking?.take(bytes);
      return;
    }
    if (!this.#vouchesFor(hello)) {
      this.#place ??= randomBytes(16).toString('hex');
      this.#lower.write(helloVerifyRequest(hello, this.#cookies.make(hello, this.#place)), BINARY, true);
      return;
    }
    // It has come twice, or was kept by somebody and is sent again.
    if (this.#settled?.began(hello)) return;
    if (!this.#shaking?.began(hello)) this.#shakeHands(hello);
    this.#shaking?.take(bytes);
  }

  /** The first one has shown its cookie before there was anything of this peer. */
  #vouchesFor(hello: Hello): boolean {
    const first = !this.#settled && !this.#shaking;
    if (first || this.#shaking?.began(hello) || this.#settled?.began(hello)) return hello.cookie.length > 0;
    return this.#place !== undefined && this.#cookies.isGood(hello, this.#place);
  }

  #shakeHands(hello: Hello): void {
    const before = this.#shaking;
    const one = new OneOfPeer(this, this.#lower, hello);
    this.#shaking = one;
    before?.lose(BEGAN_ANEW);
    this.#begin(one, hello);
  }
}

/** What one client of a peer sends and gets: the channel below its connection. */
export class OneOfPeer extends Channel {
  readonly kind = 'datagram';
  readonly #peer: DtlsPeer;
  readonly #lower: Channel;
  readonly #random: Buffer;

  constructor(peer: DtlsPeer, lower: Channel, { random }: Hello) {
    super(lower.limits);
    this.#peer = peer;
    this.#lower = lower;
    this.#random = Buffer.from(random);
  }

  override get maxMessage(): number {
    return this.#lower.maxMessage;
  }

  override get lossy(): boolean {
    return true;
  }

  /** The channel below copies what it retains. */
  protected override get retains(): boolean {
    return false;
  }

  override get via(): Channel | undefined {
    return this.#lower.via;
  }

  override describe(): Metadata {
    return this.#lower.describe();
  }

  /** Whether it has begun with this ClientHello. */
  began({ random }: Hello): boolean {
    return this.#random.equals(random);
  }

  take(bytes: Uint8Array): void {
    this.deliver(bytes, BINARY, false);
  }

  goOn(): void {
    this.drained();
  }

  lose(reason: CloseReason): void {
    this.deliverClose(reason);
  }

  /** Its handshake is over. */
  settle(): void {
    this.#peer.settle(this);
  }

  protected override send(bytes: Uint8Array, attributes: MessageAttributes, owned: boolean): boolean {
    return this.#lower.write(bytes, attributes, owned);
  }

  protected override sendEnd(): void {}

  protected override shut(reason: CloseReason): void {
    this.#peer.leave(this, reason);
  }
}
