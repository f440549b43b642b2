/** A token in a file, which is read again when it is another one: the kubelet exchanges the files of a Secret. */
import { readFileSync, statSync } from 'node:fs';

/** How often it is looked whether the file is another one, in milliseconds. */
const INTERVAL = 1000;

export class TokenFile {
  readonly #path: string;
  readonly #failed: (message: string) => void;
  #token: string;
  #mark: string;
  #lookedAt: number;

  /** Throws an Error if there is no token in the file. `failed`: it cannot be read any more; the last token goes on to be used. */
  constructor(path: string, failed: (message: string) => void) {
    this.#path = path;
    this.#failed = failed;
    this.#mark = mark(path);
    this.#token = read(path);
    this.#lookedAt = performance.now();
  }

  get token(): string {
    const now = performance.now();
    if (now - this.#lookedAt >= INTERVAL) {
      this.#lookedAt = now;
      this.#look();
    }
    return this.#token;
  }

  #look(): void {
    try {
      const present = mark(this.#path);
      if (present === this.#mark) return;
      this.#token = read(this.#path);
      this.#mark = present;
    } catch (error) {
      this.#failed((error as Error).message);
    }
  }
}

/** Changes with the file, and with where a symbolic link to it leads. */
function mark(path: string): string {
  const { ino, mtimeMs, size } = statSync(path);
  return `${ino} ${mtimeMs} ${size}`;
}

function read(path: string): string {
  const token = readFileSync(path, 'utf8').trim();
  if (token === '') throw new Error(`${path} is empty`);
  // What a header may hold (RFC 6750, b64token): anything else would fail at each request.
  if (!/^[\w.~+/-]+=*$/.test(token)) throw new Error(`${path} holds no bearer token`);
  return token;
}
