import { BINARY } from '../../../core/channel.ts';
import { MessageQueue } from '../../../core/queue.ts';
import { EINVAL, SPLICE_FLAGS } from '../system/constants.ts';
import type { StreamHub } from './hub.ts';
import type { KernelPipe } from './pipes.ts';

/** What waits to be written to a socket that takes no more: what is left in a pipe, then pieces. */
export class Backlog {
  readonly #hub: StreamHub;
  #pipe: KernelPipe | undefined;
  /** Bytes in the pipe. */
  #piped = 0;
  /** The piece that is being written. */
  #piece: Uint8Array | undefined;
  #pieces: MessageQueue | undefined;

  constructor(hub: StreamHub) {
    this.#hub = hub;
  }

  /** Takes a piece, and copies it unless it is `owned`. */
  append(bytes: Uint8Array, owned: boolean): void {
    this.#pieces ??= new MessageQueue();
    this.#pieces.append(bytes, BINARY, owned);
  }

  /** So many bytes are in the pipe, which is given back when they are out. Nothing may wait yet. */
  fill(pipe: KernelPipe, size: number): void {
    this.#pipe = pipe;
    this.#piped = size;
  }

  /** Writes. Returns 0 once it is empty, or the error: EAGAIN where the socket takes no more. */
  write(fd: number): number {
    return this.#writePipe(fd) || this.#writePieces(fd);
  }

  /** Nobody wants it any more. */
  destroy(): void {
    if (this.#pipe) this.#hub.pipes.destroy(this.#pipe);
    this.#pipe = undefined;
  }

  #writePipe(fd: number): number {
    const { c, pipes } = this.#hub;
    while (this.#pipe) {
      const written = c.splice(this.#pipe.readEnd, 0, fd, 0, this.#piped, SPLICE_FLAGS);
      if (written <= 0) return written === 0 ? EINVAL : c.errno();
      this.#piped -= written;
      if (this.#piped > 0) continue;
      pipes.give(this.#pipe);
      this.#pipe = undefined;
    }
    return 0;
  }

  #writePieces(fd: number): number {
    for (;;) {
      if (!this.#piece && this.#pieces?.length) this.#piece = this.#pieces.shift().bytes;
      if (!this.#piece) return 0;
      const sent = this.#hub.send(fd, this.#piece);
      if (sent < this.#piece.length) {
        this.#piece = this.#piece.subarray(sent);
        return this.#hub.c.errno();
      }
      this.#piece = undefined;
    }
  }
}
