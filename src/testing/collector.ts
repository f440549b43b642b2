import type {
  Channel,
  ChannelOwner,
  CloseReason,
  Head,
  MessageAttributes,
  Reader,
  Tail,
  Writer,
} from '../core/channel.ts';

/**
 * The reader, writer and owner of a channel, that notes what it is told. Messages are copied, as the contract asks.
 *
 * @example
 * const client = new Collector(await dial()).read();
 * client.write('ping');
 * await until(() => client.bytes.toString() === 'pong', 'the answer');
 */
export class Collector implements Reader, Writer, ChannelOwner {
  readonly channel: Channel;
  readonly messages: Buffer[] = [];
  readonly attributes: MessageAttributes[] = [];
  readonly owned: boolean[] = [];
  readonly heads: Head[] = [];
  readonly faults: string[] = [];
  readonly closings: CloseReason[] = [];
  ends = 0;
  tail: Tail | undefined;
  drains = 0;
  lingerings = 0;
  /** How often the peer has said that it is there. */
  actives = 0;
  /** Called with each message, within the call. */
  onMessage: ((bytes: Uint8Array) => void) | undefined;

  constructor(channel: Channel) {
    this.channel = channel;
    channel.owner = this;
    channel.writer = this;
  }

  get texts(): string[] {
    return this.messages.map(String);
  }

  /** How many bytes have come: cheaper to ask for than `bytes`. */
  get size(): number {
    return this.messages.reduce((sum, { length }) => sum + length, 0);
  }

  get bytes(): Buffer {
    return Buffer.concat(this.messages);
  }

  /** Begins to read. */
  read(): this {
    this.channel.read(this);
    return this;
  }

  write(...texts: string[]): boolean {
    return texts.map((text) => this.channel.write(Buffer.from(text))).every(Boolean);
  }

  message(bytes: Uint8Array, attributes: MessageAttributes, owned: boolean): void {
    this.messages.push(Buffer.from(bytes));
    this.attributes.push(attributes);
    this.owned.push(owned);
    this.onMessage?.(bytes);
  }

  end(tail?: Tail): void {
    this.ends++;
    this.tail = tail;
  }

  drained(): void {
    this.drains++;
  }

  head(head: Head): void {
    this.heads.push(head);
  }

  lingering(): void {
    this.lingerings++;
  }

  closed(_channel: Channel, reason: CloseReason): void {
    this.closings.push(reason);
  }

  active(): void {
    this.actives++;
  }

  fault(_channel: Channel, message: string): void {
    this.faults.push(message);
  }
}

/**
 * Reads a channel from now on.
 *
 * @example const client = collect(await dial());
 */
export function collect(channel: Channel): Collector {
  return new Collector(channel).read();
}

/**
 * Owns and writes a channel whose messages nobody reads yet.
 *
 * @example const client = hold(await dial());
 */
export function hold(channel: Channel): Collector {
  return new Collector(channel);
}
