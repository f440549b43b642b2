/**
 * The one way in which a protocol stands on another channel. A layer is to its user a channel like any other; to the
 * channel below it is the reader, the writer and the owner. What it does not override goes through untouched.
 *
 * Owned here: the lower channel, from `begin` on, and the order handshake, data, end, close. Not owned: queues, limits
 * and counters (the base class has them), and how many handshakes there are and how long they take (`handshakes.ts`).
 *
 * How others are written with it, tried on paper:
 * - TLS: `start` makes a TLS socket on a Duplex that writes to `lower`; `shake` and `received` feed it copies; once it
 *   is secure, `complete`; its data is for `deliver`; `ended` and `lost` wait until all is decrypted.
 * - PROXY protocol: accepting, `shake` takes the header off, and `about` lays its addresses over the lower ones;
 *   dialling, `start` writes it and completes. On UDP its size is `overhead`; `send` adds it, `received` takes it off.
 * - DTLS: as TLS, on memory BIOs that keep records apart; `start` arms the retransmission timer, `released` ends it;
 *   `largest` is set from the path's MTU before `complete`.
 */
import {
  Channel,
  type ChannelKind,
  type ChannelOwner,
  type CloseReason,
  type Head,
  type MessageAttributes,
  type Reader,
  type Tail,
  type Writer,
} from './channel.ts';
import { asL7mpError, L7mpError } from './errors.ts';
import type { Metadata } from './metadata.ts';

/** Who waits for a layer's handshake. One of the two is called, once. */
export interface HandshakeObserver {
  completed(): void;
  /** The layer, and the channel below, are closed. */
  failed(error: L7mpError): void;
}

export abstract class LayerChannel extends Channel {
  readonly kind: ChannelKind;
  protected readonly lower: Channel;
  /** Its largest message, in bytes. */
  protected largest: number;
  #observer: HandshakeObserver | undefined;
  /** Came before there was an owner. */
  #head: Head | undefined;
  #released = false;

  /** `overhead`: the bytes that the layer adds to each message. */
  constructor(lower: Channel, overhead = 0) {
    super(lower.limits);
    this.lower = lower;
    this.kind = lower.kind;
    this.largest = lower.maxMessage - overhead;
    // A message is lost once, above or below: one account for both, since only the layer's is ever looked at.
    lower.drops ??= new Map();
    this.drops = lower.drops;
  }

  override get maxMessage(): number {
    return this.largest;
  }

  override get lossy(): boolean {
    return this.lower.lossy;
  }

  override get halfClose(): boolean {
    return this.lower.halfClose;
  }

  override get answer(): Head | undefined {
    return this.lower.answer;
  }

  /** The lower channel copies what it retains. */
  protected override get retains(): boolean {
    return false;
  }

  /** Takes the lower channel over and shakes hands. Data that comes after the handshake waits for a reader. */
  begin(observer: HandshakeObserver): void {
    this.#observer = observer;
    if (!this.lower.open) {
      this.fail(new L7mpError('E_DISCONNECT', 'the connection was closed before the handshake'));
      return;
    }
    const below = this.#below();
    this.lower.owner = below;
    this.lower.writer = below;
    try {
      this.start();
    } catch (error) {
      this.fail(asL7mpError(error, 'E_HANDSHAKE'));
    }
    if (this.open) this.lower.read(below);
  }

  /** Breaks the handshake off and closes. Without one, nothing happens. */
  fail(error: L7mpError, kind: CloseReason['kind'] = 'error'): void {
    const observer = this.#observer;
    if (!observer) return;
    this.close({ kind, message: error.message });
    observer.failed(error);
  }

  override describe(): Metadata {
    return { ...this.lower.describe(), ...this.about() };
  }

  override read(reader: Reader | undefined): void {
    const head = this.#head;
    if (reader && head) {
      this.#head = undefined;
      this.owner?.head?.(head);
    }
    super.read(reader);
  }

  override routed(): void {
    this.lower.routed();
  }

  override accept(head?: Head): void {
    this.lower.accept(head);
  }

  override head(head: Head): void {
    this.lower.head(head);
  }

  override refuse(error: L7mpError): void {
    this.lower.refuse(error);
    super.refuse(error);
  }

  // ------------------------------------------------------------------ for a layer to fill in

  /** Begins the handshake. May write to `lower`, which is not read yet. */
  protected start(): void {
    this.complete();
  }

  /**
   * A message during the handshake. What follows the handshake in the same message is for `deliver`, before `complete`
   * or `fail`. As in `received`, an error that is thrown closes the lower channel and this one.
   */
  protected shake(bytes: Uint8Array, attributes: MessageAttributes, owned: boolean): void {
    this.received(bytes, attributes, owned);
  }

  /** The peer has ended its direction during the handshake. */
  protected shakeEnded(): void {
    this.fail(new L7mpError('E_HANDSHAKE', 'the peer ended the connection before the handshake was over'));
  }

  /** A message after the handshake. */
  protected received(bytes: Uint8Array, attributes: MessageAttributes, owned: boolean): void {
    this.deliver(bytes, attributes, owned);
  }

  /** The peer has ended its direction after the handshake. */
  protected ended(tail?: Tail): void {
    this.deliverEnd(tail);
  }

  /** The lower channel has closed after the handshake. */
  protected lost(reason: CloseReason): void {
    this.deliverClose(reason);
  }

  /** The lower channel is gone or is about to be closed: timers end here. Once. */
  protected released(): void {}

  /** What the layer adds to the lower channel's metadata. Made anew at each call. */
  protected about(): Metadata {
    return {};
  }

  protected override send(bytes: Uint8Array, attributes: MessageAttributes, owned: boolean): boolean {
    return this.lower.write(bytes, attributes, owned);
  }

  protected override sendEnd(tail?: Tail): void {
    this.lower.end(tail);
  }

  protected override shut(reason: CloseReason): void {
    this.#release();
    this.lower.close(reason);
  }

  // A lossy channel would only queue and drop below instead of here, and hide from the layer what is its own: repeated
  // handshakes, retransmissions.
  protected override holdSource(): void {
    if (!this.lossy) this.lower.pause();
  }

  protected override releaseSource(): void {
    if (!this.lossy) this.lower.resume();
  }

  // ------------------------------------------------------------------ for a layer to call

  /** The handshake is over. */
  protected complete(): void {
    const observer = this.#observer;
    if (!observer) return;
    this.#observer = undefined;
    if (this.held) this.holdSource();
    observer.completed();
  }

  // ------------------------------------------------------------------ own

  #below(): Reader & Writer & ChannelOwner {
    return {
      message: (bytes, attributes, owned) => {
        if (this.#observer) this.shake(bytes, attributes, owned);
        else this.received(bytes, attributes, owned);
      },
      end: (tail) => {
        if (this.#observer) this.shakeEnded();
        else this.ended(tail);
      },
      drained: () => this.drained(),
      head: (head) => {
        if (this.owner) this.owner.head?.(head);
        else this.#head = head;
      },
      lingering: () => this.owner?.lingering?.(this),
      fault: (_channel, message) => this.owner?.fault?.(this, message),
      closed: (_channel, reason) => this.#lowerClosed(reason),
    };
  }

  #lowerClosed(reason: CloseReason): void {
    if (this.#observer) {
      this.fail(new L7mpError('E_HANDSHAKE', `closed before the handshake was over: ${reason.message}`));
      return;
    }
    this.#release();
    this.lost(reason);
  }

  #release(): void {
    this.#observer = undefined;
    if (this.#released) return;
    this.#released = true;
    this.released();
  }
}
