/** Attempts before a thread waits: who has the lock has it for less than a microsecond, unless its thread is not running. */
const SPINS = 100;
/** Milliseconds that a thread waits at a time. */
const WAIT = 1;

/** A lock in shared memory that remembers who has it, since a thread may be ended at any time. Not reentrant. */
export class Lock {
  readonly #words: Int32Array;
  readonly #at: number;
  readonly #me: number;

  /** `me`: another number for each who takes it, not 0. */
  constructor(words: Int32Array, at: number, me: number) {
    this.#words = words;
    this.#at = at;
    this.#me = me;
  }

  acquire(): void {
    for (let tries = 1; ; tries++) {
      const owner = Atomics.compareExchange(this.#words, this.#at, 0, this.#me);
      if (owner === 0) return;
      if (tries % SPINS === 0) Atomics.wait(this.#words, this.#at, owner, WAIT);
    }
  }

  release(): void {
    Atomics.store(this.#words, this.#at, 0);
  }

  /** Takes it from a thread that has ended. Returns whether that one had it; else it is not taken. */
  takeFrom(ended: number): boolean {
    return Atomics.compareExchange(this.#words, this.#at, ended, this.#me) === ended;
  }
}
