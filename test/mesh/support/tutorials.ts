/** What the tutorials' readers paste. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

const FOLDER = join(import.meta.dirname, '..', 'tutorials');

export function tutorial(name: string): Promise<string> {
  return readFile(join(FOLDER, `${name}.yaml`), 'utf8');
}
