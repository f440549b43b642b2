/** YAML 1.2 (core schema) to plain values, with merge keys as in YAML 1.1. What JSON has no word for is refused. */
import {
  type Alias,
  Composer,
  type CST,
  type Document,
  type DocumentOptions,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  type ParseOptions,
  Parser,
  type Scalar,
  type SchemaOptions,
  type YAMLMap,
} from 'yaml';
import { L7mpError } from '../core/errors.ts';

/** Aliases in a document, and values that they may add to it: a few lines of them can stand for billions. */
const MAX_ALIASES = 1000;
const MAX_ADDED = 100_000;

const MERGE = '<<';

/** Throws E_PARSE, with the line where that is known, also for what nests deeper than about `maxDepth`. */
export function parseYaml(text: string, maxDepth: number): unknown {
  const lines = new LineCounter();
  const tokens = [...new Parser(lines.addNewLine).parse(text)];
  if (isDeeper(tokens, maxDepth)) throw bad(`nested more than ${maxDepth} levels deep`);
  const [document, second] = new Composer(OPTIONS).compose(tokens, true, text.length);
  if (!document) return null;
  const [problem] = [...document.errors, ...document.warnings];
  if (problem) throw bad(problem.message, lines, problem.pos[0]);
  if (second) throw bad('a second document begins', lines, second.range[0]);
  return new Converter(lines).convert(document);
}

/**
 * What the library does beside composing takes time that grows with the square of the text: looking for duplicate
 * keys, following aliases, putting the text into the messages of all errors. Hence the converter below.
 */
const OPTIONS: DocumentOptions & SchemaOptions & ParseOptions = {
  uniqueKeys: false,
  prettyErrors: false,
  schema: 'core',
  resolveKnownTags: false,
  logLevel: 'error',
};

/** The library's composer recurses. One level at a time: this must not. */
function isDeeper(tokens: Iterable<CST.Token>, maxDepth: number): boolean {
  let level: CST.Token[] = [...tokens].flatMap((token) => ('value' in token && token.value ? [token.value] : []));
  for (let depth = 0; level.length > 0; depth++) {
    const collections = level.filter((token) => 'items' in token);
    if (collections.length > 0 && depth === maxDepth) return true;
    const items = collections.flatMap((token) => token.items as CST.CollectionItem[]);
    level = items.flatMap(({ key, value }) => [key, value].filter((token) => token != null));
  }
  return false;
}

type Values = Record<string, unknown>;

class Converter {
  readonly #lines: LineCounter;
  /** What an anchor stands for, from where it was set on. */
  readonly #anchors = new Map<string, { readonly value: unknown; readonly size: number }>();
  #aliases = 0;
  /** Values converted so far, those that aliases have added among them, and those alone. */
  #size = 0;
  #added = 0;

  constructor(lines: LineCounter) {
    this.#lines = lines;
  }

  convert(document: Document): unknown {
    return this.#node(document.contents);
  }

  #node(node: unknown): unknown {
    if (node === null) return null;
    if (isAlias(node)) return this.#alias(node);
    const before = this.#size++;
    const value = this.#valueOf(node as Node);
    const { anchor } = node as { anchor?: string };
    if (anchor !== undefined) this.#anchors.set(anchor, { value, size: this.#size - before });
    return value;
  }

  #valueOf(node: Node): unknown {
    if (isMap(node)) return this.#map(node);
    if (isSeq(node)) return node.items.map((item) => this.#node(item));
    const { value } = node as Scalar;
    if (typeof value === 'number' && !Number.isFinite(value))
      throw this.#refuse(node, 'a number is too large, or none');
    return value;
  }

  #alias(node: Alias): unknown {
    const found = this.#anchors.get(node.source);
    if (!found) throw this.#refuse(node, `there is no anchor before the alias *${node.source}`);
    this.#aliases++;
    this.#size += found.size;
    this.#added += found.size;
    if (this.#aliases > MAX_ALIASES) throw this.#refuse(node, `more than ${MAX_ALIASES} aliases`);
    if (this.#added > MAX_ADDED) throw this.#refuse(node, `aliases stand for more than ${MAX_ADDED} values`);
    return found.value;
  }

  #map(map: YAMLMap): Values {
    const entries = new Map<string, unknown>();
    const merged: Values[] = [];
    for (const { key, value } of map.items) {
      if (isMergeKey(key)) merged.push(...this.#merged(value));
      else {
        const name = this.#key(key);
        if (entries.has(name)) throw this.#refuse(key, `duplicate key ${JSON.stringify(name)}`);
        entries.set(name, this.#node(value));
      }
    }
    for (const [name, value] of merged.flatMap((values) => Object.entries(values))) {
      if (!entries.has(name)) entries.set(name, value);
    }
    return Object.fromEntries(entries);
  }

  #key(key: unknown): string {
    const name = this.#node(key);
    if (typeof name === 'object' && name !== null) throw this.#refuse(key, 'a list or a map cannot be a key');
    return String(name ?? '');
  }

  #merged(node: unknown): Values[] {
    const value = this.#node(node);
    const list = Array.isArray(value) ? value : [value];
    for (const one of list) {
      if (typeof one !== 'object' || one === null || Array.isArray(one))
        throw this.#refuse(node, `${MERGE} takes maps`);
    }
    return list;
  }

  #refuse(node: unknown, what: string): L7mpError {
    return bad(what, this.#lines, (node as Node | null)?.range?.[0]);
  }
}

function isMergeKey(key: unknown): boolean {
  return isScalar(key) && key.value === MERGE && key.type === 'PLAIN';
}

function bad(what: string, lines?: LineCounter, offset?: number): L7mpError {
  const where = lines && offset !== undefined ? `line ${lines.linePos(offset).line}: ` : '';
  return new L7mpError('E_PARSE', `not valid YAML: ${where}${what}`);
}
