/**
 * The one way in which a protocol stands on another channel. A layer is to its user a channel like any other; to the
 * channel below it is the reader, the writer and the owner. What it does not override goes through untouched.
 *
 * Owned here: the lower channel, from `begin` on, and the order handshake, data, end, close. Not owned: queues, limits
 * and counters (the base class has them), and how many handshakes there are and how long they take (`handshakes.ts`).
 *
 * How others are written with it (`examples/toy-tls/` has all of these parts but the Duplex):
 * - TLS: `start` makes a TLS socket on a Duplex that writes to `lower`; `shake` and `received` feed it copies; once it
 *   is secure, `complete`; its data is for `deliver`; `ended` and `lost` wait until all is decrypted; `lowerDrained`
 *   lets the Duplex go on; `flush` writes what is left and close_notify.
 * - PROXY protocol: accepting, `shake` takes the header off, and `about` lays its addresses over the lower ones;
 *   dialling, `start` writes it and completes. On UDP its size is `overhead`; `send` adds it, `received` takes it off.
 * - DTLS: as TLS, on memory BIOs that keep records apart; cookies are for `first` of `listenOnLayer`; `start` arms the
 *   retransmission timer, `released` ends it; `largest` is set from the path's MTU before `complete`.
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

/** Waits for a layer's handshake. One of the two is called, once. */
export interface HandshakeObserver {
  completed(): void;
  /** The layer is closed, and the channel below, too, once what the layer has to say is said. */
  failed(error: L7mpError): void;
}

/** What a layer that is being closed has still to do. */
interface Leaving {
  reason?: CloseReason;
  /** The lower channel is refused, not closed. */
  readonly refusal?: L7mpError;
  /** Runs while the layer flushes. */
  timer?: NodeJS.Timeout;
}

/** Milliseconds that a closed layer's `flush` may go on without the channel below taking anything. */
export const FLUSH_TIMEOUT = 2000;

/** The cause of a handshake's error where the peer gave no answer: it says what the system says of such connections. */
class BrokenOff extends Error {
  readonly code = 'ECONNRESET';
}

/**
 * A channel that stands on another one, `lower`. A layer fills in `send` and `received`, and `start` and `shake` where it
 * has a handshake. What is thrown by what it fills in for reading closes both channels: with E_HANDSHAKE before the
 * handshake is over, else with the reason `error`.
 *
 * @example
 * class MarkedChannel extends LayerChannel {
 *   constructor(lower) { super(lower, 1); }
 *   send(bytes) { return this.lower.write(Buffer.concat([MARK, bytes]), BINARY, true); }
 *   received(bytes, attributes, owned) {
 *     if (bytes[0] !== MARK[0]) throw new L7mpError('E_DISCONNECT', 'a message without a mark');
 *     this.deliver(bytes.subarray(1), attributes, owned);
 *   }
 * }
 */
export abstract class LayerChannel extends Channel {
  readonly kind: ChannelKind;
  protected readonly lower: Channel;
  /** Its largest message, in bytes. */
  protected largest: number;
  #observer: HandshakeObserver | undefined;
  /** Came before there was an owner. */
  #head: Head | undefined;
  #shaken = false;
  #released = false;
  /** The channel below has been told to open, and hears of the session's beginning no more. */
  #opened = false;
  #leaving: Leaving | undefined;

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

  override get exchange(): boolean {
    return this.lower.exchange;
  }

  override get via(): Channel | undefined {
    return this.lower.via;
  }

  override get answer(): Head | undefined {
    return this.lower.answer;
  }

  /** The address for which the peer stands, as its handshake has said: that one is admitted, or not, in place of its own. */
  get announced(): string | undefined {
    return undefined;
  }

  /** The lower channel copies what it retains. */
  protected override get retains(): boolean {
    return false;
  }

  /**
   * Takes the lower channel over and shakes hands. Data that comes after the handshake waits for a reader. `accepted`:
   * the lower channel is a listener's.
   */
  begin(observer: HandshakeObserver, accepted = false): void {
    this.#observer = observer;
    if (!this.lower.open) {
      this.fail(new L7mpError('E_DISCONNECT', 'the connection was closed before the handshake'));
      return;
    }
    const below = this.#below();
    this.lower.owner = below;
    this.lower.writer = below;
    try {
      // Some transports carry nothing before they are told of a session (a WebSocket's upgrade), and there is none
      // before the handshake. A layer without one leaves the transport to its session, and so its own refusals too.
      if (accepted && this.start !== LayerChannel.prototype.start) this.#open();
      if (this.open) this.start();
    } catch (error) {
      this.fail(asL7mpError(error, 'E_HANDSHAKE'));
    }
    if (this.open) this.lower.read(below);
  }

