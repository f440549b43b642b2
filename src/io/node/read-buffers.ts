/**
 * V8 collects the whole heap for each 64 MiB that node's sockets have read, since that memory lies outside of its heap.
 * So a large piece is lent while it is handed on: where it was written out in the same call, its memory is given back
 * at once, and the next piece gets it again, still in the CPU's cache.
 */
export class ReadBuffers {
  /** What is lent now, unless somebody has kept it. */
  #bytes: Uint8Array | undefined;

  /** Hands on what the kernel filled, which nobody else has. What is read within `use` ends the buffers of `bytes`. */
  lend(bytes: Uint8Array, use: () => void): void {
    this.#bytes = bytes;
    use();
    if (this.#bytes === bytes) release(bytes);
    this.#bytes = undefined;
  }

  /** Whether these bytes are lent, so that who writes them need not copy them first. */
  isLent(bytes: Uint8Array): boolean {
    return this.#bytes === bytes;
  }

  /** They are still needed: a collector gives them back. */
  keep(): void {
    this.#bytes = undefined;
  }
}

/** Only a whole ArrayBuffer: others may have their parts of one. */
function release({ buffer, length }: Uint8Array): void {
  if (buffer.byteLength === length) (buffer as ArrayBuffer).transfer(0);
}
