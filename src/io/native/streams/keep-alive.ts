import type { Loop, Pollable, Ticking } from '../loop.ts';

/** A connection that the kernel is to watch over. */
export interface Watched {
  keepAlive(): void;
}

/**
 * Asks the kernel to watch over connections (SO_KEEPALIVE) once they have lived for a tenth of a second: that takes four
 * system calls, which those save that are over by then, as most are where there are many.
 */
export class KeepAlive implements Ticking {
  readonly #loop: Loop;
  // Not the connections: V8 would take those that are over for old, and all that hangs on them.
  #young: number[] = [];
  #old: number[] = [];

  constructor(loop: Loop) {
    this.#loop = loop;
  }

  add(fd: number): void {
    if (this.#young.push(fd) === 1) this.#loop.tickFor(this);
  }

  tick(): boolean {
    for (const fd of this.#old) (this.#loop.handler(fd) as (Pollable & Partial<Watched>) | undefined)?.keepAlive?.();
    this.#old = this.#young;
    this.#young = [];
    return this.#old.length > 0;
  }
}
