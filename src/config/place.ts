import { L7mpError } from '../core/errors.ts';

/** A place in a text, counted from 1, as editors do. */
export interface Place {
  readonly line: number;
  readonly column: number;
}

export function placeAt(text: string, offset: number): Place {
  const before = text.slice(0, offset);
  return { line: before.split('\n').length, column: offset - before.lastIndexOf('\n') };
}

/** E_PARSE, with the place where that is known. */
export function badText(format: string, what: string, where?: { text: string; offset: number }): L7mpError {
  if (!where) return new L7mpError('E_PARSE', `not valid ${format}: ${what}`);
  const { line, column } = placeAt(where.text, where.offset);
  return new L7mpError('E_PARSE', `not valid ${format}: line ${line}, column ${column}: ${what}`);
}
