import { closeSync, openSync } from 'node:fs';
import { devNull } from 'node:os';
import { type Count, LocalCount } from '../counts/counter.ts';
import { L7mpError } from './errors.ts';

/** Why a connection was refused for the whole proxy. */
export type Shortage = 'max-connections' | 'descriptors';

/** Of the room that there is, in sixteenths: from here on it is scarce. */
const SCARCE = 15 / 16;

/** While less than half of the room is taken, which descriptor is free is asked for one of so many connections. */
const UNPROBED = 4;

/**
 * The sockets of traffic, whoever opens them, and whether there may be more. The kernel gives each new descriptor the
 * lowest free number (POSIX.1-2017, 2.14), and none above the limit of the process: so who keeps off the highest
 * numbers leaves so many descriptors to others, however many are open and whatever for.
 */
export class Connections {
  /** How many there may be, in the whole proxy. */
  most = Number.POSITIVE_INFINITY;
  /** Told of each claim that is refused. */
  onRefused: ((why: Shortage) => void) | undefined;
  /** Told of a new ceiling. */
  onCeiling: ((ceiling: number) => void) | undefined;
  readonly #count: Count;
  #ceiling = Number.POSITIVE_INFINITY;
  /** The latest descriptor that was looked at: all below it were in use. */
  #latest = 0;
  /** How often it was not asked which one is free. */
  #unprobed = 0;

  constructor(count: Count = new LocalCount()) {
    this.#count = count;
  }

  /** How many are open here. */
  get open(): number {
    return this.#count.own;
  }

  set open(open: number) {
    this.#count.add(open - this.#count.own);
  }

  /** The lowest descriptor that is not for traffic. */
  get ceiling(): number {
    return this.#ceiling;
  }

  set ceiling(ceiling: number) {
    this.#ceiling = ceiling;
    this.onCeiling?.(ceiling);
  }

  /** Most of the room is taken. */
  get scarce(): boolean {
    const mark = this.#ceiling * SCARCE;
    if (this.#latest >= mark) this.#latest = this.#lowestFree();
    return this.#count.all >= this.most * SCARCE || this.#latest >= mark;
  }

  /** What there is not enough of for the connection that has this descriptor, or for the next one. */
  shortage(fd = this.#next()): Shortage | undefined {
    this.#latest = fd;
    if (fd >= this.#ceiling) return 'descriptors';
    return this.#count.all >= this.most ? 'max-connections' : undefined;
  }

  /** To be called before a connection is made. Throws E_LIMIT, and counts it, where there is no room for one. */
  claim(): void {
    const why = this.shortage();
    if (why === undefined) return;
    this.onRefused?.(why);
    throw new L7mpError('E_LIMIT', why === 'descriptors' ? 'no descriptor is left for it' : 'too many connections');
  }

  /** The descriptor that the next connection gets, as far as it matters: of a few, while there is much room, the latest. */
  #next(): number {
    if (this.#count.all < this.most / 2 && ++this.#unprobed < UNPROBED) return this.#latest;
    this.#unprobed = 0;
    return this.#lowestFree();
  }

  /** Takes the lowest free descriptor for a moment (about 2 µs), where anybody wants to know it. */
  #lowestFree(): number {
    if (this.#ceiling === Number.POSITIVE_INFINITY) return 0;
    try {
      const fd = openSync(devNull, 'r');
      closeSync(fd);
      return fd;
    } catch {
      return Number.POSITIVE_INFINITY;
    }
  }
}
