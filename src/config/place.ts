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
export class TextError extends L7mpError {
  readonly what: string;
  readonly place: Place | undefined;

  constructor(what: string, place?: Place, message = what) {
    super('E_PARSE', message);
    this.what = what;
    this.place = place;
  }
}

/** That a text is not in the format that it should be in. */
export function badText(format: string, why: string, where?: { text: string; offset: number }): TextError {
  const place = where && placeAt(where.text, where.offset);
  const at = place ? `line ${place.line}, column ${place.column}: ` : '';
  return new TextError(`not valid ${format}: ${why}`, place, `not valid ${format}: ${at}${why}`);
}
