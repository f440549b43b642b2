/**
 * What keeps a flood out of the log: lines that are alike are summed up, and each level has a bound in lines a second.
 * Levels do not share it, so that many lines of one level never keep out those of another.
 */
import type { Level } from '../core/log.ts';

/** Milliseconds over which lines are counted. */
export const WINDOW = 10_000;

/** Lines that are alike and are written in a window; the others are summed up in one line at its end. */
export const ALIKE = 20;

/**
 * Lines of a level that are written in a second. `notice` has a line for each change by the REST API, of which none may
 * hide another; who asks for the last two wants to see what goes on.
 */
export const LINES_PER_SECOND: Readonly<Record<Level, number>> = {
  error: 100,
  warn: 100,
  notice: 2000,
  info: 100,
  verbose: 2000,
  silly: 2000,
};

/** Levels whose lines are not summed up. */
const IN_FULL: ReadonlySet<Level> = new Set(['notice', 'verbose', 'silly']);

/** Kinds of lines that are told apart in a window. Those beyond have only the bound of their level. */
const MAX_KINDS = 512;

/** Characters of a line that say what it is like. */
const TOLD_BY = 256;

export interface Line {
  readonly level: Level;
  readonly object: string;
  readonly message: string;
  /** How long the message was before it was cut, in characters. */
  readonly length: number;
}

interface Kind {
  count: number;
  /** The latest that was not written. */
  last: Line | undefined;
}

/** Lines of one level in the current second and window. */
interface Rate {
  second: number;
  written: number;
  left: number;
}

export class Repeats {
  readonly #kinds = new Map<string, Kind>();
  readonly #rates = new Map<Level, Rate>();
  /** When the window began. */
  #began = Number.NEGATIVE_INFINITY;
  #pending = false;

  /** When `sumUp` is to be asked, if it has anything to tell. */
  get due(): number | undefined {
    return this.#pending ? this.#began + WINDOW : undefined;
  }

  /**
   * Whether the line is to be written. What is not is counted, and the latest of its kind kept.
   * @param now milliseconds of a clock that is never set
   */
  take(line: Line, now: number): boolean {
    if (!this.#pending && now - this.#began >= WINDOW) this.#begin(now);
    const alike = IN_FULL.has(line.level) ? undefined : this.#kindOf(line);
    if (alike && ++alike.count > ALIKE) {
      alike.last = line;
      this.#pending = true;
      return false;
    }
    const rate = this.#rateOf(line.level, Math.floor(now / 1000));
    if (rate.written < LINES_PER_SECOND[line.level]) {
      rate.written++;
      return true;
    }
    rate.left++;
    this.#pending = true;
    return false;
  }

  /** Ends the window: the lines that tell what was kept back in it. */
  sumUp(now: number): Line[] {
    const seconds = `${Math.max(1, Math.round((now - this.#began) / 1000))} s`;
    const lines: Line[] = [];
    for (const { count, last } of this.#kinds.values()) {
      if (last) lines.push(prefixed(last, `… ${count - ALIKE} more in ${seconds}, the last: `));
    }
    for (const [level, rate] of this.#rates) {
      if (rate.left === 0) continue;
      const message = `… ${rate.left} more lines in ${seconds} were too many to write`;
      lines.push({ level, object: 'log', message, length: message.length });
      rate.left = 0;
    }
    this.#begin(now);
    return lines;
  }

  #begin(now: number): void {
    this.#began = now;
    this.#kinds.clear();
    this.#pending = false;
  }

  /** Undefined where there are too many kinds. */
  #kindOf({ level, object, message }: Line): Kind | undefined {
    const key = likeness(`${level} ${object.slice(0, TOLD_BY)} ${message.slice(0, TOLD_BY)}`);
    let kind = this.#kinds.get(key);
    if (!kind && this.#kinds.size < MAX_KINDS) {
      kind = { count: 0, last: undefined };
      this.#kinds.set(key, kind);
    }
    return kind;
  }

  #rateOf(level: Level, second: number): Rate {
    let rate = this.#rates.get(level);
    if (!rate) {
      rate = { second, written: 0, left: 0 };
      this.#rates.set(level, rate);
    }
    if (rate.second !== second) {
      rate.second = second;
      rate.written = 0;
    }
    return rate;
  }
}

/** The line without what differs from one session to the next: numbers, addresses, ports. */
function likeness(text: string): string {
  return text.replace(/[0-9a-f][0-9a-f.:]*/gi, (run) => (/\d/.test(run) ? '#' : run));
}

function prefixed(line: Line, text: string): Line {
  return { ...line, message: text + line.message, length: text.length + line.length };
}
