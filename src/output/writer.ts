import { BINARY } from '../core/channel.ts';
import { Mutex } from '../core/mutex.ts';
import { MessageQueue } from '../core/queue.ts';
import type { Output } from './output.ts';

/** Bytes that may wait for a slow file or stream, by default. */
export const MAX_WAITING = 4 << 20;

/** Milliseconds that closing waits for the last bytes: a stdout that nobody reads takes none for ever. */
const FLUSH_TIME = 1000;

export interface WriterOptions {
  /** Told why, each time that something is lost. */
  readonly onLost?: (why: string) => void;
  /** Bytes that may wait. */
  readonly limit?: number;
}

/**
 * What is written to an output, in order, in as few calls as it takes. Never waits and never throws: what the output
 * cannot take is lost, and counted. Owns the output.
 */
export class FileWriter {
  readonly #output: Output;
  readonly #limit: number;
  readonly #onLost: (why: string) => void;
  /** Writing, reopening and closing: never two of them at a time. */
  readonly #turns = new Mutex();
  readonly #waiting = new MessageQueue();
  /** Writes that are waiting: the queue puts small ones together. */
  #writes = 0;
  /** Bytes that wait or are being written. */
  #bytes = 0;
  #flushing: Promise<void> | undefined;
  #closing = false;
  /** Writes that are missing in the output, as a whole or in part. */
  lost = 0;

  constructor(output: Output, { onLost = () => {}, limit = MAX_WAITING }: WriterOptions = {}) {
    this.#output = output;
    this.#limit = limit;
    this.#onLost = onLost;
  }

  /** Takes the bytes, which are its own from now on. `reserve`: so many bytes of the limit are not for this. */
  write(bytes: Uint8Array, reserve = 0): void {
    if (this.#closing) this.#lose(1, 'it is closed');
    else if (this.#bytes + bytes.length > this.#limit - reserve) this.#lose(1, 'it is too slow');
    else {
      this.#bytes += bytes.length;
      this.#writes++;
      this.#waiting.append(bytes, BINARY, true);
      this.#flushing ??= this.#turns.run(() => this.#flush());
    }
  }

  /** Goes on in the file that has the path now; what was written before goes into the old one. Rejects with E_FILE. */
  reopen(): Promise<void> {
    return this.#turns.run(async () => {
      if (!this.#closing) await this.#output.reopen();
    });
  }

  /** Writes what waits, and gives the output back, once. Resolves in a second at the latest: what is not written then is lost. */
  async close(): Promise<void> {
    if (this.#closing) return;
    this.#closing = true;
    const closed = this.#turns.run(() => this.#output.close().catch(() => {}));
    await within(FLUSH_TIME, closed);
  }

  async #flush(): Promise<void> {
    while (this.#waiting.length > 0) {
      const writes = this.#writes;
      const bytes = this.#take();
      try {
        await this.#output.write(bytes);
      } catch (error) {
        this.#lose(writes, (error as Error).message);
      }
      this.#bytes -= bytes.length;
    }
    this.#flushing = undefined;
  }

  /** All that waits, as one. */
  #take(): Uint8Array {
    const parts: Uint8Array[] = [];
    while (this.#waiting.length > 0) parts.push(this.#waiting.shift().bytes);
    this.#writes = 0;
    return parts.length === 1 ? (parts[0] as Uint8Array) : Buffer.concat(parts);
  }

  #lose(writes: number, why: string): void {
    this.lost += writes;
    this.#onLost(why);
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
