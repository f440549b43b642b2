import { readFileSync } from 'node:fs';
import { ownFile } from './own-file.ts';

/** The version of the package, from its package.json: one folder up both from src/ and from dist/. */
export const VERSION: string = JSON.parse(readFileSync(ownFile('../package.json'), 'utf8')).version;
