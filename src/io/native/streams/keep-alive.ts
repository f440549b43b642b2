import type { Loop, Ticking } from '../loop.ts';

/** A connection that the kernel is to watch over, if it still lives. */
export interface Watched {
  keepAlive(): void;
}

/**
 * Asks the kernel to watch over connections (SO_KEEPALIVE) once they have lived for a tenth of a second: that takes four
 * system calls, which those save that are over by then, as most are where there are many.
 */
export class KeepAlive implements Ticking {
  readonly #loop: Loop;
  #young: Watched[] = [];
  #old: Watched[] = [];

  constructor(loop: Loop) {
    this.#loop = loop;
  }

  add(connection: Watched): void {
    if (this.#young.push(connection) === 1) this.#loop.tickFor(this);
  }

  tick(): boolean {
    for (const connection of this.#old) connection.keepAlive();
    this.#old = this.#young;
    this.#young = [];
    return this.#old.length > 0;
  }
}
