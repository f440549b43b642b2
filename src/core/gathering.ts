/**
 * What comes in pieces and is of use only as a whole (a request's body, a WebSocket message in fragments): gathered in
 * one buffer, whatever the number of pieces, and bounded in all. An array of one-byte pieces costs hundreds of times
 * what is in it.
 */
import os from 'node:os';
import { CompactingMap } from './compacting.ts';

/** The least that a buffer begins with, in bytes. */
const FIRST = 64;

/** Bytes in all that gatherings may hold, where nobody says: an eighth of the memory, 256 MiB at most. */
function defaultLimit(): number {
  // Undefined, 0 or 2^64 and the like where there is no limit, depending on the version of node.
  const constrained = process.constrainedMemory() || Number.POSITIVE_INFINITY;
  return Math.min(256 << 20, Math.floor(Math.min(constrained, os.totalmem()) / 8));
}

/** What holds a share of the bound. */
export interface Holder {
  /** Its share is needed by others: it must let go of what it has, and release it. */
  giveWay(): void;
}

/**
 * The bound of all gatherings together, those of one proxy. When it is reached the oldest give way: what is honest is
 * seldom the oldest, and one that never becomes whole is not to keep the others out for ever.
 */
export class GatheringLimit {
  /** Bytes. */
  readonly most: number;
  readonly #held = new CompactingMap<Holder, number>();
  #bytes = 0;

  constructor(most = defaultLimit()) {
    this.most = most;
  }

  /** Bytes that are held now: the buffers, not only what is in them. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Puts `bytes` down to the holder. Returns whether it may have them; others may have lost theirs for it. */
  hold(holder: Holder, bytes: number): boolean {
    if (bytes > this.most) return false;
    this.#bytes += bytes - (this.#held.get(holder) ?? 0);
    this.#held.set(holder, bytes);
    for (const oldest of this.#held.keys()) {
      if (this.#bytes <= this.most) break;
      if (oldest === holder) return false;
      if (this.#held.has(oldest)) oldest.giveWay();
    }
    return true;
  }

  release(holder: Holder): void {
    this.#bytes -= this.#held.get(holder) ?? 0;
    this.#held.delete(holder);
  }
}

/** One buffer that grows with what comes: at most twice as large as what is in it. */
export class Gathering implements Holder {
  readonly #limit: GatheringLimit;
  readonly #gaveWay: () => void;
  #buffer = new Uint8Array(0);
  #length = 0;

  /** `gaveWay`: its bytes are lost, because all together have become too many. Called from within others' `push`. */
  constructor(limit: GatheringLimit, gaveWay: () => void) {
    this.#limit = limit;
    this.#gaveWay = gaveWay;
  }

  /** Bytes that are in it. */
  get length(): number {
    return this.#length;
  }

  /** Copies a piece. Returns false, and holds nothing any more, where the bound of all is reached. */
  push(piece: Uint8Array): boolean {
    const length = this.#length + piece.length;
    if (length > this.#buffer.length && !this.#grow(length)) {
      this.clear();
      return false;
    }
    this.#buffer.set(piece, this.#length);
    this.#length = length;
    return true;
  }

  /** All that came, which is the caller's from now on. It is empty afterwards. */
  take(): Uint8Array {
    const whole = this.#buffer.subarray(0, this.#length);
    this.clear();
    return whole;
  }

  clear(): void {
    this.#limit.release(this);
    this.#buffer = new Uint8Array(0);
    this.#length = 0;
  }

  /** For the limit to call. */
  giveWay(): void {
    this.clear();
    this.#gaveWay();
  }

  #grow(length: number): boolean {
    const size = Math.max(FIRST, length, Math.min(2 * this.#buffer.length, 2 * length));
    if (!this.#limit.hold(this, size)) return false;
    const larger = new Uint8Array(size);
    larger.set(this.#buffer.subarray(0, this.#length));
    this.#buffer = larger;
    return true;
  }
}
