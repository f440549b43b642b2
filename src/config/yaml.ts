/** YAML 1.2 (core schema) to plain values, with merge keys as in YAML 1.1. What JSON has no word for is refused. */
import { EVENT_ID, type Event, getScalarValue, parseEvents, SCALAR_STYLE, YAMLException } from 'js-yaml';
import type { L7mpError } from '../core/errors.ts';
import { formatPointer, type Pointer } from '../core/pointer.ts';
import { badText } from './place.ts';

/**
 * Aliases in a document, and values that they and merges may add to it: a few lines of them can stand for billions, and
 * a merge in a merge in a merge copies what is innermost each time.
 */
const MAX_ALIASES = 1000;
const MAX_ADDED = 100_000;

const MERGE = '<<';

type AliasEvent = Extract<Event, { type: typeof EVENT_ID.ALIAS }>;
type NodeEvent = Exclude<Event, { type: typeof EVENT_ID.POP | typeof EVENT_ID.DOCUMENT }>;
type TaggedEvent = Exclude<NodeEvent, AliasEvent>;
type ScalarEvent = Extract<Event, { type: typeof EVENT_ID.SCALAR }>;

/**
 * Takes time in proportion to the text. Throws E_PARSE, with the place where that is known, also for what nests deeper
 * than `maxDepth`.
 */
export function parseYaml(text: string, maxDepth: number): unknown {
  return new Converter(text, eventsOf(text, maxDepth)).convert();
}

/**
 * The offset of what stands at the pointer: of the key for a member of a map, else of the value. Undefined where
 * nothing does, as of what came by an alias or a merge. Takes text that parses.
 */
export function locateInYaml(text: string, pointer: Pointer, maxDepth: number): number | undefined {
  return new Finder(text, eventsOf(text, maxDepth)).find(pointer);
}

function eventsOf(text: string, maxDepth: number): readonly Event[] {
  try {
    // The library counts what stands in the innermost collection as one level more.
    return parseEvents(text, { maxDepth: maxDepth + 1 });
  } catch (error) {
    if (!(error instanceof YAMLException)) throw error;
    if (error.reason.includes('maxDepth')) throw badText('YAML', `nested more than ${maxDepth} levels deep`);
    throw badText('YAML', error.reason, error.mark && { text, offset: error.mark.position });
  }
}

// -------------------------------------------------------------------- the list of events as a tree

/** Walks the events of a document, which come in the order of the text: a collection, what is in it, its end. */
class Walker {
  protected readonly text: string;
  protected readonly events: readonly Event[];
  /** The next event. */
  protected at = 1;

  constructor(text: string, events: readonly Event[]) {
    this.text = text;
    this.events = events;
  }

  /** Whether a collection has more in it; if not, its end is passed over. */
  protected more(): boolean {
    if (this.events[this.at]?.type !== EVENT_ID.POP) return true;
    this.at++;
    return false;
  }

  protected next(): NodeEvent {
    return this.events[this.at++] as NodeEvent;
  }

  /** Passes over a node that has begun with `event`. */
  protected skip(event: NodeEvent): void {
    if (event.type === EVENT_ID.SCALAR || event.type === EVENT_ID.ALIAS) return;
    while (this.more()) this.skip(this.next());
  }

  protected anchorOf({ anchorStart, anchorEnd }: NodeEvent): string | undefined {
    return anchorStart < 0 ? undefined : this.text.slice(anchorStart, anchorEnd);
  }

  protected isMerge(event: NodeEvent): boolean {
    if (event.type !== EVENT_ID.SCALAR || event.style !== SCALAR_STYLE.PLAIN || event.tagStart >= 0) return false;
    return getScalarValue(this.text, event) === MERGE;
  }
}

/** Where a node begins in the text; undefined for one that is not written, as the value of `a:`. */
function startOf(event: NodeEvent): number | undefined {
  if (event.type === EVENT_ID.ALIAS) return event.anchorStart - 1;
  if (event.tagStart >= 0) return event.tagStart;
  if (event.anchorStart >= 0) return event.anchorStart - 1;
  if (event.type !== EVENT_ID.SCALAR) return event.start;
  if (event.valueStart < 0) return undefined;
  const isQuoted = event.style === SCALAR_STYLE.SINGLE_QUOTED || event.style === SCALAR_STYLE.DOUBLE_QUOTED;
  return event.valueStart - (isQuoted ? 1 : 0);
}

