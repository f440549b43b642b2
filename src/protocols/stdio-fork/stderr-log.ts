import type { Readable } from 'node:stream';
import { StringDecoder } from 'node:string_decoder';
import type { Log } from '../../core/log.ts';

/** Characters of a line that are told. */
const MAX_LINE = 1024;

/** Lines of a child that are told in a second: the next ones are counted, since one child must not hide all others. */
const LINES_PER_SECOND = 20;

const SECOND = 1000;

/** Writes what a child says on stderr into the log, line by line. It is always read: a child that says much is not held up. */
export class StderrLog {
  readonly #log: Log;
  readonly #object: string;
  readonly #lead: string;
  readonly #decoder = new StringDecoder();
  /** The beginning of a line whose end has not come. */
  #line = '';
  #second = 0;
  #told = 0;
  #untold = 0;

  constructor(stderr: Readable, log: Log, object: string, pid: number) {
    this.#log = log;
    this.#object = object;
    this.#lead = `child ${pid}: `;
    stderr.on('data', (bytes: Buffer) => this.#take(this.#decoder.write(bytes)));
    stderr.on('error', () => {});
    stderr.once('close', () => this.#close());
  }

  #take(text: string): void {
    let from = 0;
    for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n', from)) {
      this.#append(text, from, end);
      this.#tell();
      from = end + 1;
    }
    this.#append(text, from, text.length);
  }

  // What is beyond is cut anyway.
  #append(text: string, from: number, end: number): void {
    const room = MAX_LINE + 1 - this.#line.length;
    if (room > 0 && end > from) this.#line += text.slice(from, Math.min(end, from + room));
  }

  #tell(): void {
    const line = this.#line;
    this.#line = '';
    const second = Math.floor(performance.now() / SECOND);
    if (second !== this.#second) {
      this.#tellUntold();
      this.#second = second;
      this.#told = 0;
    }
    if (++this.#told > LINES_PER_SECOND) this.#untold++;
    else this.#write(line.length > MAX_LINE ? `${line.slice(0, MAX_LINE)}…` : line);
  }

  #tellUntold(): void {
    if (this.#untold > 0) this.#write(`… ${this.#untold} more lines`);
    this.#untold = 0;
  }

  #close(): void {
    if (this.#line !== '') this.#tell();
    this.#tellUntold();
  }

  #write(text: string): void {
    this.#log.write('info', this.#object, this.#lead + text);
  }
}
