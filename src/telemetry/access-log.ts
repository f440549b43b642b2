import type { Log } from '../core/log.ts';
import { Mutex } from '../core/mutex.ts';
import type { Enclosure } from '../core/protocol.ts';
import { openFile } from '../output/output.ts';
import { oneLine } from '../output/printable.ts';
import { FileWriter } from '../output/writer.ts';

/** One line of JSON for each ended session, in a file. What is missing there is counted, and the log says why. */
export class AccessLog {
  readonly #log: Log;
  readonly #turns = new Mutex();
  #path: string | undefined;
  #within: Enclosure | undefined;
  #writer: FileWriter | undefined;
  /** Lines that are missing, but for those of the present file. */
  #lost = 0;

  constructor(log: Log) {
    this.#log = log;
  }

  get path(): string | undefined {
    return this.#path;
  }

  /** Below which directory its file must lie. */
  get within(): Enclosure | undefined {
    return this.#within;
  }

  /** Lines that are missing: a slow or full disk did not take them, or a worker had too many at a time. */
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
      const output = path === undefined ? undefined : await openFile(path, 'access_log_path', within);
      const writer = output && new FileWriter(output, { onLost: (why) => this.#tell(why) });
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

  /** Writes records of sessions that have ended. `lost`: so many more were too many to be handed over. */
  write(records: readonly object[], lost = 0): void {
    // In JSON, what cannot be printed may be written as an escape as well.
    for (const record of records) this.#writer?.write(Buffer.from(`${oneLine(JSON.stringify(record))}\n`));
    if (lost === 0) return;
    this.#lost += lost;
    this.#tell('too many sessions of a worker ended at once');
  }

  /** Writes what waits, and closes the file. Resolves in a second at the latest. */
  close(): Promise<void> {
    return this.open(undefined);
  }

  #tell(why: string): void {
    this.#log.write('warn', 'access-log', `lines are missing: ${why}`);
  }
}