// -------------------------------------------------------------------- values

type Values = Record<string, unknown>;

class Converter extends Walker {
  /** What an anchor stands for, from where it was set on. */
  readonly #anchors = new Map<string, { readonly value: unknown; readonly size: number }>();
  #aliases = 0;
  /** Values converted so far, those that aliases have added among them, and those alone. */
  #size = 0;
  #added = 0;
  /** Where the walk is. */
  readonly #path: string[] = [];

  convert(): unknown {
    const [document] = this.events;
    if (document?.type !== EVENT_ID.DOCUMENT) return null;
    const second = this.events.findIndex(({ type }, n) => n > 0 && type === EVENT_ID.DOCUMENT);
    if (second >= 0) throw this.#refuse('a second document begins', this.#startOfNext(second));
    if (document.directives.some(({ kind }) => kind === 'tag')) throw this.#refuse('tags of its own are not known', 0);
    return this.more() ? this.#node(this.next()) : null;
  }

  #node(event: NodeEvent): unknown {
    if (event.type === EVENT_ID.ALIAS) return this.#alias(event);
    const before = this.#size++;
    const value = this.#valueOf(event);
    const anchor = this.anchorOf(event);
    if (anchor !== undefined) this.#anchors.set(anchor, { value, size: this.#size - before });
    return value;
  }

  #valueOf(event: TaggedEvent): unknown {
    const tag = event.tagStart < 0 ? undefined : this.text.slice(event.tagStart, event.tagEnd);
    if (event.type === EVENT_ID.SCALAR) return this.#scalar(event, tag);
    const isMap = event.type === EVENT_ID.MAPPING;
    if (tag !== undefined && tag !== '!' && fullName(tag) !== (isMap ? 'map' : 'seq'))
      throw this.#unresolved(event, tag);
    return isMap ? this.#map() : this.#list();
  }

  #list(): unknown[] {
    const values: unknown[] = [];
    while (this.more()) {
      this.#path.push(String(values.length));
      values.push(this.#node(this.next()));
      this.#path.pop();
    }
    return values;
  }

  #scalar(event: ScalarEvent, tag: string | undefined): unknown {
    const source = getScalarValue(this.text, event);
    const value = tag === undefined ? implicit(source, event) : explicit(source, tag);
    if (value === UNRESOLVED) throw this.#unresolved(event, tag ?? '');
    if (typeof value === 'number' && !Number.isFinite(value)) {
      throw this.#refuse('a number is too large, or none', startOf(event));
    }
    return value;
  }

  #alias(event: AliasEvent): unknown {
    const name = this.text.slice(event.anchorStart, event.anchorEnd);
    const found = this.#anchors.get(name);
    const refuse = (what: string): L7mpError => this.#refuse(what, startOf(event));
    if (!found) throw refuse(`there is no anchor before the alias *${name}`);
    this.#aliases++;
    this.#size += found.size;
    if (this.#aliases > MAX_ALIASES) throw refuse(`more than ${MAX_ALIASES} aliases`);
    this.#add(found.size, event);
    return found.value;
  }

  #add(values: number, event: NodeEvent): void {
    this.#added += values;
    if (this.#added <= MAX_ADDED) return;
    throw this.#refuse(`aliases and merges stand for more than ${MAX_ADDED} values`, startOf(event));
  }

  #map(): Values {
    const entries = new Map<string, unknown>();
    const merged: Values[] = [];
    while (this.more()) {
      const key = this.next();
      if (this.isMerge(key)) merged.push(...this.#merged());
      else {
        const name = this.#key(key);
        this.#path.push(name);
        if (entries.has(name)) throw this.#duplicate(name, startOf(key));
        entries.set(name, this.#node(this.next()));
        this.#path.pop();
      }
    }
    for (const [name, value] of merged.flatMap((values) => Object.entries(values))) {
      if (!entries.has(name)) entries.set(name, value);
    }
    return Object.fromEntries(entries);
  }

  #key(event: NodeEvent): string {
    const name = this.#node(event);
    if (typeof name === 'object' && name !== null)
      throw this.#refuse('a list or a map cannot be a key', startOf(event));
    return String(name ?? '');
  }

  #merged(): Values[] {
    const event = this.next();
    const value = this.#node(event);
    const list = Array.isArray(value) ? value : [value];
    for (const one of list) {
      if (typeof one !== 'object' || one === null || Array.isArray(one)) {
        throw this.#refuse(`${MERGE} takes maps`, startOf(event));
      }
      this.#add(Object.keys(one).length, event);
    }
    return list;
  }

  /** Where the text of a document begins: of its first node, since the mark before it has no place in the events. */
  #startOfNext(document: number): number | undefined {
    const first = this.events[document + 1];
    return first && first.type !== EVENT_ID.POP && first.type !== EVENT_ID.DOCUMENT ? startOf(first) : undefined;
  }

  #duplicate(name: string, offset: number | undefined): L7mpError {
    return this.#refuse(`duplicate key ${JSON.stringify(name)}, at ${formatPointer(this.#path)}`, offset);
  }

  #unresolved(event: TaggedEvent, tag: string): L7mpError {
    return this.#refuse(`unresolved tag ${tag}`, startOf(event));
  }

  #refuse(what: string, offset: number | undefined): L7mpError {
    return badText('YAML', what, offset === undefined ? undefined : { text: this.text, offset });
  }
}

