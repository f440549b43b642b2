import type { Output } from './output.ts';

/** Bytes of copies that may wait for a slow file or stdout, for each cluster. */
export const MAX_WAITING = 4 << 20;

/** Milliseconds that closing waits for the last copies: a stdout that nobody reads takes none for ever. */
const FLUSH_TIME = 1000;

/**
 * The copies of one cluster's messages on their way to its output. Never slows the traffic down: what the output
 * cannot take is lost, counted, and said once. Owns the output.
 */
export class MessageLog {
  readonly #output: Output;
  readonly #prefix: Uint8Array;
  readonly #say: (message: string) => void;
  #waiting: Uint8Array[] = [];
  /** Waiting, or being written. */
  #bytes = 0;
  #flushing: Promise<void> | undefined;
  #users = 0;
  #retired = false;
  /** Messages that are missing in the output, as a whole or in part. */
  lost = 0;

  constructor(output: Output, prefix: string, say: (message: string) => void) {
    this.#output = output;
    this.#prefix = Buffer.from(prefix === '' ? '' : `${prefix}: `);
    this.#say = say;
  }

  /** One more channel writes into it. */
  join(): void {
    this.#users++;
  }

  leave(): void {
    this.#users--;
    if (this.#retired && this.#users === 0) void this.#finish();
  }

  /** Copies also what is owned: it may be a small part of a large buffer, which would be kept as a whole. */
  write(bytes: Uint8Array): void {
    const size = this.#prefix.length + bytes.length;
    if (this.#bytes + size > MAX_WAITING) {
      this.#lose(1, 'it is too slow');
      return;
    }
    this.#bytes += size;
    this.#waiting.push(Buffer.concat([this.#prefix, bytes]));
    this.#flushing ??= this.#flush();
  }

  /** Lets go of the output: at once, or when the last live channel has left. Resolves in FLUSH_TIME at the latest. */
  retire(): Promise<void> {
    this.#retired = true;
    return this.#users === 0 ? within(FLUSH_TIME, this.#finish()) : Promise.resolve();
  }

  async #flush(): Promise<void> {
    while (this.#waiting.length > 0) {
      const batch = this.#waiting;
      this.#waiting = [];
      const bytes = Buffer.concat(batch);
      try {
        await this.#output.write(bytes);
      } catch (error) {
        this.#lose(batch.length, (error as Error).message);
      }
      this.#bytes -= bytes.length;
    }
    this.#flushing = undefined;
  }

  #lose(messages: number, why: string): void {
    if (this.lost === 0) this.#say(`messages are missing in the log_file: ${why}`);
    this.lost += messages;
  }

  async #finish(): Promise<void> {
    await this.#flushing;
    if (this.lost > 0) this.#say(`${this.lost} messages are missing in the log_file`);
    await this.#output.close().catch(() => {});
  }
}

function within(time: number, work: Promise<void>): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, time);
    void work.then(() => {
      clearTimeout(timer);
      resolve();
    });
  });
}
