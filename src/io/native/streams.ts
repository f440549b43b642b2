import { TurnoverSet } from '../../core/turnover.ts';
import { EAGAIN, EINVAL, MSG_NOSIGNAL, SPLICE_FLAGS } from './constants.ts';
import { type Libc, libc } from './libc.ts';
import type { Loop } from './loop.ts';
import { PIPE_SIZE, type Pipe, PipePool } from './pipes.ts';
import { type Known, Registry } from './registry.ts';

/** Bytes that are received at a time. */
export const BUFFER = 65_536;

/** What the stream sockets of one thread share. */
export class Streams<T extends Known> {
  readonly c: Libc = libc();
  readonly loop: Loop;
  readonly pipes: PipePool;
  readonly known = new Registry<T>();
  /** Closed by the main thread, and still busy. */
  readonly closing = new TurnoverSet<T>();
  /** Offsets of what is received, and of small arguments. */
  readonly buffer: number;
  readonly argument: number;

  constructor(loop: Loop, pipes: number) {
    this.loop = loop;
    this.pipes = new PipePool(loop.arena, pipes);
    this.buffer = loop.arena.take(BUFFER, 4096);
    this.argument = loop.arena.take(8);
  }
}

/** Full buffers in a row after which a stream is spliced, and small ones after which it no longer is. */
const BULK_AFTER = 4;
const SPARSE_AFTER = 8;

/** How the bytes of one socket are moved to another: by recv(2) and send(2), or in bulk by splice(2) through a pipe. */
export class Flow {
  readonly #s: Streams<Known>;
  bulk = false;
  /**
   * Only EAGAIN of recv(2) says that there is no more for now: less than was asked for may be what came before an urgent
   * mark (tcp(7)), together with descriptors (unix(7)), or before an end whose event has come already.
   */
  cut = false;
  /** After `move`: there is no more for now, and an event comes with more. */
  drained = false;
  /** After `move`: why nothing was received, or why it could not be sent; 0 for neither. */
  error = 0;
  #splices = true;
  #streak = 0;

  constructor(streams: Streams<Known>) {
    this.#s = streams;
  }

  /**
   * Moves once, with what the other socket does not take put into its backlog, which must be empty. Returns how many
   * bytes were received, 0 at the end, -1 for an error.
   */
  move(from: number, to: number, backlog: Backlog): number {
    this.error = 0;
    this.drained = false;
    const received = (this.bulk && this.#splice(from, to, backlog)) || this.#copy(from, to, backlog);
    if (received > 0) this.#adapt(received);
    return received;
  }

  #copy(from: number, to: number, backlog: Backlog): number {
    const { c, buffer, loop } = this.#s;
    const { base, u8 } = loop.arena;
    const received = c.recv(from, base + buffer, BUFFER, 0);
    if (received <= 0) {
      if (received < 0) this.error = c.errno();
      return received;
    }
    // As cheap as it gets for small messages: that there is no more is not asked for where it is known (epoll(7)).
    this.drained = received < BUFFER && !this.cut;
    const sent = c.send(to, base + buffer, received, MSG_NOSIGNAL);
    if (sent === received) return received;
    if (sent < 0 && c.errno() !== EAGAIN) this.error = c.errno();
    else backlog.keep(u8.slice(buffer + Math.max(0, sent), buffer + received));
    return received;
  }

  /**
   * Returns 0 where recv(2) has to say what there is: at an urgent mark splice(2) says EAGAIN, or that this is the end,
   * whatever is behind the mark (tcp_splice_read() in the kernel).
   */
  #splice(from: number, to: number, backlog: Backlog): number {
    const { c, pipes } = this.#s;
    const pipe = pipes.take();
    if (!pipe) return 0;
    const received = c.splice(from, 0, pipe.writeEnd, 0, PIPE_SIZE, SPLICE_FLAGS);
    if (received > 0) {
      backlog.fill(pipe, received);
      const errno = backlog.write(to);
      if (errno !== EAGAIN) this.error = errno;
      return received;
    }
    const errno = received < 0 ? c.errno() : 0;
    pipes.give(pipe);
    // A reset is told once: recv(2) would take it for an end after that.
    if (errno === EAGAIN ? !this.cut : errno !== 0 && errno !== EINVAL) {
      this.error = errno;
      return -1;
    }
    // Some kinds of sockets cannot be spliced in some kernels: it is not tried again.
    if (errno === EINVAL) this.#splices = this.bulk = false;
    return 0;
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

/** What waits to be written to a socket that takes no more: a copy of a message's rest, or what is left in a pipe. */
export class Backlog {
  readonly #s: Streams<Known>;
  #size = 0;
  #kept: Uint8Array | undefined;
  #pipe: Pipe | undefined;

  constructor(streams: Streams<Known>) {
    this.#s = streams;
  }

  get empty(): boolean {
    return this.#size === 0;
  }

  /** Keeps a copy. It must be empty, here and in `fill`. */
  keep(bytes: Uint8Array): void {
    this.#kept = bytes;
    this.#size = bytes.length;
  }

  /** So many bytes are in the pipe, which is given back when they are out. */
  fill(pipe: Pipe, size: number): void {
    this.#pipe = pipe;
    this.#size = size;
  }

  /** Writes. Returns 0 once it is empty, or the error: EAGAIN where the socket takes no more. */
  write(fd: number): number {
    const { c, pipes } = this.#s;
    while (this.#size > 0) {
      const written = this.#pipe
        ? c.splice(this.#pipe.readEnd, 0, fd, 0, this.#size, SPLICE_FLAGS)
        : this.#send(fd, this.#kept as Uint8Array);
      if (written < 0) return c.errno();
      if (written === 0) return EINVAL;
      this.#size -= written;
    }
    if (this.#pipe) pipes.give(this.#pipe);
    this.#pipe = undefined;
    this.#kept = undefined;
    return 0;
  }

  /** Nobody wants it any more. */
  destroy(): void {
    if (this.#pipe) this.#s.pipes.destroy(this.#pipe);
    this.#pipe = undefined;
    this.#kept = undefined;
    this.#size = 0;
  }

  #send(fd: number, kept: Uint8Array): number {
    const { c, buffer, loop } = this.#s;
    const rest = kept.subarray(kept.length - this.#size);
    loop.arena.u8.set(rest, buffer);
    return c.send(fd, loop.arena.base + buffer, rest.length, MSG_NOSIGNAL);
  }
}
