/**
 * A ring of records between two threads, one of which writes and one reads. A record is its size in words, its type, and
 * its arguments; the last of them may be bytes. Order is total, nothing blocks: what does not fit waits with its writer,
 * except bytes, which are refused.
 */
import type { Arena } from './arena.ts';

/** Indices of a ring's own words in the control array: they are what the threads synchronise on. */
const TAIL = 0;
const HEAD = 1;
/** The writer has records waiting, and wants to be told of room. */
const WANTED = 2;
/** Words between the controls of two rings, so that each lies in its own cache lines. */
export const RING_CONTROL = 16;

/** Words that bytes leave free, so that a flood of datagrams does not delay what must not be lost. */
const RESERVE = 16_384;
/** Records after which a reader gives their room back. */
const PUBLISH_EVERY = 64;

export interface RingPlace {
  readonly arena: Arena;
  /** The first word, in words of the arena, and how many there are: a power of two. */
  readonly at: number;
  readonly words: number;
  readonly control: Int32Array;
}

export class RingWriter {
  readonly #arena: Arena;
  readonly #i32: Int32Array;
  readonly #at: number;
  readonly #words: number;
  readonly #control: Int32Array;
  #tail = 0;
  #waiting: number[][] = [];

  constructor({ arena, at, words, control }: RingPlace) {
    this.#arena = arena;
    this.#i32 = arena.i32;
    this.#at = at;
    this.#words = words;
    this.#control = control;
  }

  /** Records wait for room. */
  get congested(): boolean {
    return this.#waiting.length > 0;
  }

  push(type: number, ...args: number[]): void {
    if (this.#waiting.length > 0 || !this.#put(type, args)) {
      this.#waiting.push([type, ...args]);
      Atomics.store(this.#control, WANTED, 1);
      // Room that came between the attempt and the store would not be told of.
      this.flush();
    }
  }

  /** A record of `type` with a number, a length and bytes out of the arena. Returns false where there is no room. */
  pushBytes(type: number, id: number, from: number, length: number): boolean {
    const words = 4 + ((length + 3) >> 2);
    if (this.#waiting.length > 0) return false;
    const at = this.#reserve(words, RESERVE);
    if (at < 0) return false;
    const i32 = this.#i32;
    i32[at] = words;
    i32[at + 1] = type;
    i32[at + 2] = id;
    i32[at + 3] = length;
    this.#arena.u8.copyWithin((at + 4) << 2, from, from + length);
    this.#publish(words);
    return true;
  }

  /** Writes what waits, as far as there is room. */
  flush(): void {
    while (this.#waiting.length > 0) {
      const [type, ...args] = this.#waiting[0] as [number, ...number[]];
      if (!this.#put(type, args)) return;
      this.#waiting.shift();
    }
  }

  #put(type: number, args: readonly number[]): boolean {
    const words = args.length + 2;
    const at = this.#reserve(words, 0);
    if (at < 0) return false;
    this.#i32[at] = words;
    this.#i32[at + 1] = type;
    for (let n = 0; n < args.length; n++) this.#i32[at + 2 + n] = args[n] as number;
    this.#publish(words);
    return true;
  }

  /** Where a record of so many words goes: never across the end, where a zero says that the rest is skipped. */
  #reserve(words: number, reserve: number): number {
    const mask = this.#words - 1;
    const start = this.#tail & mask;
    const skip = start + words > this.#words ? this.#words - start : 0;
    const used = (this.#tail - Atomics.load(this.#control, HEAD)) | 0;
    if (used + skip + words + reserve > this.#words) return -1;
    if (skip > 0) {
      this.#i32[this.#at + start] = 0;
      this.#tail = (this.#tail + skip) | 0;
    }
    return this.#at + (this.#tail & mask);
  }

  #publish(words: number): void {
    this.#tail = (this.#tail + words) | 0;
    Atomics.store(this.#control, TAIL, this.#tail);
  }
}

/** Takes a record: its type, the index of its first argument in the arena's words, how many words there are. */
export type RingHandler = (type: number, at: number, words: number) => void;

export class RingReader {
  readonly #i32: Int32Array;
  readonly #at: number;
  readonly #words: number;
  readonly #control: Int32Array;
  #head = 0;

  constructor({ arena, at, words, control }: RingPlace) {
    this.#i32 = arena.i32;
    this.#at = at;
    this.#words = words;
    this.#control = control;
  }

  get empty(): boolean {
    return Atomics.load(this.#control, TAIL) === this.#head;
  }

  /** Hands over what is there, at most `limit` records. Returns whether the writer waits for room that there is now. */
  drain(handler: RingHandler, limit = Number.POSITIVE_INFINITY): boolean {
    const tail = Atomics.load(this.#control, TAIL);
    const mask = this.#words - 1;
    let count = 0;
    while (this.#head !== tail && count < limit) {
      const at = this.#at + (this.#head & mask);
      const words = this.#i32[at] as number;
      if (words === 0) {
        this.#head = (this.#head + this.#words - (this.#head & mask)) | 0;
        continue;
      }
      this.#head = (this.#head + words) | 0;
      handler(this.#i32[at + 1] as number, at + 2, words - 2);
      if (++count % PUBLISH_EVERY === 0) Atomics.store(this.#control, HEAD, this.#head);
    }
    Atomics.store(this.#control, HEAD, this.#head);
    return Atomics.exchange(this.#control, WANTED, 0) === 1;
  }
}
