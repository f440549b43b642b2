/** What is pasted: what readers of the tutorials paste, and what other tests need. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

const FOLDER = join(import.meta.dirname, '..');

/** The text of `tutorials/<name>.yaml`, or of `manifests/<name>.yaml`. */
export function pasted(path: string): Promise<string> {
  return readFile(join(FOLDER, `${path}.yaml`), 'utf8');
}
