/** So many a second, and some more at once after a rest. */
export class RateLimiter {
  readonly #interval: number;
  readonly #burst: number;
  /** When the next one may go if there were no burst, in milliseconds of `performance.now()`. */
  #next = -Infinity;

  constructor({ perSecond, burst }: { readonly perSecond: number; readonly burst: number }) {
    this.#interval = 1000 / perSecond;
    this.#burst = burst;
  }

  /** Takes a turn, and gives the milliseconds until it comes. */
  reserve(): number {
    const now = performance.now();
    const rested = now - this.#interval * (this.#burst - 1);
    const turn = Math.max(this.#next, rested);
    this.#next = turn + this.#interval;
    return Math.max(0, turn - now);
  }

  /** Takes a turn if it is there now. */
  take(): boolean {
    if (this.#next > performance.now()) return false;
    this.reserve();
    return true;
  }
}
