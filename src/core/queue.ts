import type { MessageAttributes } from './channel.ts';

export interface Queued {
  readonly bytes: Uint8Array;
  readonly attributes: MessageAttributes;
}

/** Pieces of a stream up to this size, in bytes, are put together: each would cost about a hundred bytes of its own. */
const SMALL = 1024;

/** Sizes of the buffers that they are put into, in bytes. */
const FIRST_BUFFER = 64;
const LARGEST_BUFFER = 64 << 10;

interface Item {
  /** `used` bytes of it count. */
  readonly bytes: Uint8Array;
  readonly attributes: MessageAttributes;
  used: number;
}

/** A first-in first-out queue of messages that knows its size in bytes. Bounds are its user's business. */
export class MessageQueue {
  #items: (Item | undefined)[] = [];
  #head = 0;
  #bytes = 0;
  /** The last item, where small pieces may be added to it. */
  #last: Item | undefined;

  get length(): number {
    return this.#items.length - this.#head;
  }

  get bytes(): number {
    return this.#bytes;
  }

  push(bytes: Uint8Array, attributes: MessageAttributes): void {
    this.#put({ bytes, attributes, used: bytes.length });
    this.#last = undefined;
  }

  /** Takes a piece of a stream. Small ones are copied into one message: what is held is less than twice what came. */
  append(bytes: Uint8Array, attributes: MessageAttributes, owned: boolean): void {
    if (bytes.length > SMALL) this.push(owned ? bytes : new Uint8Array(bytes), attributes);
    else if (bytes.length > 0) this.reserve(bytes.length, attributes).set(bytes);
  }

  /** Room for a piece of a stream, to be written at once. */
  reserve(size: number, attributes: MessageAttributes): Uint8Array {
    const last = this.#last;
    if (last && last.attributes === attributes && last.used + size <= last.bytes.length) {
      last.used += size;
      this.#bytes += size;
      return last.bytes.subarray(last.used - size, last.used);
    }
    const bytes = new Uint8Array(Math.max(size, FIRST_BUFFER, Math.min(this.#bytes, LARGEST_BUFFER)));
    const item = { bytes, attributes, used: size };
    this.#put(item);
    this.#last = item;
    return bytes.subarray(0, size);
  }

  /** The oldest message. The queue must not be empty. */
  shift(): Queued {
    const item = this.#items[this.#head];
    if (!item) throw new RangeError('the queue is empty');
    this.#items[this.#head++] = undefined;
    const { bytes, attributes, used } = item;
    this.#bytes -= used;
    if (this.#last === item) this.#last = undefined;
    if (this.#head === this.#items.length) {
      this.#items.length = 0;
      this.#head = 0;
    } else if (this.#head > 1024) {
      this.#items.splice(0, this.#head);
      this.#head = 0;
    }
    return { bytes: used < bytes.length ? bytes.subarray(0, used) : bytes, attributes };
  }

  #put(item: Item): void {
    this.#items.push(item);
    this.#bytes += item.used;
  }
}