const UNRESOLVED = Symbol('unresolved');

/** The values that a scalar may have beside its text, by the name of the tag: the core schema (YAML 1.2.2, 10.3.2). */
const CORE: Readonly<Record<string, (source: string) => unknown>> = {
  null: (source) => (/^(?:null|Null|NULL|~|)$/.test(source) ? null : UNRESOLVED),
  bool: (source) =>
    /^(?:true|True|TRUE)$/.test(source) ? true : /^(?:false|False|FALSE)$/.test(source) ? false : UNRESOLVED,
  int: (source) => (/^(?:[-+]?\d+|0o[0-7]+|0x[\da-fA-F]+)$/.test(source) ? Number(source) : UNRESOLVED),
  float: (source) =>
    FLOAT.test(source)
      ? Number(source)
      : /^(?:[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$/.test(source)
        ? Number.NaN
        : UNRESOLVED,
};

const FLOAT = /^[-+]?(?:\.\d+|\d+(?:\.\d*)?)(?:[eE][-+]?\d+)?$/;

/** Most texts are none of these, which their first character says already. */
const MAYBE_CORE = /^(?:$|[-+.~\dnNtTfF])/;

function implicit(source: string, { style }: ScalarEvent): unknown {
  if (style !== SCALAR_STYLE.PLAIN || !MAYBE_CORE.test(source)) return source;
  for (const resolve of Object.values(CORE)) {
    const value = resolve(source);
    if (value !== UNRESOLVED) return value;
  }
  return source;
}

function explicit(source: string, tag: string): unknown {
  const name = fullName(tag);
  if (tag === '!' || name === 'str') return source;
  return Object.hasOwn(CORE, name) ? CORE[name]?.(source) : UNRESOLVED;
}

/** The name of a tag of YAML's own; of others, what is a name of none. */
function fullName(tag: string): string {
  return /^(?:!!|!<tag:yaml\.org,2002:)(\w+)>?$/.exec(tag)?.[1] ?? '';
}

// -------------------------------------------------------------------- places

class Finder extends Walker {
  find(pointer: Pointer): number | undefined {
    if (this.events.length === 0 || !this.more()) return undefined;
    let event = this.next();
    let offset = startOf(event);
    for (const step of pointer) {
      const found =
        event.type === EVENT_ID.SEQUENCE
          ? this.#item(Number(step))
          : event.type === EVENT_ID.MAPPING
            ? this.#member(step)
            : undefined;
      if (!found) return undefined;
      offset = startOf(found);
      event = event.type === EVENT_ID.MAPPING ? this.next() : found;
    }
    return offset;
  }

  #item(position: number): NodeEvent | undefined {
    for (let n = 0; this.more(); n++) {
      const item = this.next();
      if (n === position) return item;
      this.skip(item);
    }
    return undefined;
  }

  /** The key; its value comes next. */
  #member(name: string): NodeEvent | undefined {
    while (this.more()) {
      const key = this.next();
      if (key.type === EVENT_ID.SCALAR && getScalarValue(this.text, key) === name) return key;
      this.skip(key);
      this.skip(this.next());
    }
    return undefined;
  }
}
