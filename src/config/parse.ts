/** Text to plain values: JSON and YAML, bounded against input that was made to hurt. */
import { MAX_DEPTH } from '../core/depth.ts';
import { L7mpError } from '../core/errors.ts';
import type { Pointer } from '../core/pointer.ts';
import { locateInJson, parseJson } from './json.ts';
import { type Place, placeAt } from './place.ts';
import { locateInYaml, parseYaml } from './yaml.ts';

export type Format = 'json' | 'yaml';

const UTF8 = new TextDecoder('utf-8', { fatal: true });

/** The format that a file's name asks for, if it has one of the endings. */
export function formatOf(file: string): Format | undefined {
  if (/\.ya?ml$/i.test(file)) return 'yaml';
  return /\.json$/i.test(file) ? 'json' : undefined;
}

/**
 * What comes out is made of what JSON has, and nothing else: no number that JSON cannot write, no date. Empty text is
 * null. Throws E_PARSE, with the line where that is known.
 */
export function parse(source: string | Uint8Array, format: Format): unknown {
  const text = typeof source === 'string' ? source : decode(source);
  const value = format === 'yaml' ? parseYaml(text, MAX_DEPTH) : parseJson(text);
  inspect(value);
  return value;
}

/**
 * Where the value at a JSON pointer stands in a text that parses: at its key, if it has one. What is not there is said
 * to be where the nearest thing around it is.
 */
export function locate(text: string, format: Format, pointer: Pointer): Place {
  for (let length = pointer.length; length >= 0; length--) {
    const outer = pointer.slice(0, length);
    const offset = format === 'yaml' ? locateInYaml(text, outer, MAX_DEPTH) : locateInJson(text, outer);
    if (offset !== undefined) return placeAt(text, offset);
  }
  return { line: 1, column: 1 };
}

/** Throws E_PARSE where it is not UTF-8. */
export function decode(bytes: Uint8Array): string {
  try {
    return UTF8.decode(bytes);
  } catch (error) {
    throw new L7mpError('E_PARSE', 'not valid UTF-8', { cause: error });
  }
}

/** Refuses what is too deep, and `1e999`. One level at a time: a recursive look would itself run out of stack. */
function inspect(value: unknown): void {
  let level = [value];
  for (let depth = 0; ; depth++) {
    if (level.some((item) => typeof item === 'number' && !Number.isFinite(item))) {
      throw new L7mpError('E_PARSE', 'a number is too large');
    }
    const containers = level.filter((item) => typeof item === 'object' && item !== null) as object[];
    if (containers.length === 0) return;
    if (depth === MAX_DEPTH) throw new L7mpError('E_PARSE', `nested more than ${MAX_DEPTH} levels deep`);
    level = containers.flatMap((item) => Object.values(item));
  }
}
