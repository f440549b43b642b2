import {
  BINARY,
  type Channel,
  type ChannelOwner,
  type CloseReason,
  type Head,
  type MessageAttributes,
  type Reader,
  type Tail,
  type Writer,
} from '../../src/core/channel.ts';
import { Waiting } from './waiting.ts';

/** Owns, reads and writes one channel in a test, and remembers what came of it. */
export class Probe implements Reader, Writer, ChannelOwner {
  readonly channel: Channel;
  readonly messages: Buffer[] = [];
  readonly attributes: MessageAttributes[] = [];
  ended = false;
  tail: Tail | undefined;
  reason: CloseReason | undefined;
  drains = 0;
  heads: Head[] = [];
  readonly #waiting = new Waiting();

  constructor(channel: Channel) {
    this.channel = channel;
    channel.owner = this;
    channel.writer = this;
  }

  /** Takes the channel into a session that stands, and reads it. */
  static standing(channel: Channel): Probe {
    const probe = new Probe(channel);
    channel.routed();
    channel.accept();
    channel.read(probe);
    return probe;
  }

  get text(): string {
    return Buffer.concat(this.messages).toString();
  }

  get length(): number {
    return this.messages.reduce((sum, { length }) => sum + length, 0);
  }

  until(condition: () => boolean): Promise<void> {
    return this.#waiting.until(condition);
  }

  async untilMessages(count: number): Promise<string[]> {
    await this.until(() => this.messages.length >= count);
    return this.messages.map(String);
  }

  async untilEnd(): Promise<Tail | undefined> {
    await this.until(() => this.ended);
    return this.tail;
  }

  async untilClosed(): Promise<CloseReason> {
    await this.until(() => this.reason !== undefined);
    return this.reason as CloseReason;
  }

  write(text: string | Uint8Array, attributes: MessageAttributes = BINARY): boolean {
    return this.channel.write(typeof text === 'string' ? Buffer.from(text) : text, attributes);
  }

  message(bytes: Uint8Array, attributes: MessageAttributes): void {
    this.messages.push(Buffer.from(bytes));
    this.attributes.push(attributes);
    this.#waiting.check();
  }

  end(tail?: Tail): void {
    this.ended = true;
    this.tail = tail;
    this.#waiting.check();
  }

  drained(): void {
    this.drains++;
    this.#waiting.check();
  }

  head(head: Head): void {
    this.heads.push(head);
    this.#waiting.check();
  }

  closed(_channel: Channel, reason: CloseReason): void {
    this.reason = reason;
    this.#waiting.check();
  }
}

/** A session with itself: what comes is sent back, the end too. */
export function echo(channel: Channel): void {
  channel.routed();
  channel.accept();
  channel.writer = { drained: () => channel.resume() };
  channel.read({
    message: (bytes, attributes, owned) => {
      if (!channel.write(bytes, attributes, owned)) channel.pause();
    },
    end: (tail) => {
      channel.end(tail);
      channel.close({ kind: 'end', message: 'both sides have ended' });
    },
  });
}
