/** Pipes for splice(2): between two sockets, bytes move through one without being copied to user space. */

import type { Loop } from '../loop.ts';
import { F_SETPIPE_SZ, NONBLOCK_CLOEXEC } from '../system/constants.ts';
import { type Libc, libc } from '../system/libc.ts';

export interface KernelPipe {
  readonly readEnd: number;
  readonly writeEnd: number;
}

/**
 * Bytes of a pipe. More, up to the 1 MiB that pipe(7) grants without privileges, saves calls but goes through the CPU's
 * caches: one stream is a tenth slower; half of it costs ten streams as much.
 */
export const PIPE_SIZE = 1 << 18;

/** Of an engine. A pipe is held only while it has something in it, so few serve many flows. */
const MOST_PIPES = 32;

export class PipePool {
  readonly #c: Libc = libc();
  readonly #loop: Loop;
  readonly #fds: number;
  readonly #free: KernelPipe[] = [];
  #made = 0;
  #refused = false;

  constructor(loop: Loop) {
    this.#loop = loop;
    this.#fds = loop.arena.take(8);
  }

  /** An empty pipe; undefined where there is none to be had. */
  take(): KernelPipe | undefined {
    return this.#free.pop() ?? this.#make();
  }

  /** Gives an empty one back. */
  give(pipe: KernelPipe): void {
    this.#free.push(pipe);
  }

  /** Gives one up whose bytes nobody wants. */
  destroy({ readEnd, writeEnd }: KernelPipe): void {
    this.#made--;
    this.#loop.close(readEnd);
    this.#loop.close(writeEnd);
  }

  close(): void {
    for (const pipe of this.#free.splice(0)) this.destroy(pipe);
  }

  // Beyond pipe-user-pages-soft a user's new pipes have a page or two, and F_SETPIPE_SZ fails: copying is faster then.
  #make(): KernelPipe | undefined {
    if (this.#refused || this.#made >= MOST_PIPES) return undefined;
    const c = this.#c;
    const { base, i32 } = this.#loop.arena;
    if (c.pipe2(base + this.#fds, NONBLOCK_CLOEXEC) < 0) return undefined;
    const at = this.#fds >> 2;
    const pipe = { readEnd: i32[at] as number, writeEnd: i32[at + 1] as number };
    this.#made++;
    this.#loop.own(pipe.readEnd);
    this.#loop.own(pipe.writeEnd);
    if (c.fcntl(pipe.writeEnd, F_SETPIPE_SZ, PIPE_SIZE) >= 0) return pipe;
    this.#refused = true;
    this.destroy(pipe);
    return undefined;
  }
}
