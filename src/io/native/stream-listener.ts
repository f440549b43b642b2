import { EAGAIN, EMFILE, ENFILE, ENOBUFS, ENOMEM, EPOLLIN, NONBLOCK_CLOEXEC } from './constants.ts';
import { type Libc, libc } from './libc.ts';
import type { Loop, Pollable, Ticking } from './loop.ts';
import { Report, SOCKADDR } from './wire.ts';

/** Connections that are taken before others have their turn. */
const BATCH = 64;
/** How long none is taken when there are no descriptors or no memory, in milliseconds. */
const PAUSE = 100;

/** Takes a listening socket's connections, for the main thread to decide on. */
export class StreamListener implements Pollable, Ticking {
  readonly #number: number;
  readonly #fd: number;
  readonly #reserves: boolean;
  readonly #loop: Loop;
  readonly #c: Libc = libc();
  readonly #address: number;
  #resumeAt = 0;
  /** Connections that were closed at once, and not told of yet. */
  #refused = 0;
  #closed = false;

  /** `reserves`: its connections may take what is reserved, which the main thread decides. `scratch`: the offset of 32 bytes. */
  constructor(number: number, fd: number, reserves: boolean, loop: Loop, scratch: number) {
    this.#number = number;
    this.#fd = fd;
    this.#reserves = reserves;
    this.#loop = loop;
    this.#address = scratch;
    loop.add(fd, EPOLLIN, this);
  }

  ready(): void {
    for (let n = 0; n < BATCH; n++) {
      if (this.#loop.congested || !this.#accept()) break;
    }
    if (this.#loop.congested) this.#pause();
    else if (this.#refused > 0) {
      this.#loop.report(Report.Refused, this.#number, this.#refused);
      this.#refused = 0;
    }
  }

  broken(): void {
    this.#pause();
  }

  tick(now: number): boolean {
    if (this.#closed) return false;
    if (now < this.#resumeAt || this.#loop.congested) return true;
    this.#loop.modify(this.#fd, EPOLLIN);
    return false;
  }

  close(): void {
    this.#closed = true;
    this.#loop.close(this.#fd);
  }

  #accept(): boolean {
    const { i32, base } = this.#loop.arena;
    const at = this.#address >> 2;
    i32[at + 7] = SOCKADDR;
    const fd = this.#c.accept4(this.#fd, base + this.#address, base + this.#address + SOCKADDR, NONBLOCK_CLOEXEC);
    if (fd < 0) return this.#failed(this.#c.errno());
    if (fd >= this.#loop.ceiling && !this.#reserves) {
      this.#c.close(fd);
      this.#refused++;
      return true;
    }
    const word = (n: number): number => i32[at + n] as number;
    this.#loop.report(Report.Accepted, this.#number, fd, word(0), word(1), word(2), word(3), word(4), word(5), word(6));
    return true;
  }

  /** Returns whether it may be tried again at once: other errors are those of one connection that is gone (accept(2)). */
  #failed(errno: number): boolean {
    if (errno === EAGAIN) return false;
    if (![EMFILE, ENFILE, ENOBUFS, ENOMEM].includes(errno)) return true;
    this.#pause();
    return false;
  }

  #pause(): void {
    this.#resumeAt = this.#loop.now + PAUSE;
    this.#loop.modify(this.#fd, 0);
    this.#loop.tickFor(this);
  }
}
