import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { ROOT, staleFiles } from './files.ts';

const stale = await staleFiles();
if (process.argv[2] === '--check') {
  for (const file of stale.keys()) console.error(`${file} is not current: run scripts/generate-reference`);
  if (stale.size > 0) process.exitCode = 1;
} else {
  for (const [file, text] of stale) {
    await mkdir(dirname(join(ROOT, file)), { recursive: true });
    await writeFile(join(ROOT, file), text);
    console.log(`${file}: written`);
  }
}
