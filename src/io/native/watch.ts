import { EPOLLOUT } from './constants.ts';
import type { Loop, Pollable } from './loop.ts';
import { Report } from './wire.ts';

/** Waits until a socket that connects has done so, or failed. */
export class Watch implements Pollable {
  readonly id: number;
  readonly #fd: number;
  readonly #loop: Loop;
  readonly #over: () => void;

  constructor(id: number, fd: number, loop: Loop, over: () => void) {
    this.id = id;
    this.#fd = fd;
    this.#loop = loop;
    this.#over = over;
    loop.add(fd, EPOLLOUT, this);
  }

  ready(): void {
    this.#loop.remove(this.#fd);
    this.#over();
    this.#loop.report(Report.Writable, this.id);
  }

  broken(): void {}

  close(): void {
    this.#loop.close(this.#fd);
    this.#over();
  }
}
