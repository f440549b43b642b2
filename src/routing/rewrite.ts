import { isDeeperThan, isLargerThan, MAX_DEPTH } from '../core/depth.ts';
import { asL7mpError, L7mpError } from '../core/errors.ts';
import type { Json, Metadata } from '../core/metadata.ts';
import { formatPointer, getAt, type Pointer, parsePointer, parseWritablePointer, setAt } from '../core/pointer.ts';
import type { Rewrite } from '../model/rewrite.ts';
import { invalid } from './operations.ts';

/** Parts of what is copied: a few steps that copy each other's results would double them again and again. */
const MAX_COPIED = 10_000;

/** What is put at a place; undefined where there is nothing to put. */
interface Step {
  readonly pointer: Pointer;
  readonly valueIn: (metadata: Metadata) => Json | undefined;
}

/**
 * Makes the function that applies the steps to a session's metadata, in their order. A step whose `from` is not there is left
 * out.
 *
 * @throws L7mpError E_INVALID, with a message that starts with the pointer of the wrong field inside the list. The
 *   function made throws it where the metadata has an array that cannot take the key, or what is copied is too large;
 *   earlier steps stay done then.
 */
export function compileRewrite(list: readonly Rewrite[]): (metadata: Metadata) => void {
  const steps = list.map(compileStep);
  return (metadata) => {
    for (const { pointer, valueIn } of steps) {
      const value = valueIn(metadata);
      if (value !== undefined) setAt(metadata, pointer, value);
    }
  };
}

function compileStep({ path, value, from }: Rewrite, index: number): Step {
  if (typeof path !== 'string') throw invalid(`/${index}/path`, path === undefined ? 'missing' : 'must be a string');
  const pointer = compilePath(path, `/${index}/path`, parseWritablePointer);
  if (from === undefined) return { pointer, valueIn: constant(value, pointer, index) };
  if (value !== undefined) throw invalid(`/${index}/from`, 'has no place beside value');
  if (typeof from !== 'string') throw invalid(`/${index}/from`, 'must be a string');
  return { pointer, valueIn: copyOf(compilePath(from, `/${index}/from`, parsePointer)) };
}

function constant(value: Json | undefined, pointer: Pointer, index: number): Step['valueIn'] {
  if (value === undefined) throw invalid(`/${index}/value`, 'missing');
  if (isDeeperThan(value, MAX_DEPTH)) throw invalid(`/${index}/value`, `nested deeper than ${MAX_DEPTH}`);
  const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
  if (pointer.length === 0 && !isObject) throw invalid(`/${index}/value`, 'must be an object to be put at the root');
  return () => value;
}

/** `setAt` puts a copy. */
function copyOf(from: Pointer): Step['valueIn'] {
  return (metadata) => {
    const value = getAt(metadata, from);
    if (value === undefined || !(isLargerThan(value, MAX_COPIED) || isDeeperThan(value, MAX_DEPTH))) return value;
    throw new L7mpError('E_INVALID', `what is at ${JSON.stringify(formatPointer(from))} is too large to be copied`);
  };
}

function compilePath(path: string, place: string, parse: (text: string) => Pointer): Pointer {
  try {
    return parse(path);
  } catch (cause) {
    throw invalid(place, asL7mpError(cause).message, { cause });
  }
}
