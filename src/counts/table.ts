import { KeyedHash } from './keyed-hash.ts';
import { Lock } from './lock.ts';
import { type CountsMemory, FREE, FRESH, type Layout, LOCK, layOut } from './memory.ts';

/** No cell. */
export const NONE = 0;

/**
 * A hash table, with a chain of cells for each bucket, in memory that threads share. A key is known by 64 bits of its
 * hash: two that meet would be taken for one, which among a million keys happens once in 37 million tables. Everything
 * here is done under one lock, for some hundred nanoseconds at a time.
 */
export class CellTable {
  readonly layout: Layout;
  readonly #cells: number;
  readonly #own: Int32Array;
  readonly #lock: Lock;
  readonly #hash: KeyedHash;

  /** `worker`: the number of the thread that uses it. */
  constructor(memory: CountsMemory, worker: number) {
    this.layout = layOut(memory);
    this.#cells = memory.cells;
    this.#own = this.layout.holdersOf[worker] as Int32Array;
    this.#lock = new Lock(this.layout.head, LOCK, ownerOf(worker));
    this.#hash = new KeyedHash(this.layout.key);
  }

  /** The cell of a key, which has one more holder now. NONE where it has `most` already, or where no cell is free. */
  hold(key: string, most: number): number {
    if (most < 1) return NONE;
    this.#hash.of(key);
    this.#lock.acquire();
    const cell = this.#find() || this.#make();
    const { holders } = this.layout;
    const held = cell !== NONE && (holders[cell] as number) < most;
    if (held) {
      holders[cell] = (holders[cell] as number) + 1;
      this.#own[cell] = (this.#own[cell] as number) + 1;
    }
    this.#lock.release();
    return held ? cell : NONE;
  }

  /** A holder lets go of it; it is free after the last one. */
  release(cell: number): void {
    this.#lock.acquire();
    this.#decrement(cell);
    this.#lock.release();
  }

  /** Likewise, by the key. One that nobody holds is left alone. */
  drop(key: string): void {
    this.#hash.of(key);
    this.#lock.acquire();
    const cell = this.#find();
    if (cell !== NONE) this.#decrement(cell);
    this.#lock.release();
  }

  /** How many hold the cell of a key. */
  holders(key: string): number {
    this.#hash.of(key);
    this.#lock.acquire();
    const count = this.layout.holders[this.#find()] as number;
    this.#lock.release();
    return count;
  }

  get #bucket(): number {
    return this.#hash.low & (this.layout.buckets.length - 1);
  }

  /** The cell with the hash, if there is one. */
  #find(): number {
    const { buckets, next, low, high } = this.layout;
    let cell = buckets[this.#bucket] as number;
    while (cell !== NONE && (low[cell] !== this.#hash.low || high[cell] !== this.#hash.high))
      cell = next[cell] as number;
    return cell;
  }

  /** A cell for the hash, without holders. */
  #make(): number {
    const { next, low, high, counts, buckets } = this.layout;
    const cell = this.#takeFree();
    if (cell === NONE) return NONE;
    low[cell] = this.#hash.low;
    high[cell] = this.#hash.high;
    counts[cell] = 0;
    next[cell] = buckets[this.#bucket] as number;
    buckets[this.#bucket] = cell;
    return cell;
  }

  #decrement(cell: number): void {
    const { holders } = this.layout;
    this.#own[cell] = (this.#own[cell] as number) - 1;
    holders[cell] = (holders[cell] as number) - 1;
    if (holders[cell] === 0) this.#free(cell);
  }

  #takeFree(): number {
    const { head, next } = this.layout;
    let cell = head[FREE] as number;
    if (cell !== NONE) head[FREE] = next[cell] as number;
    else if ((head[FRESH] as number) + 1 < this.#cells) {
      cell = (head[FRESH] as number) + 1;
      head[FRESH] = cell;
    }
    return cell;
  }

  #free(cell: number): void {
    const { head, next, low, buckets } = this.layout;
    const bucket = (low[cell] as number) & (buckets.length - 1);
    let before = NONE;
    for (let at = buckets[bucket] as number; at !== cell; at = next[at] as number) before = at;
    if (before === NONE) buckets[bucket] = next[cell] as number;
    else next[before] = next[cell] as number;
    next[cell] = head[FREE] as number;
    head[FREE] = cell;
  }
}

/** The thread that has the lock, as a number that is not 0. */
export function ownerOf(worker: number): number {
  return worker + 1;
}
