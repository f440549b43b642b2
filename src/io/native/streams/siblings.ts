/**
 * Engines of several threads that listen on the same sockets. Whoever is free takes a connection; who has more of them than
 * another one passes it on, by a pipe that each has: so a few long connections are spread evenly, and many as good as that.
 */

import type { Loop, Pollable } from '../loop.ts';
import { scratchArena } from '../system/arena.ts';
import { NONBLOCK_CLOEXEC, SOCKADDR } from '../system/constants.ts';
import type { Descriptors } from '../system/descriptors.ts';
import { type Libc, libc, systemError } from '../system/libc.ts';

/** What an engine needs of the others: plain data, for its thread. */
export interface SiblingStart {
  /** Which of them it is, from 0 on. */
  readonly own: number;
  /** Live connections that each has accepted, then whether each takes any. */
  readonly counts: Int32Array<SharedArrayBuffer>;
  /** Where what is passed on to it comes out, and where it is put in for each of them. */
  readonly readEnd: number;
  readonly writeEnds: readonly number[];
}

/** So many engines, as who starts their threads sees them. */
export interface Siblings {
  start(own: number): SiblingStart;
  /** Its thread has ended by itself: nothing is passed on to it until it listens again. */
  ended(own: number): void;
  close(): void;
}

/** Throws where the system lacks something. */
export function makeSiblings(count: number): Siblings {
  const counts = new Int32Array(new SharedArrayBuffer(2 * count * 4));
  const pipes = makePipes(count);
  const writeEnds = pipes.map(([, writeEnd]) => writeEnd);
  return {
    start: (own) => ({ own, counts, readEnd: readEndOf(pipes, own), writeEnds }),
    ended: (own) => {
      Atomics.store(counts, count + own, 0);
      Atomics.store(counts, own, 0);
      const { base } = scratchArena();
      // What is still in there was closed with all that the thread has left behind.
      while (libc().read(readEndOf(pipes, own), base, RECORD) > 0);
    },
    close: () => {
      for (const fd of pipes.flat()) libc().close(fd);
    },
  };
}

function readEndOf(pipes: readonly (readonly [number, number])[], own: number): number {
  return pipes[own]?.[0] as number;
}

function makePipes(count: number): [read: number, write: number][] {
  const c = libc();
  const { base, i32 } = scratchArena();
  const pipes: [number, number][] = [];
  while (pipes.length < count) {
    if (c.pipe2(base, NONBLOCK_CLOEXEC) < 0) {
      const error = systemError('pipe2', c.errno());
      for (const fd of pipes.flat()) c.close(fd);
      throw new Error(`native I/O: ${error.message}`);
    }
    pipes.push([i32[0] as number, i32[1] as number]);
  }
  return pipes;
}

// -------------------------------------------------------------------- what is passed on

/**
 * Words of a connection: the socket that listens, its descriptor, who has passed it on (-1: it is passed back), and then its
 * peer's address. Less than PIPE_BUF, so that it is written whole or not at all (pipe(7)).
 */
const LISTENING = 0;
const CONNECTION = 1;
const FROM = 2;
const ADDRESS = 12;
const RECORD = ADDRESS + SOCKADDR;
const BACK = -1;

/** Connections that are taken out of the pipe at a time. */
const BATCH = 64;

/** How many more than the least an eighth of it is: the bits to shift by. What many have need not be as even. */
const SLACK_BITS = 3;

/** Takes a connection of its listening socket, whose peer's address lies at an offset. */
export type Taker = (fd: number, address: number) => void;

/** An engine's share of the connections. */
export class Share implements Pollable {
  readonly #c: Libc = libc();
  readonly #loop: Loop;
  readonly #start: SiblingStart;
  readonly #descriptors: Descriptors | undefined;
  readonly #count: number;
  /** By the descriptor of the socket that listens. */
  readonly #takers = new Map<number, Taker>();
  readonly #incoming: number;
  readonly #outgoing: number;

