import { Duplex } from 'node:stream';
import type { Channel } from '../../core/channel.ts';

/** What node's TLS reads from and writes to: encrypted bytes, of a layer that reads and owns the channel below by itself. */
export class Wire extends Duplex {
  readonly #lower: Channel;
  #written: (() => void) | undefined;

  constructor(lower: Channel) {
    super({ allowHalfOpen: true });
    this.#lower = lower;
  }

  /** What has come from the peer; copied, where it is not `owned`. */
  feed(bytes: Uint8Array, owned: boolean): void {
    this.push(owned ? Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length) : Buffer.from(bytes));
  }

  /** More fits below. */
  drained(): void {
    const written = this.#written;
    this.#written = undefined;
    written?.();
  }

  // Who reads is slowed down by the layer.
  override _read(): void {}

  override _write(bytes: Buffer, _encoding: BufferEncoding, written: () => void): void {
    if (this.#lower.write(bytes)) written();
    else this.#written = written;
  }

  override _writev(parts: { chunk: Buffer }[], written: () => void): void {
    let more = true;
    for (const { chunk } of parts) more = this.#lower.write(chunk);
    if (more) written();
    else this.#written = written;
  }

  override _final(done: () => void): void {
    this.#lower.end();
    done();
  }
}
