/** A session's metadata as others than its rules and endpoints may see them. */
import { MAX_DEPTH } from '../core/depth.ts';
import type { Json, Metadata } from '../core/metadata.ts';
import { REDACTED } from '../core/redacted.ts';

/** Fields whose values are credentials; in whichever protocol's metadata they stand. */
const SECRETS: ReadonlySet<string> = new Set(['authorization', 'proxy-authorization', 'cookie', 'set-cookie']);

/** What stands in the place of what is too much. */
export const CUT = '…';

/** Bytes by which the default layout indents for each level. */
const INDENT = 4;

/** What an entry costs beside its name and value: a line end, quotes, a colon, a comma. */
const PER_ENTRY = 8;

export interface Shown {
  readonly metadata: Metadata;
  /** Something was left out, for being too much. */
  readonly cut: boolean;
}

/** A copy without credentials, of at most so many bytes as the default layout writes it. */
export function shownMetadata(metadata: Metadata, bytes = Number.POSITIVE_INFINITY): Shown {
  const copy = new BoundedCopy(bytes);
  return { metadata: copy.of(metadata, 0) as Metadata, cut: copy.cut };
}

class BoundedCopy {
  cut = false;
  #left: number;

  constructor(bytes: number) {
    this.#left = bytes;
  }

  of(value: Json, depth: number): Json {
    if (typeof value === 'string') return this.#text(value);
    if (typeof value !== 'object' || value === null) return this.#plain(value);
    if (depth === MAX_DEPTH) return this.#instead(CUT);
    // The line of its closing bracket.
    this.#left -= depth * INDENT + 2;
    return Array.isArray(value) ? this.#list(value, depth + 1) : this.#object(value, depth + 1);
  }

  #list(list: readonly Json[], depth: number): Json[] {
    const copy: Json[] = [];
    for (const item of list) {
      if (!this.#pay(depth, '')) return copy;
      copy.push(this.of(item, depth));
    }
    return copy;
  }

  #object(object: { readonly [key: string]: Json }, depth: number): Json {
    const entries: [string, Json][] = [];
    for (const key of Object.keys(object)) {
      if (!this.#pay(depth, key)) break;
      const secret = SECRETS.has(key.toLowerCase());
      entries.push([key, secret ? REDACTED : this.of(object[key] as Json, depth)]);
    }
    // A name such as `__proto__` is an own property like any other.
    return Object.fromEntries(entries);
  }

  #plain<T extends null | boolean | number>(value: T): T {
    this.#left -= String(value).length;
    return value;
  }

  #text(text: string): string {
    const size = Buffer.byteLength(JSON.stringify(text));
    if (size <= this.#left) {
      this.#left -= size;
      return text;
    }
    // What JSON escapes is longer there than here.
    const part = text.slice(0, Math.floor(text.length * (this.#left / size)));
    return this.#instead(part + CUT);
  }

  #instead(text: string): string {
    this.cut = true;
    this.#left = 0;
    return text;
  }

  /** Whether there is room for one more entry. */
  #pay(depth: number, key: string): boolean {
    this.#left -= PER_ENTRY + depth * INDENT + Buffer.byteLength(key);
    if (this.#left > 0) return true;
    this.cut = true;
    return false;
  }
}
