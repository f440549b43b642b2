import { setImmediate } from 'node:timers/promises';

/** Milliseconds for which a long loop may hold up all else, and then some of one more item. */
const LONGEST = 10;

/**
 * Cuts a long loop into slices, between which the event loop has its turn: after so many items, or where they take long
 * (a peer can make what is shown of it as costly as a limit allows) after 10 ms.
 */
export class Turns {
  readonly #most: number;
  #items = 0;
  #since = performance.now();

  constructor(most: number) {
    this.#most = most;
  }

  /** To be asked after each item: whether `next` is to be awaited before another one. */
  due(): boolean {
    return ++this.#items >= this.#most || performance.now() - this.#since >= LONGEST;
  }

  async next(): Promise<void> {
    await setImmediate();
    this.#items = 0;
    this.#since = performance.now();
  }
}
