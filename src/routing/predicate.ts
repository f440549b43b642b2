import { MAX_DEPTH } from '../core/depth.ts';
import { asL7mpError, type L7mpError } from '../core/errors.ts';
import type { Metadata } from '../core/metadata.ts';
import { nearest } from '../core/nearest.ts';
import { ownValue } from '../core/own-value.ts';
import { formatPointer, getAt, type Pointer, parsePointer } from '../core/pointer.ts';
import type { Match, Predicate } from '../model/match.ts';
import { invalid, OPERATIONS, type Operations } from './operations.ts';
import { Patterns } from './patterns.ts';

/** Whether a session with that metadata is meant. */
export type Matcher = (metadata: Metadata) => boolean;

/**
 * Makes a matcher of a rule's match, once, so that a session costs no look at the match itself.
 *
 * `patterns`: what regular expressions may cost, here and where it is used besides.
 *
 * @throws L7mpError E_INVALID, with a message that starts with the pointer of the wrong field inside the match
 */
export function compilePredicate(
  match: Match,
  operations: Operations = OPERATIONS,
  patterns: Patterns = new Patterns(Number.POSITIVE_INFINITY),
): Matcher {
  if (matchesEverything(match)) return () => true;
  return compile(match, { at: '', depth: 1, prefix: undefined, operations, patterns });
}

/** The operations over `apply`: `not` is true when none of the predicates holds (as the draft has it). */
const COMBINATIONS: Readonly<Record<string, (parts: Matcher[]) => Matcher>> = {
  and: (parts) => (metadata) => parts.every((part) => part(metadata)),
  or: (parts) => (metadata) => parts.some((part) => part(metadata)),
  not: (parts) => (metadata) => !parts.some((part) => part(metadata)),
};

const FIELDS: ReadonlySet<string> = new Set(['op', 'path', 'value', 'ignore_case', 'apply']);

/** Where in the match a predicate stands. */
interface Position {
  /** Its pointer: '' for the outermost, `/apply/1` for its second part. */
  readonly at: string;
  readonly depth: number;
  /** The paths of those around it, undefined where none of them has one. */
  readonly prefix: Pointer | undefined;
  readonly operations: Operations;
  readonly patterns: Patterns;
}

function matchesEverything(match: unknown): boolean {
  if (match === undefined || typeof match === 'string') return true;
  if (typeof match !== 'object' || match === null || !('match' in match)) return false;
  return typeof match.match === 'string' && Object.keys(match).length === 1;
}

function compile(given: unknown, place: Position): Matcher {
  const predicate = checkFields(given, place);
  const path = resolvePath(predicate, place);
  const combine = ownValue(COMBINATIONS, predicate.op);
  if (combine !== undefined) return combine(compileParts(predicate, { ...place, prefix: path }));
  const operation = ownValue(place.operations, predicate.op);
  if (operation === undefined) throw unknownOperation(predicate.op, place);
  // The draft takes a missing path for the root, which a rule can hardly mean: here something has to name a place.
  if (path === undefined) throw invalid(`${place.at}/path`, 'missing');
  const { value, ignore_case: ignoreCase = false } = predicate;
  const test = operation({ at: place.at, value, ignoreCase, patterns: place.patterns });
  return (metadata) => test(getAt(metadata, path));
}

function compileParts({ apply }: Predicate, place: Position): Matcher[] {
  const at = `${place.at}/apply`;
  if (apply === undefined) throw invalid(at, 'missing');
  if (!Array.isArray(apply) || apply.length === 0) throw invalid(at, 'must be a list of at least one predicate');
  if (place.depth === MAX_DEPTH) throw invalid(at, `nested deeper than ${MAX_DEPTH}`);
  return apply.map((part, index) => compile(part, { ...place, at: `${at}/${index}`, depth: place.depth + 1 }));
}

/** Refuses, unlike the draft, what is no field of a predicate: a misspelt one would let the wrong sessions through. */
function checkFields(given: unknown, { at }: Position): Predicate {
  if (typeof given !== 'object' || given === null || Array.isArray(given)) throw invalid(at, 'must be a predicate');
  const unknown = Object.keys(given).find((key) => !FIELDS.has(key));
  if (unknown !== undefined) throw invalid(`${at}${formatPointer([unknown])}`, `unknown field${hint(unknown, FIELDS)}`);
  const predicate: { [field in keyof Predicate]?: unknown } = given;
  if (predicate.op === undefined) throw invalid(`${at}/op`, 'missing');
  if (typeof predicate.op !== 'string') throw invalid(`${at}/op`, 'must be a string');
  if (!['boolean', 'undefined'].includes(typeof predicate.ignore_case)) {
    throw invalid(`${at}/ignore_case`, 'must be a boolean');
  }
  return predicate as Predicate;
}

function unknownOperation(op: string, { at, operations }: Position): L7mpError {
  const known = [...Object.keys(COMBINATIONS), ...Object.keys(operations)];
  return invalid(`${at}/op`, `unknown operation ${JSON.stringify(op)}${hint(op, known)}`);
}

function hint(word: string, words: Iterable<string>): string {
  const meant = nearest(word, words);
  return meant === undefined ? '' : `; did you mean ${meant}?`;
}

function resolvePath({ path }: Predicate, { at, prefix }: Position): Pointer | undefined {
  if (path === undefined) return prefix;
  if (typeof path !== 'string') throw invalid(`${at}/path`, 'must be a string');
  try {
    return [...(prefix ?? []), ...parsePointer(path)];
  } catch (cause) {
    throw invalid(`${at}/path`, asL7mpError(cause).message, { cause });
  }
}
