import type { MessageAttributes } from './channel.ts';

export interface Queued {
  readonly bytes: Uint8Array;
  readonly attributes: MessageAttributes;
}

/** A first-in first-out queue of messages that knows its size in bytes. Bounds are its user's business. */
export class MessageQueue {
  #items: (Queued | undefined)[] = [];
  #head = 0;
  #bytes = 0;

  get length(): number {
    return this.#items.length - this.#head;
  }

  get bytes(): number {
    return this.#bytes;
  }

  push(bytes: Uint8Array, attributes: MessageAttributes): void {
    this.#items.push({ bytes, attributes });
    this.#bytes += bytes.length;
  }

  /** The oldest message. The queue must not be empty. */
  shift(): Queued {
    const item = this.#items[this.#head];
    if (!item) throw new RangeError('the queue is empty');
    this.#items[this.#head++] = undefined;
    this.#bytes -= item.bytes.length;
    if (this.#head === this.#items.length) {
      this.#items.length = 0;
      this.#head = 0;
    } else if (this.#head > 1024) {
      this.#items.splice(0, this.#head);
      this.#head = 0;
    }
    return item;
  }
}
