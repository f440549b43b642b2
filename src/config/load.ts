import { readFile } from 'node:fs/promises';
import { buffer } from 'node:stream/consumers';
import { L7mpError } from '../core/errors.ts';
import { parsePointer } from '../core/pointer.ts';
import { decode, type Format, formatOf, locate, parse } from './parse.ts';
import { type Place, TextError } from './place.ts';

const STDIN = '-';

/** The second one cannot be opened where it is a socket (Linux: ENXIO), as under a supervisor. */
const STDIN_NAMES = new Set([STDIN, '/dev/stdin']);

/** A configuration as it was written. */
export interface Source {
  /** What to call it: the file's name. */
  readonly name: string;
  readonly value: unknown;
  /** Where what a JSON pointer names stands in the text, or else what is around it. */
  placeOf(path: string): Place;
}

/**
 * Reads a configuration file, or `-`, the standard input. It is YAML if its name ends in .yaml or .yml, JSON if in
 * .json; else its content decides. Rejects with E_FILE or E_PARSE, also where there is nothing in it.
 */
export async function readSource(file: string): Promise<Source> {
  const name = nameOf(file);
  let bytes: Uint8Array;
  try {
    bytes = isStdin(file) ? await buffer(process.stdin) : await readFile(file);
  } catch (error) {
    throw new L7mpError('E_FILE', `cannot read the configuration: ${(error as Error).message}`, { cause: error });
  }
  const text = decode(bytes);
  const { value, format } = parseAs(text, formatOf(file));
  if (value === null) throw new TextError('there is nothing in it');
  return { name, value, placeOf: (path) => locate(text, format, parsePointer(path)) };
}

/** Whether it can be read only once. */
export function isStdin(file: string): boolean {
  return STDIN_NAMES.has(file);
}

/** What to call a configuration file in messages. */
export function nameOf(file: string): string {
  return file === STDIN ? 'stdin' : file;
}

/** Text that looks like JSON, and is none, may be YAML, whose brackets are the same. */
function parseAs(text: string, known: Format | undefined): { value: unknown; format: Format } {
  const format = known ?? (/^\s*[[{]/.test(text) ? 'json' : 'yaml');
  try {
    return { value: parse(text, format), format };
  } catch (error) {
    if (known ?? format === 'yaml') throw error;
    try {
      return { value: parse(text, 'yaml'), format: 'yaml' };
    } catch {
      throw error;
    }
  }
}
