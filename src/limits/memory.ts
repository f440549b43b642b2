/** Whether the process has as much memory as it may. */
import { getHeapStatistics } from 'node:v8';
import { collect } from '../core/collect.ts';

/** Milliseconds for which a measurement holds: it costs some 10 µs. */
const HOLDS = 100;

/** Of the heap that V8 allows itself: it ends the process when that is full. */
const HEAP_SHARE = 0.9;

/** Milliseconds between collections that are asked for. */
const COLLECTS = 10_000;

export class MemoryGauge {
  #limit = Number.POSITIVE_INFINITY;
  readonly #now: () => number;
  #measuredAt = Number.NEGATIVE_INFINITY;
  #collectedAt = Number.NEGATIVE_INFINITY;
  #full = false;

  /** `now`: the time in milliseconds. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** Bytes from which on it is full. */
  set limit(bytes: number) {
    this.#limit = bytes;
    this.#measuredAt = Number.NEGATIVE_INFINITY;
  }

  /** Nothing new is to be begun. */
  get full(): boolean {
    const now = this.#now();
    if (now - this.#measuredAt < HOLDS) return this.#full;
    this.#measuredAt = now;
    this.#full = this.#measure();
    // What takes nothing new allocates little: V8 would see no reason to collect, and it would stay full.
    if (this.#full && now - this.#collectedAt >= COLLECTS) {
      this.#collectedAt = now;
      collect();
      this.#full = this.#measure();
    }
    return this.#full;
  }

  #measure(): boolean {
    const { used_heap_size: used, heap_size_limit: most } = getHeapStatistics();
    return used > most * HEAP_SHARE || process.memoryUsage.rss() > this.#limit;
  }
}
