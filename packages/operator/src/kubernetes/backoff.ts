/** How long to wait before the next attempt: twice as long each time, and never all at once. */

export class Backoff {
  readonly #first: number;
  readonly #most: number;
  #attempts = 0;

  /** In milliseconds: about the first wait, and the longest. */
  constructor(first: number, most: number) {
    this.#first = first;
    this.#most = most;
  }

  /** Between half of it and all of it, at random, so that those who failed together do not come back together. */
  next(): number {
    const wait = Math.min(this.#most, this.#first * 2 ** this.#attempts);
    if (wait < this.#most) this.#attempts++;
    return wait * (0.5 + Math.random() / 2);
  }

  reset(): void {
    this.#attempts = 0;
  }
}

/** Resolves after so many milliseconds, or as soon as the signal says so. */
export function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const over = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', over);
      resolve();
    };
    const timer = setTimeout(over, milliseconds);
    signal.addEventListener('abort', over);
  });
}
