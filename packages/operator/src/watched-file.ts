/** A file that is read again when it is another one: the kubelet exchanges the files of a Secret. */
import { statSync } from 'node:fs';

/** How often it is looked whether the file is another one, in milliseconds. */
const INTERVAL = 1000;

export class WatchedFile<T> {
  readonly #path: string;
  readonly #read: (path: string) => T;
  readonly #failed: (message: string) => void;
  #content: T;
  #mark: string;
  #lookedAt: number;

  /** Throws what `read` throws. `failed`: it cannot be read any more; the last content goes on to be used. */
  constructor(path: string, read: (path: string) => T, failed: (message: string) => void) {
    this.#path = path;
    this.#read = read;
    this.#failed = failed;
    this.#mark = mark(path);
    this.#content = read(path);
    this.#lookedAt = performance.now();
  }

  get content(): T {
    const now = performance.now();
    if (now - this.#lookedAt >= INTERVAL) {
      this.#lookedAt = now;
      this.#look();
    }
    return this.#content;
  }

  #look(): void {
    try {
      const present = mark(this.#path);
      if (present === this.#mark) return;
      this.#content = this.#read(this.#path);
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
