/**
 * Counts of the whole proxy: limits are exact, names are unique, and what is least loaded is so, whichever worker has it.
 * Each worker has one object over the same memory, and so has the control plane.
 */
import { Counter } from './counter.ts';
import { type CountsMemory, makeCounts } from './memory.ts';
import { CellTable, NONE } from './table.ts';

export class SharedCounts {
  /** Other workers count too. */
  readonly shared: boolean;
  readonly #table: CellTable;
  readonly #worker: number;

  /** `worker`: its number. No two threads have the same at a time: see `forgetWorker`. */
  constructor(memory: CountsMemory, worker: number) {
    this.shared = memory.workers > 1;
    this.#table = new CellTable(memory, worker);
    this.#worker = worker;
  }

  /** For one worker, and so many sessions. */
  static alone(sessions = 0): SharedCounts {
    return new SharedCounts(makeCounts({ workers: 1, sessions }), 0);
  }

  /** The count that a key stands for, from 0. To be closed. Throws a RangeError where there are too many to be counted. */
  counter(key: string): Counter {
    const cell = this.#table.hold(key, Number.POSITIVE_INFINITY);
    if (cell === NONE) throw new RangeError(`${key}: nothing more can be counted`);
    return new Counter(this.#table, this.#worker, cell);
  }

  /**
   * Counts one more that has a key (a source, a name), unless there are `most`. Returns what to `give` back, or 0 where
   * there is no room: also where there are more keys than the memory was made for.
   */
  take(key: string, most: number): number {
    return this.#table.hold(key, most);
  }

  give(taken: number): void {
    this.#table.release(taken);
  }

  /** Gives back one that was taken, by its key. */
  drop(key: string): void {
    this.#table.drop(key);
  }

  /** How many were taken that have the key. */
  taken(key: string): number {
    return this.#table.holders(key);
  }

  /** Grows from one call to the next, whichever worker it is. */
  nextId(): number {
    return Number(Atomics.add(this.#table.layout.ids, 0, 1n)) + 1;
  }
}
