/** JSON with what `JSON.parse` leaves out: a key that comes twice is refused, and values have places. */

import type { L7mpError } from '../core/errors.ts';
import { formatPointer, type Pointer } from '../core/pointer.ts';
import { badText } from './place.ts';

/** Empty text is null. Throws E_PARSE with the place. Takes time in proportion to the text. */
export function parseJson(text: string): unknown {
  if (text.trim() === '') return null;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    // Walks into the mistake: the library says where it is in some messages only.
    walk(text, () => false);
    throw badText('JSON', (error as Error).message);
  }
  refuseDuplicates(text);
  return value;
}

/** RFC 8259 section 4 leaves open what a repeated key means; who writes one has made a mistake. */
function refuseDuplicates(text: string): void {
  walk(text, (step, level, offset) => {
    if (typeof step === 'number') return false;
    if (!level.keys.has(step)) {
      level.keys.add(step);
      return false;
    }
    const pointer = formatPointer(pathTo(level));
    throw badText('JSON', `duplicate key ${JSON.stringify(step)}, at ${pointer}`, { text, offset });
  });
}

/** The offset of what stands at the pointer: of the key for a member, else of the value. Takes text that parses. */
export function locateInJson(text: string, pointer: Pointer): number | undefined {
  if (pointer.length === 0) return /\S/.exec(text)?.index;
  let found: number | undefined;
  walk(text, (step, level, offset) => {
    if (String(step) !== pointer.at(-1)) return false;
    const path = pathTo(level);
    if (path.length !== pointer.length || path.some((key, n) => key !== pointer[n])) return false;
    found = offset;
    return true;
  });
  return found;
}

/** An object or a list that is open, and where in it the walk is. */
interface Level {
  readonly parent: Level | undefined;
  readonly isList: boolean;
  /** Of an object: those that have come. */
  readonly keys: Set<string>;
  step: string | number;
}

const NO_KEYS: Set<string> = new Set();

function open(parent: Level | undefined, isList: boolean): Level {
  return { parent, isList, keys: isList ? NO_KEYS : new Set(), step: isList ? 0 : '' };
}

function pathTo(level: Level): string[] {
  const path: string[] = [];
  for (let here: Level | undefined = level; here; here = here.parent) path.push(String(here.step));
  return path.reverse();
}

/** What may come next. `first` is a value or key, or the end of what has just begun. */
type Due = 'value' | 'first value' | 'key' | 'first key' | 'colon' | 'comma' | 'end';

type Visit = (step: string | number, level: Level, offset: number) => boolean;

/** Calls `visit` for each member, at its key, and each item, in the order of the text, until it returns true. */
function walk(text: string, visit: Visit): void {
  const walker = new Walker(text, visit);
  while (walker.step());
}

const BLANK = /[ \t\n\r]*/y;
const TOKEN = /[{}[\],:]|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][-+]?\d+)?|true|false|null/y;
/** A part of a text: escapes one by one, since a pattern that repeats without end takes memory at each turn. */
const PART = /[ !#-[\]-\uffff]+|\\(?:["\\/bfnrt]|u[\da-fA-F]{4})/y;

/** Where the match of a sticky pattern ends; `at` where there is none. */
function endOf(pattern: RegExp, text: string, at: number): number {
  pattern.lastIndex = at;
  return pattern.test(text) ? pattern.lastIndex : at;
}

/** The end of the token that begins at `at` (RFC 8259 section 2); `at` itself where none does. */
function endOfToken(text: string, at: number): number {
  if (text.charAt(at) !== '"') return endOf(TOKEN, text, at);
  let end = at + 1;
  for (let next = endOf(PART, text, end); next > end; next = endOf(PART, text, end)) end = next;
  return text.charAt(end) === '"' ? end + 1 : at;
}

class Walker {
  readonly #text: string;
  readonly #visit: Visit;
  #level: Level | undefined;
  #due: Due = 'value';
  #at = 0;

  constructor(text: string, visit: Visit) {
    this.#text = text;
    this.#visit = visit;
  }

  /** Takes a token. False: there is nothing more to do. Throws E_PARSE where another one is due. */
  step(): boolean {
    const offset = endOf(BLANK, this.#text, this.#at);
    if (this.#due === 'end' && offset === this.#text.length) return false;
    this.#at = endOfToken(this.#text, offset);
    const token = this.#text.slice(offset, this.#at);
    if (this.#due === 'key' || this.#due === 'first key') return this.#key(token, offset);
    if (this.#due === 'value' || this.#due === 'first value') return this.#value(token, offset);
    return this.#between(token, offset);
  }

  #key(token: string, offset: number): boolean {
    if (token === '}' && this.#due === 'first key') return this.#close();
    if (!token.startsWith('"')) throw this.#unexpected(offset);
    const level = this.#level as Level;
    level.step = JSON.parse(token) as string;
    this.#due = 'colon';
    return !this.#visit(level.step, level, offset);
  }

  #value(token: string, offset: number): boolean {
    if (token === ']' && this.#due === 'first value') return this.#close();
    if (token === '' || ':,]}'.includes(token)) throw this.#unexpected(offset);
    const level = this.#level;
    if (level?.isList && this.#visit(level.step, level, offset)) return false;
    if (token === '{' || token === '[') {
      this.#level = open(level, token === '[');
      this.#due = token === '[' ? 'first value' : 'first key';
    } else this.#due = level ? 'comma' : 'end';
    return true;
  }

  #between(token: string, offset: number): boolean {
    const level = this.#level;
    if (this.#due === 'colon' && token === ':') this.#due = 'value';
    else if (this.#due === 'comma' && token === ',') {
      this.#due = level?.isList ? 'value' : 'key';
      if (typeof level?.step === 'number') level.step++;
    } else if (this.#due === 'comma' && token === (level?.isList ? ']' : '}')) this.#close();
    else throw this.#unexpected(offset);
    return true;
  }

  #close(): boolean {
    this.#level = this.#level?.parent;
    this.#due = this.#level ? 'comma' : 'end';
    return true;
  }

  #unexpected(offset: number): L7mpError {
    const char = String.fromCodePoint(this.#text.codePointAt(offset) ?? 0);
    const what = offset === this.#text.length ? 'the text ends too early' : `unexpected ${JSON.stringify(char)}`;
    return badText('JSON', what, { text: this.#text, offset });
  }
}
