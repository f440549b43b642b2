import type { Level } from '../core/log.ts';
import { type Line, Repeats } from './repeats.ts';

/** Bytes of a line of the log, with its end. A peer can make what it is about (a URL, a name) as long as it likes. */
export const MAX_LINE = 1024;

/** What stands between those who write lines and where these go: no flood of them comes through. See `Repeats`. */
export class FloodGate {
  readonly #repeats = new Repeats();
  readonly #pass: (line: Line) => void;
  #timer: NodeJS.Timeout | undefined;

  constructor(pass: (line: Line) => void) {
    this.#pass = pass;
  }

  /** `length`: of a message that was cut before, in characters. */
  write(level: Level, object: string, message: string, length = message.length): void {
    const line: Line = { level, object, message: beginning(message), length };
    if (this.#repeats.take(line, performance.now())) this.#pass(line);
    else this.#sumUpLater();
  }

  /** Tells at once what was kept back. */
  sumUp(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    for (const line of this.#repeats.sumUp(performance.now())) this.#pass(line);
  }

  /** The timer runs only while there is something to tell. */
  #sumUpLater(): void {
    const { due } = this.#repeats;
    if (this.#timer || due === undefined) return;
    this.#timer = setTimeout(() => this.sumUp(), due - performance.now()).unref();
  }
}

/** What a line can hold of a message. A copy: a part of a long text would keep it all in memory. */
function beginning(message: string): string {
  return message.length > MAX_LINE ? Buffer.from(message.slice(0, MAX_LINE)).toString() : message;
}
