import { isDeeperThan, MAX_DEPTH } from '../core/depth.ts';
import { asL7mpError } from '../core/errors.ts';
import type { Json, Metadata } from '../core/metadata.ts';
import { type Pointer, parseWritablePointer, setAt } from '../core/pointer.ts';
import type { Rewrite } from '../model/rewrite.ts';
import { invalid } from './operations.ts';

/**
 * Makes the function that applies the steps to a session's metadata, in their order.
 *
 * @throws L7mpError E_INVALID, with a message that starts with the pointer of the wrong field inside the list. The
 *   function made throws it where the metadata has an array that cannot take the key; earlier steps stay done then.
 */
export function compileRewrite(list: readonly Rewrite[]): (metadata: Metadata) => void {
  const steps = list.map(compileStep);
  return (metadata) => {
    for (const { pointer, value } of steps) setAt(metadata, pointer, value);
  };
}

function compileStep({ path, value }: Rewrite, index: number): { pointer: Pointer; value: Json } {
  if (typeof path !== 'string') throw invalid(`/${index}/path`, path === undefined ? 'missing' : 'must be a string');
  if (value === undefined) throw invalid(`/${index}/value`, 'missing');
  if (isDeeperThan(value, MAX_DEPTH)) throw invalid(`/${index}/value`, `nested deeper than ${MAX_DEPTH}`);
  const pointer = compilePath(path, index);
  const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
  if (pointer.length === 0 && !isObject) throw invalid(`/${index}/value`, 'must be an object to be put at the root');
  return { pointer, value };
}

function compilePath(path: string, index: number): Pointer {
  try {
    return parseWritablePointer(path);
  } catch (cause) {
    throw invalid(`/${index}/path`, asL7mpError(cause).message, { cause });
  }
}
