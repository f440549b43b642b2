/** A token in a file. */
import { readFileSync } from 'node:fs';
import { WatchedFile } from './watched-file.ts';

export class TokenFile {
  readonly #file: WatchedFile<string>;

  /** Throws an Error if there is no token in the file. `failed`: it cannot be read any more; the last token goes on to be used. */
  constructor(path: string, failed: (message: string) => void) {
    this.#file = new WatchedFile(path, read, failed);
  }

  get token(): string {
    return this.#file.content;
  }
}

function read(path: string): string {
  const token = readFileSync(path, 'utf8').trim();
  if (token === '') throw new Error(`${path} is empty`);
  // What a header may hold (RFC 6750, b64token): anything else would fail at each request.
  if (!/^[\w.~+/-]+=*$/.test(token)) throw new Error(`${path} holds no bearer token`);
  return token;
}
