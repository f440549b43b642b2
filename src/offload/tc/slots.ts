import type { Slots } from './entries.ts';

/**
 * Places for the counters of `capacity` flows. The two directions of a flow lie far apart, since two CPUs count them.
 * The place that was free longest is taken first: a packet that was under way when a flow was removed counts late.
 */
export class SlotRing {
  readonly #capacity: number;
  readonly #free: Uint32Array;
  #next = 0;
  #used = 0;

  constructor(capacity: number) {
    this.#capacity = capacity;
    this.#free = Uint32Array.from({ length: capacity }, (_, n) => n);
  }

  get used(): number {
    return this.#used;
  }

  take(): Slots | undefined {
    if (this.#used === this.#capacity) return undefined;
    const n = this.#free[this.#next] as number;
    this.#next = (this.#next + 1) % this.#capacity;
    this.#used++;
    return { fromClient: n, fromUpstream: n + this.#capacity };
  }

  give(slots: Slots): void {
    this.#free[(this.#next + this.#capacity - this.#used) % this.#capacity] = slots.fromClient;
    this.#used--;
  }
}
