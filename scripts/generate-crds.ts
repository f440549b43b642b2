/** Writes the CustomResourceDefinitions into the operator's chart, or into the folder that is named. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { crdFiles, FOLDER } from './crds/files.ts';

const [folder = join(import.meta.dirname, '..', FOLDER)] = process.argv.slice(2);
await mkdir(folder, { recursive: true });
for (const [name, text] of crdFiles()) await writeFile(join(folder, name), text);
