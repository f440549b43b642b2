/** Regular expressions, bounded in what it costs to compile them: `a{999}` is seven characters and a thousand instructions. */
import { createRequire } from 'node:module';
import type { RE2JS } from 're2js';

/** Characters of one pattern. */
export const MAX_PATTERN_LENGTH = 2048;

/** Instructions of all patterns of a request to the API; each takes about a microsecond and 100 bytes. */
export const MAX_INSTRUCTIONS = 200_000;

/** Loaded when a rule needs it: it is as large as a third of the proxy. */
function re2(): typeof import('re2js') {
  return createRequire(import.meta.url)('re2js');
}

/** Patterns that are compiled together, and what they may cost. */
export class Patterns {
  #left: number;

  /** `instructions`: how many all of them may have; Infinity for what is trusted, or has been checked. */
  constructor(instructions: number) {
    this.#left = instructions;
  }

  /** Throws an Error that says why not: of the syntax, or that there is too much. */
  compile(source: string, ignoreCase: boolean): RE2JS {
    if (source.length > MAX_PATTERN_LENGTH) throw new Error(`longer than ${MAX_PATTERN_LENGTH} characters`);
    if (this.#left <= 0) throw new Error('too many regular expressions, or too large ones, in one request');
    const { RE2JS: engine } = re2();
    const pattern = engine.compile(source, ignoreCase ? engine.CASE_INSENSITIVE : 0);
    this.#left -= pattern.programSize();
    return pattern;
  }
}
