/** What is sent again because no answer has come: one timer for all connections, and none while there is nothing to wait for. */

/** Milliseconds between two looks. Flights are sent again after a second at least (RFC 6347 section 4.2.4.1). */
const LOOKS = 100;

/** Waits for its peer. */
export interface Waiting {
  /** On the clock of performance.now(). */
  readonly due: number;
  /** The time has come. Goes on waiting unless it is deleted. */
  retransmit(): void;
}

export class Retransmissions {
  readonly #waiting = new Set<Waiting>();
  #timer: NodeJS.Timeout | undefined;

  get size(): number {
    return this.#waiting.size;
  }

  add(one: Waiting): void {
    this.#waiting.add(one);
    this.#timer ??= setInterval(() => this.#look(), LOOKS).unref();
  }

  delete(one: Waiting): void {
    if (!this.#waiting.delete(one) || this.#waiting.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #look(): void {
    const now = performance.now();
    // What is deleted meanwhile is not met any more, and what is added again is due later.
    for (const one of this.#waiting) if (one.due <= now) one.retransmit();
  }
}
