/** The other end of a `PortChannel`: joins its port with a channel of this thread. */
import type { MessagePort } from 'node:worker_threads';
import type {
  Channel,
  ChannelOwner,
  CloseReason,
  DropReason,
  Head,
  MessageAttributes,
  Reader,
  Tail,
  Writer,
} from '../core/channel.ts';
import { attributesOf, type Crossing, costOf, Sending } from './port-channel.ts';

export class PortEnd implements Reader, Writer, ChannelOwner {
  readonly #channel: Channel;
  readonly #sending: Sending;
  /** Bytes that were written and not acknowledged: the channel is full. */
  #owed = 0;

  /** Owns the port, and the channel. */
  constructor(port: MessagePort, channel: Channel) {
    this.#channel = channel;
    this.#sending = new Sending(port);
    port.on('message', (crossing: Crossing) => this.#heard(crossing));
    port.on('close', () => channel.close({ kind: 'reset', message: 'the thread of the session has ended' }));
    channel.owner = this;
    channel.writer = this;
    channel.read(this);
  }

  // ------------------------------------------------------------------ from the channel

  message(bytes: Uint8Array, attributes: MessageAttributes): void {
    if (!this.#sending.message(bytes, attributes)) this.#channel.pause();
  }

  end(tail?: Tail): void {
    this.#sending.tell({ end: true, tail });
  }

  drained(): void {
    if (this.#owed > 0) this.#sending.tell({ taken: this.#owed });
    this.#owed = 0;
  }

  head(head: Head): void {
    this.#sending.tell({ head });
  }

  fault(_channel: Channel, message: string): void {
    this.#sending.tell({ fault: message });
  }

  note(_channel: Channel, message: string): void {
    this.#sending.tell({ note: message });
  }

  dropped(_channel: Channel, reason: DropReason, messages: number): void {
    this.#sending.tell({ dropped: reason, messages });
  }

  closed(_channel: Channel, reason: CloseReason): void {
    this.#sending.tell({ close: reason });
    this.#sending.close();
  }

  // ------------------------------------------------------------------ from the port

  #heard(crossing: Crossing): void {
    const channel = this.#channel;
    if ('bytes' in crossing) {
      this.#owed += costOf(crossing.bytes);
      if (channel.write(crossing.bytes, attributesOf(crossing), true)) this.drained();
    } else if ('taken' in crossing) {
      if (this.#sending.taken(crossing.taken)) channel.resume();
    } else if ('end' in crossing) channel.end(crossing.tail);
    else if ('close' in crossing) {
      channel.close(crossing.close);
      this.#sending.close();
    }
  }
}
