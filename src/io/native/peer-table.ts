import type { Arena } from './arena.ts';
import { AF_INET } from './constants.ts';

/** What is found by its address. */
export interface Addressed {
  /** The offset of its socket address. */
  readonly address: number;
}

const FIRST_SIZE = 64;

/**
 * The peers of a socket by address and port: a hash table that compares the kernel's own socket addresses where they
 * lie, so that a packet costs neither an object nor a string nor a boxed number.
 */
export class PeerTable<T extends Addressed> {
  readonly #u32: Uint32Array;
  #places: (T | undefined)[] = new Array(FIRST_SIZE).fill(undefined);
  #count = 0;

  constructor(arena: Arena) {
    this.#u32 = arena.u32;
  }

  get size(): number {
    return this.#count;
  }

  /** The peer with the socket address at an offset. */
  get(address: number): T | undefined {
    const mask = this.#places.length - 1;
    for (let n = this.#hash(address) & mask; ; n = (n + 1) & mask) {
      const item = this.#places[n];
      if (!item || this.same(item.address, address)) return item;
    }
  }

  /** Adds one that is not there. */
  add(item: T): void {
    if (++this.#count * 2 > this.#places.length) this.#grow();
    this.#put(item);
  }

  delete(item: T): void {
    const mask = this.#places.length - 1;
    let hole = this.#hash(item.address) & mask;
    while (this.#places[hole] !== item) {
      if (!this.#places[hole]) return;
      hole = (hole + 1) & mask;
    }
    this.#count--;
    this.#places[hole] = undefined;
    // What follows without a gap is put anew, so that each is found from its own place on.
    for (let n = (hole + 1) & mask; ; n = (n + 1) & mask) {
      const moved = this.#places[n];
      if (!moved) return;
      this.#places[n] = undefined;
      this.#put(moved);
    }
  }

  all(): T[] {
    return this.#places.filter((item) => item !== undefined);
  }

  #put(item: T): void {
    const mask = this.#places.length - 1;
    let n = this.#hash(item.address) & mask;
    while (this.#places[n]) n = (n + 1) & mask;
    this.#places[n] = item;
  }

  #grow(): void {
    const items = this.all();
    this.#places = new Array(this.#places.length * 2).fill(undefined);
    for (const item of items) this.#put(item);
  }

  // Family and port are the first word; the address is the second, or the third to sixth with the zone as seventh.
  #hash(address: number): number {
    const u32 = this.#u32;
    const at = address >> 2;
    const first = u32[at] as number;
    let hash = Math.imul(first, 0x9e3779b1);
    if ((first & 0xffff) === AF_INET) hash = mix(hash, u32[at + 1] as number);
    else for (let n = 2; n < 6; n++) hash = mix(hash, u32[at + n] as number);
    return hash ^ (hash >>> 15);
  }

  /** Whether the socket addresses at two offsets are of one peer. */
  same(a: number, b: number): boolean {
    const u32 = this.#u32;
    const left = a >> 2;
    const right = b >> 2;
    if (u32[left] !== u32[right]) return false;
    if (((u32[left] as number) & 0xffff) === AF_INET) return u32[left + 1] === u32[right + 1];
    for (let n = 2; n < 7; n++) if (u32[left + n] !== u32[right + n]) return false;
    return true;
  }
}

function mix(hash: number, word: number): number {
  const mixed = Math.imul(hash ^ word, 0x85ebca6b);
  return mixed ^ (mixed >>> 13);
}
