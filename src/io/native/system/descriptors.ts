/**
 * The owner of each descriptor: descriptors are the process's, and outlive a thread that fails. So each data plane notes what
 * it has in memory that all share, a byte for each number, and whoever survives closes what it has left behind.
 */
import { readlinkSync } from 'node:fs';
import { CLOEXEC } from './constants.ts';
import { libc } from './libc.ts';
import { lingerNot } from './sockets.ts';

/** The notes of all data planes: 0 is nobody's, else the number of its data plane, from 0 on, and one. */
export type DescriptorMap = Uint8Array<SharedArrayBuffer>;

/** More descriptors than a process has by any default (fs.nr_open): those above are not noted. */
const MOST = 1 << 20;

/** Data planes that a byte can tell apart. */
const MOST_OWNERS = 254;

/** A new map; its memory is only what is written. It may be sent to other threads. */
export function makeDescriptorMap(): DescriptorMap {
  return new Uint8Array(new SharedArrayBuffer(MOST));
}

/** The notes of one data plane. */
export class Descriptors {
  readonly #map: DescriptorMap;
  readonly #mark: number;

  /** `owner`: the number of the data plane, 0 to 253. */
  constructor(map: DescriptorMap, owner: number) {
    if (owner >= MOST_OWNERS) throw new RangeError(`descriptors of data plane ${owner} cannot be told apart`);
    this.#map = map;
    this.#mark = owner + 1;
  }

  /** The data plane has this descriptor now. */
  open(fd: number): void {
    this.#map[fd] = this.#mark;
  }

  /** The data plane has it no more. To be called before close(2), after which the number may be another thread's. */
  closed(fd: number): void {
    this.#map[fd] = 0;
  }

  has(fd: number): boolean {
    return this.#map[fd] === this.#mark;
  }

  /** The descriptor is another data plane's from now on. */
  give(fd: number, to: number): void {
    this.#map[fd] = to + 1;
  }
}

const EPOLL = 'anon_inode:[eventpoll]';

/**
 * Makes a data plane hear of no more events: its thread is to be ended by force. Would koffi call it back while it ends,
 * the process ended too. Its sets keep their numbers, as empty ones.
 */
export function silence(map: DescriptorMap, owner: number): void {
  const c = libc();
  const empty = c.epoll_create1(CLOEXEC);
  for (let fd = map.indexOf(owner + 1); fd >= 0; fd = map.indexOf(owner + 1, fd + 1))
    if (isEpoll(fd)) c.dup3(empty, fd, CLOEXEC);
  c.close(empty);
}

/** False also for one that the thread has closed meanwhile. */
function isEpoll(fd: number): boolean {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`) === EPOLL;
  } catch {
    return false;
  }
}

/**
 * Closes all that a data plane has left open: its thread has ended. Returns how many that were. Peers of connections see a
 * reset: an end would say that they have everything.
 */
export function closeAll(map: DescriptorMap, owner: number): number {
  const c = libc();
  let count = 0;
  for (let fd = map.indexOf(owner + 1); fd >= 0; fd = map.indexOf(owner + 1, fd)) {
    map[fd] = 0;
    lingerNot(fd);
    c.close(fd);
    count++;
  }
  return count;
}
