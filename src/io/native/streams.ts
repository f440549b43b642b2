/** What the byte streams of an engine share, and how their bytes are moved. */
import type * as net from 'node:net';
import { BINARY } from '../../core/channel.ts';
import { MessageQueue } from '../../core/queue.ts';
import type { Loan } from '../node/loan.ts';
import { EAGAIN, EINVAL, MSG_NOSIGNAL, SOCKADDR, SPLICE_FLAGS } from './constants.ts';
import type { NativeContext } from './context.ts';
import { type Libc, libc } from './libc.ts';
import { PIPE_SIZE, type Pipe, PipePool } from './pipes.ts';

/** Bytes that are received, or sent, at a time. */
export const BUFFER = 65_536;

export class Streams {
  readonly c: Libc = libc();
  readonly context: NativeContext;
  readonly pipes: PipePool;
  /** Told of a socket that has become node's. */
  readonly onSocket: (socket: net.Socket) => Loan;
  /** Offsets of what is received, and of the address of who was accepted. */
  readonly buffer: number;
  readonly address: number;
  /** The offset of what is to be sent and lies elsewhere. */
  readonly #outgoing: number;

  constructor(context: NativeContext, onSocket: (socket: net.Socket) => Loan) {
    const { arena } = context.loop;
    this.context = context;
    this.onSocket = onSocket;
    this.pipes = new PipePool(context.loop);
    this.buffer = arena.take(BUFFER, 4096);
    this.#outgoing = arena.take(BUFFER, 4096);
    this.address = arena.take(SOCKADDR + 4);
  }

  /** Sends as much as the socket takes. Returns how much that is; less than all of it with the error in `errno`. */
  send(fd: number, bytes: Uint8Array): number {
    let done = 0;
    while (done < bytes.length) {
      const size = Math.min(BUFFER, bytes.length - done);
      const sent = this.c.send(fd, this.#place(bytes, done, size), size, MSG_NOSIGNAL);
      if (sent < 0) break;
      done += sent;
    }
    return done;
  }

  /** The address of a part of them: what was received is sent from where it lies. */
  #place(bytes: Uint8Array, from: number, size: number): number {
    const { base, u8 } = this.context.loop.arena;
    if (bytes.buffer === u8.buffer) return base + bytes.byteOffset + from;
    u8.set(size === bytes.length ? bytes : bytes.subarray(from, from + size), this.#outgoing);
    return base + this.#outgoing;
  }
}

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
  readonly #s: Streams;
  bulk = false;
  /** After `move`: there is no more for now, and an event comes with more. */
  drained = false;
  /** After `move`: why nothing was received, or why it could not be sent; 0 for neither. */
  error = 0;
  #splices = true;
  #streak = 0;

  constructor(streams: Streams) {
    this.#s = streams;
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
    const { c, buffer, context } = this.#s;
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
    const { c, pipes } = this.#s;
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

  #pour(pipe: Pipe, size: number, to: Sink): void {
    const { c, pipes } = this.#s;
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

/** What waits to be written to a socket that takes no more: what is left in a pipe, then pieces. */
export class Backlog {
  readonly #s: Streams;
  #pipe: Pipe | undefined;
  /** Bytes in the pipe. */
  #piped = 0;
  /** The piece that is being written. */
  #piece: Uint8Array | undefined;
  #pieces: MessageQueue | undefined;

  constructor(streams: Streams) {
    this.#s = streams;
  }

  /** Takes a piece, and copies it unless it is `owned`. */
  append(bytes: Uint8Array, owned: boolean): void {
    this.#pieces ??= new MessageQueue();
    this.#pieces.append(bytes, BINARY, owned);
  }

  /** So many bytes are in the pipe, which is given back when they are out. Nothing may wait yet. */
  fill(pipe: Pipe, size: number): void {
    this.#pipe = pipe;
    this.#piped = size;
  }

  /** Writes. Returns 0 once it is empty, or the error: EAGAIN where the socket takes no more. */
  write(fd: number): number {
    const { c } = this.#s;
    while (this.#pipe) {
      const written = c.splice(this.#pipe.readEnd, 0, fd, 0, this.#piped, SPLICE_FLAGS);
      if (written <= 0) return written === 0 ? EINVAL : c.errno();
      this.#piped -= written;
      if (this.#piped === 0) this.#emptied(this.#pipe);
    }
    for (;;) {
      if (!this.#piece && this.#pieces?.length) this.#piece = this.#pieces.shift().bytes;
      if (!this.#piece) return 0;
      const sent = this.#s.send(fd, this.#piece);
      if (sent < this.#piece.length) {
        this.#piece = this.#piece.subarray(sent);
        return c.errno();
      }
      this.#piece = undefined;
    }
  }

  /** Nobody wants it any more. */
  destroy(): void {
    if (this.#pipe) this.#s.pipes.destroy(this.#pipe);
    this.#pipe = undefined;
  }

  #emptied(pipe: Pipe): void {
    this.#s.pipes.give(pipe);
    this.#pipe = undefined;
  }
}