  constructor(loop: Loop, start: SiblingStart, descriptors: Descriptors | undefined) {
    this.#loop = loop;
    this.#start = start;
    this.#descriptors = descriptors;
    this.#count = start.writeEnds.length;
    this.#incoming = loop.arena.take(BATCH * RECORD);
    this.#outgoing = loop.arena.take(RECORD);
  }

  // ------------------------------------------------------------------ for who listens

  /** Connections of this socket may be passed on to it from now on. */
  listen(listening: number, take: Taker): void {
    if (this.#takers.size === 0) this.#loop.addBound(this.#start.readEnd, 1, this);
    this.#takers.set(listening, take);
    this.#setTaking(1);
  }

  unlisten(listening: number): void {
    if (!this.#takers.delete(listening) || this.#takers.size > 0) return;
    this.#setTaking(0);
    this.#loop.remove(this.#start.readEnd);
  }

  /**
   * A connection was accepted, whose peer's address lies at an offset: it is counted as its own, to be given back by `left`,
   * or is another one's from now on. Returns whether it is its own.
   */
  keeps(listening: number, fd: number, address: number): boolean {
    const { own, counts } = this.#start;
    const to = this.#least();
    if (to === own || !this.#pass(to, listening, fd, own, address)) {
      Atomics.add(counts, own, 1);
      return true;
    }
    return false;
  }

  /** One that was its own is gone. */
  left(): void {
    Atomics.sub(this.#start.counts, this.#start.own, 1);
  }

  // ------------------------------------------------------------------ what others pass on

  ready(): boolean {
    const { arena } = this.#loop;
    const size = this.#c.read(this.#start.readEnd, arena.base + this.#incoming, BATCH * RECORD);
    for (let at = this.#incoming; at < this.#incoming + size; at += RECORD) this.#take(at);
    return size > 0;
  }

  broken(): void {}

  #take(at: number): void {
    const { i32 } = this.#loop.arena;
    const word = (n: number): number => i32[(at >> 2) + n] as number;
    const [listening, fd, from] = [word(LISTENING), word(CONNECTION), word(FROM)];
    // Its number may be another one's by now, where it was closed with what a thread has left behind.
    if (this.#descriptors?.has(fd) === false) return;
    const take = this.#takers.get(listening);
    if (take) take(fd, at + ADDRESS);
    else {
      // The sibling does not listen there yet, or no more.
      this.left();
      if (from === BACK || !this.#pass(from, listening, fd, BACK, at + ADDRESS)) this.#loop.close(fd);
    }
  }

  // ------------------------------------------------------------------ own

  #setTaking(taking: number): void {
    Atomics.store(this.#start.counts, this.#count + this.#start.own, taking);
  }

  /** The one that gets the next connection: itself, unless another one has clearly less. */
  #least(): number {
    const { own, counts } = this.#start;
    const mine = Atomics.load(counts, own);
    let least = mine;
    let who = own;
    for (let n = 0; n < this.#count; n++) {
      if (Atomics.load(counts, this.#count + n) === 0) continue;
      const count = Atomics.load(counts, n);
      if (count < least) [least, who] = [count, n];
    }
    return mine > least + Math.max(1, least >> SLACK_BITS) ? who : own;
  }

  /** Returns whether it could: the other one's pipe may be full. */
  #pass(to: number, listening: number, fd: number, from: number, address: number): boolean {
    const { counts, own, writeEnds } = this.#start;
    const { base, i32, u8 } = this.#loop.arena;
    const at = this.#outgoing >> 2;
    i32[at + LISTENING] = listening;
    i32[at + CONNECTION] = fd;
    i32[at + FROM] = from;
    u8.copyWithin(this.#outgoing + ADDRESS, address, address + SOCKADDR);
    Atomics.add(counts, to, 1);
    this.#descriptors?.give(fd, to);
    if (this.#c.write(writeEnds[to] as number, base + this.#outgoing, RECORD) === RECORD) return true;
    Atomics.sub(counts, to, 1);
    this.#descriptors?.give(fd, own);
    return false;
  }
}
