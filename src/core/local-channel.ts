import { Channel, type ChannelKind, type MessageAttributes, type Tail } from './channel.ts';

/**
 * The base of channels without a network: what is written is worked on and delivered, on the spot. Back-pressure goes
 * straight through: while nobody takes what comes out, no more fits in.
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

  protected override send(bytes: Uint8Array, attributes: MessageAttributes, owned: boolean): boolean {
    this.work(bytes, attributes, owned);
    return !this.held;
  }

  protected override sendEnd(tail?: Tail): void {
    this.deliverEnd(tail);
  }

  protected override shut(): void {}

  protected override releaseSource(): void {
    this.drained();
  }
}
