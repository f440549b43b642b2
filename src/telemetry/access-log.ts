import { Mutex } from '../core/mutex.ts';
import type { Enclosure } from '../core/protocol.ts';
import { openFile } from '../output/output.ts';
import { oneLine } from '../output/printable.ts';
import { FileWriter } from '../output/writer.ts';

/** One line of JSON for each ended session, in a file. */
export class AccessLog {
  readonly #turns = new Mutex();
  #path: string | undefined;
  #within: Enclosure | undefined;
  #writer: FileWriter | undefined;
  /** Lines that an earlier file did not get. */
  #lost = 0;

  get path(): string | undefined {
    return this.#path;
  }

  /** Below which directory its file must lie. */
  get within(): Enclosure | undefined {
    return this.#within;
  }

  /** Lines that a slow or full disk did not take. */
  get lost(): number {
    return this.#lost + (this.#writer?.lost ?? 0);
  }

  /**
   * Writes to this file from now on. Rejects with E_FILE, or E_FORBIDDEN where it does not lie `within`, and goes on as
   * it was.
   */
  open(path: string | undefined, within?: Enclosure): Promise<void> {
    return this.#turns.run(async () => {
      if (path === this.#path) return;
      const writer = path === undefined ? undefined : new FileWriter(await openFile(path, 'access_log_path', within));
      const previous = this.#writer;
      this.#path = path;
      this.#within = within;
      this.#writer = writer;
      await previous?.close();
      this.#lost += previous?.lost ?? 0;
    });
  }

  /** Goes on in the file that has the path now (rotation). Rejects with E_FILE, and goes on in the old one, where it cannot. */
  reopen(): Promise<void> {
    return this.#turns.run(async () => this.#writer?.reopen());
  }

  /** Writes records of sessions that have ended. */
  write(records: readonly object[]): void {
    // In JSON, what cannot be printed may be written as an escape as well.
    for (const record of records) this.#writer?.write(Buffer.from(`${oneLine(JSON.stringify(record))}\n`));
  }

  /** Writes what waits, and closes the file. Resolves in a second at the latest. */
  close(): Promise<void> {
    return this.open(undefined);
  }
}
