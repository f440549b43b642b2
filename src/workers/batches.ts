/** What may wait: beyond it, what comes is lost, and counted. */
const MOST = 16_384;

/**
 * What one thread tells another one, in batches: one message in a turn of the loop, and none before the last one was taken.
 * So a thread that is slow to listen is not drowned.
 */
export class Batches<T> {
  readonly #send: (items: readonly T[], lost: number) => Promise<unknown>;
  #waiting: T[] = [];
  #lost = 0;
  #sending: Promise<void> | undefined;

  /** `send` resolves when the batch was taken; `lost` ones are missing in it. */
  constructor(send: (items: readonly T[], lost: number) => Promise<unknown>) {
    this.#send = send;
  }

  add(item: T): void {
    if (this.#waiting.length >= MOST) this.#lost++;
    else this.#waiting.push(item);
    this.#sending ??= this.#sendAll();
  }

  /** Resolves when all was taken, or nobody takes anything any more. */
  async flush(): Promise<void> {
    await this.#sending;
  }

  async #sendAll(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    while (this.#waiting.length > 0) {
      const batch = this.#waiting;
      const lost = this.#lost;
      this.#waiting = [];
      this.#lost = 0;
      // A side that does not take it has gone.
      await this.#send(batch, lost).catch(() => {});
    }
    this.#sending = undefined;
  }
}
