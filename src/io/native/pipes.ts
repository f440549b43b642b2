/** Pipes for splice(2): between two sockets, bytes move through one without being copied to user space. */
import type { Arena } from './arena.ts';
import { F_SETPIPE_SZ, NONBLOCK_CLOEXEC } from './constants.ts';
import { type Libc, libc } from './libc.ts';

export interface Pipe {
  readonly readEnd: number;
  readonly writeEnd: number;
}

/**
 * Bytes of a pipe. More, up to the 1 MiB that pipe(7) grants without privileges, saves calls but goes through the CPU's
 * caches: one stream is a tenth slower; half of it costs ten streams as much.
 */
export const PIPE_SIZE = 1 << 18;

/** Of an engine. A pipe is held only while it has something in it, so few serve many flows. */
export const MOST_PIPES = 64;

export class PipePool {
  readonly #c: Libc = libc();
  readonly #arena: Arena;
  readonly #fds: number;
  readonly #most: number;
  readonly #free: Pipe[] = [];
  #made = 0;
  #refused = false;

  constructor(arena: Arena, most: number) {
    this.#arena = arena;
    this.#most = most;
    this.#fds = arena.take(8);
  }

  /** An empty pipe; undefined where there is none to be had. */
  take(): Pipe | undefined {
    return this.#free.pop() ?? this.#make();
  }

  /** Gives an empty one back. */
  give(pipe: Pipe): void {
    this.#free.push(pipe);
  }

  /** Gives one up whose bytes nobody wants. */
  destroy(pipe: Pipe): void {
    this.#made--;
    this.#c.close(pipe.readEnd);
    this.#c.close(pipe.writeEnd);
  }

  close(): void {
    for (const pipe of this.#free.splice(0)) this.destroy(pipe);
  }

  // Beyond pipe-user-pages-soft a user's new pipes have a page or two, and F_SETPIPE_SZ fails: copying is faster then.
  #make(): Pipe | undefined {
    if (this.#refused || this.#made >= this.#most) return undefined;
    const c = this.#c;
    if (c.pipe2(this.#arena.base + this.#fds, NONBLOCK_CLOEXEC) < 0) return undefined;
    const at = this.#fds >> 2;
    const pipe = { readEnd: this.#arena.i32[at] as number, writeEnd: this.#arena.i32[at + 1] as number };
    this.#made++;
    if (c.fcntl(pipe.writeEnd, F_SETPIPE_SZ, PIPE_SIZE) >= 0) return pipe;
    this.#refused = true;
    this.destroy(pipe);
    return undefined;
  }
}
