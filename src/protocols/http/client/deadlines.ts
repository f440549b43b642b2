/** Who waits for something with a bound in time that is the same for all: one timer serves them. */
import { CompactingMap } from '../../../core/compacting.ts';

/** Milliseconds after which it is looked again, at most: the bound may be changed meanwhile. */
const LOOKS = 1000;

export interface Waiter {
  /** Since when it waits, on the clock of performance.now(). */
  readonly since: number;
  /** It has waited for too long. */
  late(): void;
}

export class Deadlines {
  readonly #timeout: () => number;
  /** The one that has waited for the longest time comes first, but for those that have begun anew. */
  readonly #waiters = new CompactingMap<Waiter, true>();
  #timer: NodeJS.Timeout | undefined;

  /** `timeout`: milliseconds; 0 is for ever. */
  constructor(timeout: () => number) {
    this.#timeout = timeout;
  }

  add(waiter: Waiter): void {
    this.#waiters.set(waiter, true);
    this.#timer ??= this.#arm(this.#timeout());
  }

  delete(waiter: Waiter): void {
    this.#waiters.delete(waiter);
  }

  #arm(left: number): NodeJS.Timeout {
    return setTimeout(this.#look, Math.min(left || LOOKS, LOOKS)).unref();
  }

  #look = (): void => {
    const timeout = this.#timeout();
    const now = performance.now();
    this.#timer = undefined;
    for (const waiter of this.#waiters.keys()) {
      const left = waiter.since + timeout - now;
      if (timeout === 0 || left > 0) {
        this.#again(waiter);
        this.#timer ??= this.#arm(left);
        return;
      }
      this.#waiters.delete(waiter);
      waiter.late();
    }
  };

  /** One that has begun anew must not hide those behind it. */
  #again(waiter: Waiter): void {
    this.#waiters.delete(waiter);
    this.#waiters.set(waiter, true);
  }
}
