import { L7mpError } from '../core/errors.ts';
import type { Kind } from './definitions.ts';

/** The object of that name, or E_UNKNOWN. */
export function need<T>(objects: ReadonlyMap<string, T>, kind: Kind | 'session', name: string): T {
  const found = objects.get(name);
  if (found === undefined) throw unknown(kind, name);
  return found;
}

/** E_UNKNOWN. */
export function unknown(kind: Kind | 'session', name: string): L7mpError {
  return new L7mpError('E_UNKNOWN', `there is no ${kind} named ${JSON.stringify(name)}`);
}
