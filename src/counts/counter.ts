import { type CellTable, NONE } from './table.ts';

/** How many there are of something. */
export interface Count {
  /** In the whole proxy. */
  readonly all: number;
  /** What was counted with this object. */
  readonly own: number;
  add(n: number): void;
  /** Counts one more, unless there are `most`. Exact, whoever counts at the same time. */
  take(most: number): boolean;
  /** Nobody begins anything new with it: its place is given back when what was counted is gone. */
  close(): void;
}

/** A count of which nobody else needs to know. */
export class LocalCount implements Count {
  own = 0;

  get all(): number {
    return this.own;
  }

  add(n: number): void {
    this.own += n;
  }

  take(most: number): boolean {
    if (this.own >= most) return false;
    this.own++;
    return true;
  }

  close(): void {}
}

/** A count that all workers share. One object for each that counts, in each worker; all that have the same key are one. */
export class Counter implements Count {
  readonly #table: CellTable;
  readonly #all: Int32Array;
  readonly #ofWorker: Int32Array;
  #cell: number;
  #own = 0;
  #closed = false;

  /** Takes over the caller's hold on the cell. */
  constructor(table: CellTable, worker: number, cell: number) {
    this.#table = table;
    this.#all = table.layout.counts;
    this.#ofWorker = table.layout.countsOf[worker] as Int32Array;
    this.#cell = cell;
  }

  /** Another number for each key that is counted: the same in all workers, for keys below it. */
  get id(): number {
    return this.#cell;
  }

  get all(): number {
    return Atomics.load(this.#all, this.#cell);
  }

  get own(): number {
    return this.#own;
  }

  add(n: number): void {
    Atomics.add(this.#all, this.#cell, n);
    this.#put(n);
  }

  take(most: number): boolean {
    let seen = Atomics.load(this.#all, this.#cell);
    while (seen < most) {
      const now = Atomics.compareExchange(this.#all, this.#cell, seen, seen + 1);
      if (now === seen) {
        this.#put(1);
        return true;
      }
      seen = now;
    }
    return false;
  }

  /**
   * The next number of a sequence, from 1: nobody's, so it does not go with the worker that has drawn it. After 2^32 it
   * begins again.
   */
  draw(): number {
    return (Atomics.add(this.#all, this.#cell, 1) + 1) >>> 0;
  }

  close(): void {
    this.#closed = true;
    this.#giveBack();
  }

  #put(n: number): void {
    this.#own += n;
    // No other thread writes there.
    this.#ofWorker[this.#cell] = (this.#ofWorker[this.#cell] as number) + n;
    if (this.#closed) this.#giveBack();
  }

  #giveBack(): void {
    if (this.#own !== 0 || this.#cell === NONE) return;
    this.#table.release(this.#cell);
    // The first cell is nobody's: what still counts does so in vain.
    this.#cell = NONE;
  }
}
