/** Cuts what a watch sends into lines. */

const NEWLINE = 0x0a;

/** Longest line in bytes: etcd takes objects of 1.5 MiB, which escapes may make longer. */
const MAX_LINE = 32 << 20;

export class Lines {
  readonly #onLine: (line: string) => void;
  #parts: Buffer[] = [];
  #length = 0;

  constructor(onLine: (line: string) => void) {
    this.#onLine = onLine;
  }

  /** Throws what `onLine` throws, and an Error for a line without an end. */
  push(chunk: Buffer): void {
    let from = 0;
    for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE, from)) {
      const line = this.#take(chunk.subarray(from, end));
      from = end + 1;
      if (line !== '') this.#onLine(line);
    }
    if (from === chunk.length) return;
    this.#length += chunk.length - from;
    if (this.#length > MAX_LINE) throw new Error(`the API server sent a line of more than ${MAX_LINE} bytes`);
    this.#parts.push(chunk.subarray(from));
  }

  #take(last: Buffer): string {
    if (this.#parts.length === 0) return last.toString();
    const line = Buffer.concat([...this.#parts, last]).toString();
    this.#parts = [];
    this.#length = 0;
    return line;
  }
}
