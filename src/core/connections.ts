import { closeSync, openSync } from 'node:fs';
import { devNull } from 'node:os';
import { type Count, LocalCount } from '../counts/counter.ts';
import { L7mpError } from './errors.ts';

/** Why a connection was refused for the whole proxy. */
export type Shortage = 'max-connections' | 'descriptors';

/** What listens, as far as connections are counted: see `Acceptor`. */
export interface Accepting {
  mayUseReserve?(): boolean;
  refused?(why: Shortage, count: number): void;
}

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
  /** Told of each that is refused before it is made. */
  onRefused: ((why: Shortage) => void) | undefined;
  /** The lowest descriptor that is not for traffic. */
  ceiling = Number.POSITIVE_INFINITY;
  readonly #count: Count;
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

  /** Most of the room is taken. */
  get scarce(): boolean {
    const mark = this.ceiling * SCARCE;
    if (this.#latest >= mark) this.#latest = this.#lowestFree();
    return this.#count.all >= this.most * SCARCE || this.#latest >= mark;
  }

  /** How many descriptors are left for traffic, and for what listens, as far as the next one tells. */
  get left(): number {
    return this.ceiling - this.#lowestFree();
  }

  /**
   * Counts a connection that was accepted. Returns false, and tells who listens, where it has to be closed at once. `fd`:
   * its descriptor, where that is known.
   */
  accept(acceptor: Accepting, fd?: number): boolean {
    const why = this.#take(fd);
    if (why === undefined) return true;
    if (acceptor.mayUseReserve?.()) {
      this.add();
      return true;
    }
    acceptor.refused?.(why, 1);
    return false;
  }

  /** Counts a connection that is going to be made, with the descriptor, if it has one. Throws E_LIMIT where there is no room for it. */
  reserve(fd?: number): void {
    const why = this.#take(fd);
    if (why === undefined) return;
    this.onRefused?.(why);
    throw limit(why);
  }

  /** Throws E_LIMIT where no descriptor is left for a connection that is counted already. */
  needDescriptor(): void {
    if (this.#next() < this.ceiling) return;
    this.onRefused?.('descriptors');
    throw limit('descriptors');
  }

  /** Counts one that is there, whatever room there is. */
  add(): void {
    this.#count.add(1);
  }

  /** One that was counted is closed, or did not come to be. */
  give(): void {
    this.#count.add(-1);
  }

  /** Counts one more, exactly: other threads count at the same time. */
  #take(fd = this.#next()): Shortage | undefined {
    this.#latest = fd;
    if (fd >= this.ceiling) return 'descriptors';
    return this.#count.take(this.most) ? undefined : 'max-connections';
  }

  /** The descriptor that the next connection gets, as far as it matters: of a few, while there is much room, the latest. */
  #next(): number {
    if (this.#count.all < this.most / 2 && ++this.#unprobed < UNPROBED) return this.#latest;
    this.#unprobed = 0;
    return this.#lowestFree();
  }

  /** Takes the lowest free descriptor for a moment (about 2 µs), where anybody wants to know it. */
  #lowestFree(): number {
    if (this.ceiling === Number.POSITIVE_INFINITY) return 0;
    try {
      const fd = openSync(devNull, 'r');
      closeSync(fd);
      return fd;
    } catch {
      return Number.POSITIVE_INFINITY;
    }
  }
}

function limit(why: Shortage): L7mpError {
  return new L7mpError('E_LIMIT', why === 'descriptors' ? 'no descriptor is left for it' : 'too many connections');
}
