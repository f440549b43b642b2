import { Channel, type ChannelKind, type MessageAttributes, type Tail } from './channel.ts';

/**
 * The base of channels without a network: what is written is worked on and delivered, on the spot. Back-pressure goes
 * straight through: while nobody takes what comes out, no more fits in.
 *
 * @example
 * class UpperCaseChannel extends LocalChannel {
 *   work(bytes, attributes) { this.deliver(upperCase(bytes), attributes, true); }
 * }
 */
export abstract class LocalChannel extends Channel {
  readonly kind: ChannelKind = 'datagram';

  override get halfClose(): boolean {
    return true;
  }

  protected override get retains(): boolean {
    return false;
  }

  /** Works on one message. `owned` as in a reader's `message`: pass it on with bytes that are passed on. */
  protected abstract work(bytes: Uint8Array, attributes: MessageAttributes, owned: boolean): void;

  /**
   * The channel has enough: what it took is still being worked on. For a transform that works later, which holds its writer so,
   * and calls `goOn` when there is less. Such a one copies what it is lent, and ends by itself: see `sendEnd`.
   */
  protected get busy(): boolean {
    return false;
  }

  /** Lets the writer go on, unless it is `busy`, or nobody takes what comes out. */
  protected goOn(): void {
    if (!this.held && !this.busy) this.drained();
  }

  protected override send(bytes: Uint8Array, attributes: MessageAttributes, owned: boolean): boolean {
    this.work(bytes, attributes, owned);
    return !this.held && !this.busy;
  }

  /** What works later overrides this, and calls `deliverEnd` behind what is still to come. */
  protected override sendEnd(tail?: Tail): void {
    this.deliverEnd(tail);
  }

  protected override shut(): void {}

  protected override releaseSource(): void {
    this.goOn();
  }
}
