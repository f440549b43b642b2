import type { MessageAttributes } from '../../../core/channel.ts';
import { MessageQueue, type Queued } from '../../../core/queue.ts';
import { EAGAIN } from '../system/constants.ts';

/** Sends one message of the backlog. Returns 0 where it is done with, or the error; EAGAIN: the socket takes none now. */
export type Transmit = (message: Queued) => number;

/** Messages that wait to be sent by a socket that takes none now. */
export class MessageBacklog {
  readonly #queue = new MessageQueue();
  readonly #transmit: Transmit;
  /** The one that is next. */
  #next: Queued | undefined;

  constructor(transmit: Transmit) {
    this.#transmit = transmit;
  }

  /** Bytes and messages that wait. */
  get bytes(): number {
    return this.#queue.bytes + (this.#next?.bytes.length ?? 0);
  }

  get length(): number {
    return this.#queue.length + (this.#next ? 1 : 0);
  }

  /** Takes a message, and copies it unless it is `owned`. */
  push(bytes: Uint8Array, attributes: MessageAttributes, owned: boolean): void {
    this.#queue.push(owned ? bytes : new Uint8Array(bytes), attributes);
  }

  /** Sends. Returns 0 once it is empty, or the error that ends it: EAGAIN where the socket takes no more. */
  write(): number {
    for (;;) {
      if (!this.#next && this.#queue.length > 0) this.#next = this.#queue.shift();
      if (!this.#next) return 0;
      const errno = this.#transmit(this.#next);
      if (errno !== EAGAIN) this.#next = undefined;
      if (errno !== 0) return errno;
    }
  }

  destroy(): void {}
}
