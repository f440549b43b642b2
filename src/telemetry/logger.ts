import { atLeast, type Level, type Log, type Threshold } from '../core/log.ts';
import { Mutex } from '../core/mutex.ts';
import type { Enclosure } from '../core/protocol.ts';
import { type Output, openFile, openStream } from '../output/output.ts';
import { cutToBytes, oneLine } from '../output/printable.ts';
import { FileWriter, MAX_WAITING } from '../output/writer.ts';
import { FloodGate, MAX_LINE } from './flood-gate.ts';
import type { Line } from './repeats.ts';

/** Bytes of the object's name in a line. */
const MAX_OBJECT = 256;

/** Bytes of what may wait for a slow disk that only warnings and errors may use. */
const RESERVED = MAX_WAITING >> 2;

/** The proxy's log: one line an event, `<time> <level> <object>: <message>`. */
export class Logger implements Log {
  level: Threshold = 'info';
  #file = 'stderr';
  #within: Enclosure | undefined;
  /** Made when there is something to write. */
  #writer: FileWriter | undefined;
  readonly #turns = new Mutex();
  readonly #gate = new FloodGate((line) => this.#put(line));
  #closed = false;

  /** `stdout`, `stderr` or a path. */
  get file(): string {
    return this.#file;
  }

  /** Below which directory its file must lie. */
  get within(): Enclosure | undefined {
    return this.#within;
  }

  get onStdout(): boolean {
    return this.#file === 'stdout';
  }

  enabled(level: Level): boolean {
    return atLeast(level, this.level);
  }

  write(level: Level, object: string, message: string): void {
    if (this.enabled(level) && !this.#closed) this.#gate.write(level, object, message);
  }

  /** A line that another thread has cut: its message was so many characters long. */
  pass({ level, object, message, length }: Line): void {
    if (this.enabled(level) && !this.#closed) this.#gate.write(level, object, message, length);
  }

  /**
   * Writes elsewhere from now on. Rejects with E_FILE, or E_FORBIDDEN where the file does not lie `within`, and goes on
   * as it was.
   */
  open(file: string, within?: Enclosure): Promise<void> {
    return this.#turns.run(async () => {
      if (file === this.#file) return;
      const writer = new FileWriter(await outputOf(file, within));
      const previous = this.#writer;
      this.#file = file;
      this.#within = within;
      this.#writer = writer;
      await previous?.close();
    });
  }

  /** Goes on in the file that has the path now (rotation). Rejects with E_FILE, and goes on in the old one, where it cannot. */
  reopen(): Promise<void> {
    return this.#turns.run(async () => this.#writer?.reopen());
  }

  /** Writes what waits, and no more. Resolves in a second at the latest. */
  close(): Promise<void> {
    this.#gate.sumUp();
    this.#closed = true;
    return this.#turns.run(async () => this.#writer?.close());
  }

  // ------------------------------------------------------------------ own

  #put({ level, object, message, length }: Line): void {
    if (!this.enabled(level)) return;
    this.#writer ??= new FileWriter(openStream(process.stderr));
    const urgent = level === 'error' || level === 'warn';
    const head = `${new Date().toISOString()} ${level} ${cutToBytes(oneLine(object), MAX_OBJECT)}: `;
    this.#writer.write(Buffer.from(lineOf(head, message, length)), urgent ? 0 : RESERVED);
  }
}

/** A line of at most MAX_LINE bytes; one that is cut says so. `length`: how long the message was. */
function lineOf(head: string, message: string, length: number): string {
  const text = oneLine(message);
  const room = MAX_LINE - 1 - Buffer.byteLength(head);
  if (length === message.length && Buffer.byteLength(text) <= room) return `${head}${text}\n`;
  const note = ` … (cut: ${length} characters)`;
  return `${head}${cutToBytes(text, room - Buffer.byteLength(note))}${note}\n`;
}

async function outputOf(file: string, within: Enclosure | undefined): Promise<Output> {
  if (file === 'stdout') return openStream(process.stdout);
  if (file === 'stderr') return openStream(process.stderr);
  return openFile(file, 'log_file', within);
}
