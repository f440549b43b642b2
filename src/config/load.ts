import { readFile } from 'node:fs/promises';
import { L7mpError } from '../core/errors.ts';
import { formatOf, parse } from './parse.ts';

/** The content of a configuration file: YAML if its name ends in .yaml or .yml, else JSON. */
export async function readConfig(file: string): Promise<unknown> {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(file);
  } catch (error) {
    throw new L7mpError('E_FILE', `cannot read the configuration: ${(error as Error).message}`, { cause: error });
  }
  return parse(bytes, formatOf(file));
}
