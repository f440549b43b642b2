import { L7mpError } from './errors.ts';
import type { Json } from './metadata.ts';

/** A JSON pointer (RFC 6901) that has been taken apart: the unescaped keys from the root inwards; none is the root. */
export type Pointer = readonly string[];

/** An array index as RFC 6901 section 4 has it: decimal, without a sign or leading zeros. */
const ARRAY_INDEX = /^(?:0|[1-9]\d*)$/;

/**
 * Keys that reach an object's prototype in code that reads or copies without care. Nothing of ours follows them, but
 * metadata goes on to JSON, logs and plugins, so configuration may not write them.
 */
const UNSAFE_KEYS: ReadonlySet<string> = new Set(['__proto__', 'constructor', 'prototype']);

/**
 * Two liberties with RFC 6901, both taken from l7mp 0.5: the leading slash may be left out, and `/` is the whole
 * document as `` is (the RFC's `/` is the member named by the empty string, which no protocol's metadata has).
 *
 * @throws L7mpError E_INVALID where a `~` is followed by neither 0 nor 1 (an error by section 3 of the RFC)
 *
 * @example parsePointer('/HTTP/headers/x-a~1b'); // ['HTTP', 'headers', 'x-a/b']
 */
export function parsePointer(text: string): Pointer {
  if (/~(?![01])/.test(text)) {
    throw new L7mpError('E_INVALID', `${quote(text)} has a "~" that is neither "~0" nor "~1"`);
  }
  const keys = text.startsWith('/') ? text.slice(1) : text;
  // ~1 goes first, so that ~01 becomes ~1 and not a slash (RFC 6901 section 4).
  return keys === '' ? [] : keys.split('/').map((key) => key.replaceAll('~1', '/').replaceAll('~0', '~'));
}

/**
 * As parsePointer, for a place that configuration or a peer wants to write to.
 *
 * @throws L7mpError E_INVALID also where a key is `__proto__`, `constructor` or `prototype`, with its name
 *
 * @example parseWritablePointer('/user/id'); // ['user', 'id']
 */
export function parseWritablePointer(text: string): Pointer {
  const pointer = parsePointer(text);
  const unsafe = pointer.find((key) => UNSAFE_KEYS.has(key));
  if (unsafe !== undefined) throw new L7mpError('E_INVALID', `${quote(text)} leads through ${quote(unsafe)}`);
  return pointer;
}

/**
 * The text of a pointer in the RFC's own form, with the leading slash.
 *
 * @example formatPointer(['a/b', '0']); // '/a~1b/0'
 */
export function formatPointer(pointer: Pointer): string {
  return pointer.map((key) => `/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');
}

/**
 * What stands at the pointer, undefined where nothing does. Keys may come from the network (HTTP headers, JSONSocket
 * headers), so that only own properties count: neither `constructor` nor an array's `length` is there.
 *
 * @example getAt(session.metadata, ['IP', 'src_addr']); // '127.0.0.1'
 */
export function getAt(root: Json, pointer: Pointer): Json | undefined {
  let here: Json | undefined = root;
  for (const key of pointer) {
    if (typeof here !== 'object' || here === null) return undefined;
    if (Array.isArray(here)) here = ARRAY_INDEX.test(key) ? here[Number(key)] : undefined;
    else here = Object.hasOwn(here, key) ? here[key] : undefined;
  }
  return here;
}

/**
 * Puts a copy of the value at the pointer, so that the caller's tree (a rule's, say) and the trees of several sessions
 * have no part in common. Missing objects are made on the way, and what is neither object nor array gives way to one.
 * An array takes an index of an element it has, or the next one (also written `-`). At the root, the value's keys are
 * laid over those that are there.
 *
 * @throws L7mpError E_INVALID, with the tree as it was, where an array cannot take the key, or the root would become
 *   something other than an object
 *
 * @example setAt(header, ['user', 'id'], 7);
 */
export function setAt(root: { [key: string]: Json }, pointer: Pointer, value: Json): void {
  const copy = typeof value === 'object' && value !== null ? structuredClone(value) : value;
  const last = pointer.at(-1);
  if (last === undefined) {
    mergeIntoRoot(root, copy);
    return;
  }
  let here: Json = root;
  // An error can come from an array that was there before, hence before anything has been made: all or nothing.
  for (const key of pointer.slice(0, -1)) here = stepInto(here, key, pointer);
  write(here, Array.isArray(here) ? arrayIndex(here, last, pointer) : last, copy);
}

type Container = Json[] | { [key: string]: Json };

function mergeIntoRoot(root: { [key: string]: Json }, value: Json): void {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new L7mpError('E_INVALID', 'the whole document can only take an object');
  }
  for (const [key, member] of Object.entries(value)) write(root, key, member);
}

/** The container under `key`, made where there is none. */
function stepInto(parent: Container, key: string, pointer: Pointer): Container {
  const slot = Array.isArray(parent) ? arrayIndex(parent, key, pointer) : key;
  const found = getAt(parent, [String(slot)]);
  if (typeof found === 'object' && found !== null) return found;
  const made = {};
  write(parent, slot, made);
  return made;
}

/** The index that `key` names for writing, at most one past the end: a far one would make a sparse or a huge array. */
function arrayIndex(array: Json[], key: string, pointer: Pointer): number {
  if (key === '-') return array.length;
  if (ARRAY_INDEX.test(key) && Number(key) <= array.length) return Number(key);
  const reason = `${quote(key)} is no place in an array of ${array.length} elements`;
  throw new L7mpError('E_INVALID', `nothing can be put at ${quote(formatPointer(pointer))}: ${reason}`);
}

/** Defines instead of assigning: an assignment to `__proto__`, or to anything with a setter, acts on the prototype. */
function write(container: Container, key: string | number, value: Json): void {
  Object.defineProperty(container, key, { value, writable: true, enumerable: true, configurable: true });
}

function quote(text: string): string {
  return JSON.stringify(text);
}
