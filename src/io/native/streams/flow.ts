import { EAGAIN, EINVAL, MSG_NOSIGNAL, SPLICE_FLAGS } from '../system/constants.ts';
import type { Backlog } from './backlog.ts';
import { BUFFER, type StreamHub } from './hub.ts';
import { type KernelPipe, PIPE_SIZE } from './pipes.ts';

/** Where a flow ends. */
export interface Sink {
  readonly fd: number;
  /** For what it does not take now: it is empty, and written out before anything else. */
  wait(): Backlog;
}

/** Full buffers in a row after which a stream is spliced, and small ones after which it no longer is. */
const BULK_AFTER = 4;
const SPARSE_AFTER = 8;

/** How the bytes of one socket are moved to another: by recv(2) and send(2), or in bulk by splice(2) through a pipe. */
export class Flow {
  readonly #hub: StreamHub;
  bulk = false;
  /** After `move`: there is no more for now, and an event comes with more. */
  drained = false;
  /** After `move`: why nothing was received, or why it could not be sent; 0 for neither. */
  error = 0;
  #splices = true;
  #streak = 0;

  constructor(hub: StreamHub) {
    this.#hub = hub;
  }

  /**
   * Moves once, to a sink that waits for nothing. `cut`: less than was asked for does not say that there is no more.
   * Returns how many bytes were received, 0 at the end, -1 for an error.
   */
  move(from: number, to: Sink, cut: boolean): number {
    this.error = 0;
    this.drained = false;
    const received = (this.bulk && this.#splice(from, to, cut)) || this.#copy(from, to, cut);
    if (received > 0) this.#adapt(received);
    return received;
  }

  #copy(from: number, to: Sink, cut: boolean): number {
    const { c, buffer, context } = this.#hub;
    const { base, u8 } = context.loop.arena;
    const received = c.recv(from, base + buffer, BUFFER, 0);
    if (received <= 0) {
      if (received < 0) this.error = c.errno();
      return received;
    }
    // As cheap as it gets for small messages: that there is no more is not asked for where it is known (epoll(7)).
    this.drained = received < BUFFER && !cut;
    const sent = c.send(to.fd, base + buffer, received, MSG_NOSIGNAL);
    if (sent === received) return received;
    if (sent < 0 && c.errno() !== EAGAIN) this.error = c.errno();
    else to.wait().append(u8.subarray(buffer + Math.max(0, sent), buffer + received), false);
    return received;
  }

  /**
   * Returns 0 where recv(2) has to say what there is: at an urgent mark splice(2) says EAGAIN, or that this is the end,
   * whatever is behind the mark (tcp_splice_read() in the kernel).
   */
  #splice(from: number, to: Sink, cut: boolean): number {
    const { c, pipes } = this.#hub;
    const pipe = pipes.take();
    if (!pipe) return 0;
    const received = c.splice(from, 0, pipe.writeEnd, 0, PIPE_SIZE, SPLICE_FLAGS);
    if (received > 0) {
      this.#pour(pipe, received, to);
      return received;
    }
    const errno = received < 0 ? c.errno() : 0;
    pipes.give(pipe);
    // A reset is told once: recv(2) would take it for an end after that.
    if (errno === EAGAIN ? !cut : errno !== 0 && errno !== EINVAL) {
      this.error = errno;
      return -1;
    }
    // Some kinds of sockets cannot be spliced in some kernels: it is not tried again.
    if (errno === EINVAL) this.#splices = this.bulk = false;
    return 0;
  }

  #pour(pipe: KernelPipe, size: number, to: Sink): void {
    const { c, pipes } = this.#hub;
    for (let left = size; left > 0; ) {
      const written = c.splice(pipe.readEnd, 0, to.fd, 0, left, SPLICE_FLAGS);
      if (written > 0) left -= written;
      else {
        const errno = written < 0 ? c.errno() : EINVAL;
        if (errno === EAGAIN) to.wait().fill(pipe, left);
        else {
          pipes.destroy(pipe);
          this.error = errno;
        }
        return;
      }
    }
    pipes.give(pipe);
  }

  /** Changes to what suits such amounts. */
  #adapt(received: number): void {
    const large = received >= BUFFER;
    if (large === this.bulk) this.#streak = 0;
    else if (++this.#streak >= (large ? BULK_AFTER : SPARSE_AFTER)) {
      this.bulk = large && this.#splices;
      this.#streak = 0;
    }
  }
}