  /** Breaks the handshake off and closes. Without one, nothing happens. */
  fail(error: L7mpError, kind: CloseReason['kind'] = 'error'): void {
    const observer = this.#observer;
    if (!observer) return;
    this.#observer = undefined;
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
    if (!this.#opened) this.lower.routed();
  }

  override accept(head?: Head): void {
    if (!this.#opened) this.lower.accept(head);
  }

  override head(head: Head): void {
    if (!this.#opened) this.lower.head(head);
  }

  /** The lower channel is refused in place of closed, when this one has said what it has to say. */
  override refuse(error: L7mpError): void {
    this.#leaving ??= { refusal: error };
    super.refuse(error);
  }

  // ------------------------------------------------------------------ for a layer to fill in

  /** Begins the handshake. May write to `lower`, which is open but not read yet. Not filled in: there is no handshake. */
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
    const cause = new BrokenOff();
    this.fail(new L7mpError('E_HANDSHAKE', 'the peer ended the connection before the handshake was over', { cause }));
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

  /** The lower channel takes more, after a write to it returned false. A layer that writes by itself goes on here. */
  protected lowerDrained(): void {
    this.drained();
  }

  /**
   * This channel is closed, and the one below is not: the last that is to reach the peer (what waits, an alert) is
   * written to `lower`, then `flushed` is called, now or later. Until then `lowerDrained` and `received` (or `shake`)
   * are called as before. Has an end: when the lower channel has taken nothing for two seconds (`FLUSH_TIMEOUT`), it is
   * reset. Not called where the reason is a reset, or the lower channel is gone.
   */
  protected flush(_reason: CloseReason): void {
    this.flushed();
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

  /** A layer fills in `flush` instead. */
  protected override shut(reason: CloseReason): void {
    this.#leaving ??= {};
    this.#leaving.reason = reason;
    if (reason.kind === 'reset' || !this.lower.open) {
      this.flushed();
      return;
    }
    try {
      this.flush(reason);
    } catch {
      this.flushed();
    }
    this.#boundFlush();
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
    this.#shaken = true;
    if (this.held) this.holdSource();
    observer.completed();
  }

  /** All that was to be said is written to the lower channel, which is closed now. */
  protected flushed(): void {
    const { reason, refusal } = this.#leaving ?? {};
    if (!reason || this.#released) return;
    this.#release();
    if (refusal) this.lower.refuse(refusal);
    else this.lower.close(reason);
  }

  /**
   * After the handshake: the connection is of no use any more. The lower channel is reset, and the owner is told `reason`:
   * `reset` for a connection that broke, `error` for a peer that did not keep to the protocol.
   */
  protected abort(reason: CloseReason): void {
    this.#release();
    this.lower.close({ kind: 'reset', message: reason.message });
    this.deliverClose(reason);
  }

  // ------------------------------------------------------------------ own

  #below(): Reader & Writer & ChannelOwner {
    return {
      message: (bytes, attributes, owned) => {
        if (this.#shaken) this.received(bytes, attributes, owned);
        else this.shake(bytes, attributes, owned);
      },
      end: (tail) => {
        if (this.#shaken) this.ended(tail);
        else this.shakeEnded();
      },
      drained: () => {
        this.lowerDrained();
        this.#boundFlush();
      },
      head: (head) => {
        if (this.owner) this.owner.head?.(head);
        else this.#head = head;
      },
      active: () => this.owner?.active?.(this),
      lingering: () => this.owner?.lingering?.(this),
      socketChanged: () => this.owner?.socketChanged?.(this),
      wanders: () => this.owner?.wanders?.(),
      fault: (_channel, message) => this.owner?.fault?.(this, message),
      note: (_channel, message) => this.owner?.note?.(this, message),
      dropped: (_channel, reason, messages) => this.owner?.dropped?.(this, reason, messages),
      closed: (_channel, reason) => this.#lowerClosed(reason),
    };
  }

  #lowerClosed(reason: CloseReason): void {
    if (this.#observer) {
      const text = `closed before the handshake was over: ${reason.message}`;
      this.fail(new L7mpError('E_HANDSHAKE', text, { cause: new BrokenOff() }));
      return;
    }
    this.#release();
    if (this.#shaken) this.lost(reason);
  }

  #open(): void {
    this.#opened = true;
    this.lower.routed();
    this.lower.accept();
  }

  /** While the layer flushes: begins its time, or begins it again. */
  #boundFlush(): void {
    const leaving = this.#leaving;
    if (!leaving?.reason || this.#released) return;
    clearTimeout(leaving.timer);
    leaving.timer = setTimeout(() => {
      this.#release();
      this.lower.close({ kind: 'reset', message: `the peer took nothing for ${FLUSH_TIMEOUT} ms after the close` });
    }, FLUSH_TIMEOUT).unref();
  }

  #release(): void {
    clearTimeout(this.#leaving?.timer);
    if (this.#released) return;
    this.#released = true;
    this.released();
  }
}
