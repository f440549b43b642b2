import { randomFillSync } from 'node:crypto';
import type { Arena } from '../system/arena.ts';
import { AF_INET } from '../system/constants.ts';

/** What is found by its address, which stays what it is while it is in the table. */
export interface Addressed<T> {
  /** The offset of its socket address. */
  readonly address: number;
  /** The table's own note: the next one in the same place. */
  next: T | undefined;
}

/** A secret: two random words. */
export interface Key {
  readonly k0: number;
  readonly k1: number;
}

const FIRST_SIZE = 64;

/**
 * So many in one place do not come about by chance (below 1 in 10^35), with one to a place on the average: somebody
 * knows the key.
 */
const LONGEST = 32;

/**
 * The peers of a socket by address and port: a hash table that compares the kernel's own socket addresses where they
 * lie, so that a packet costs neither an object nor a string nor a boxed number.
 *
 * Peers choose their addresses and ports. So the hash is keyed with a secret of the table's own: which of them collide
 * cannot be reckoned out, and looking up, adding and deleting take a few steps each, whoever sends.
 */
export class PeerTable<T extends Addressed<T>> {
  readonly #u32: Uint32Array;
  readonly #newKey: () => Key;
  #key: Key = { k0: 0, k1: 0 };
  /** None before the first peer: of ten thousand ports few have any. */
  #places: (T | undefined)[] = [];
  #count = 0;

  constructor(arena: Arena, newKey = randomKey) {
    this.#u32 = arena.u32;
    this.#newKey = newKey;
  }

  get size(): number {
    return this.#count;
  }

  /** The peer with the socket address at an offset. */
  get(address: number): T | undefined {
    if (this.#count === 0) return undefined;
    const hash = hashAddress(this.#u32, address, this.#key);
    let item = this.#places[hash & (this.#places.length - 1)];
    while (item && !this.same(item.address, address)) item = item.next;
    return item;
  }

  /** Adds one that is not there. */
  add(item: T): void {
    if (++this.#count > this.#places.length) this.#rebuild(Math.max(FIRST_SIZE, this.#places.length * 2));
    if (this.#put(item) > LONGEST) this.#rebuild(this.#places.length);
  }

  delete(item: T): void {
    const n = hashAddress(this.#u32, item.address, this.#key) & (this.#places.length - 1);
    let before: T | undefined;
    for (let one = this.#places[n]; one; before = one, one = one.next) {
      if (one !== item) continue;
      if (before) before.next = item.next;
      else this.#places[n] = item.next;
      item.next = undefined;
      this.#count--;
      return;
    }
  }

  all(): T[] {
    const items: T[] = [];
    for (const first of this.#places) for (let item = first; item; item = item.next) items.push(item);
    return items;
  }

  /** Returns how many are in its place. */
  #put(item: T): number {
    const n = hashAddress(this.#u32, item.address, this.#key) & (this.#places.length - 1);
    item.next = this.#places[n];
    this.#places[n] = item;
    let length = 0;
    for (let one: T | undefined = item; one; one = one.next) length++;
    return length;
  }

  #rebuild(size: number): void {
    const items = this.all();
    this.#key = this.#newKey();
    this.#places = new Array(size).fill(undefined);
    for (const item of items) this.#put(item);
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

function randomKey(): Key {
  const [k0 = 0, k1 = 0] = randomFillSync(new Int32Array(2));
  return { k0, k1 };
}

/** Rounds after the last word. */
const FINAL_ROUNDS = 3;

/**
 * HalfSipHash-1-3 of a socket address: what Linux keys its hash tables with on 32-bit machines (siphash in the kernel's
 * documentation). Family and port are the first word; the address is the second, or the third to sixth with the zone as
 * seventh. The length need not be part of it, since the family says it. The round stands here and in counts/keyed-hash.ts:
 * with the state in variables a datagram takes half of the time that it would with a shared one in memory (18 and 42 ns).
 */
export function hashAddress(u32: Uint32Array, address: number, { k0, k1 }: Key): number {
  const at = address >> 2;
  const four = ((u32[at] as number) & 0xffff) === AF_INET;
  const words = four ? 2 : 7;
  let v0 = k0;
  let v1 = k1;
  let v2 = k0 ^ 0x6c796765;
  let v3 = k1 ^ 0x74656462;
  for (let n = 0; n < words + FINAL_ROUNDS; n++) {
    // The second of an IPv6 address's words is a label of flows, which is nobody's address.
    if (n === 1 && !four) continue;
    const word = n < words ? (u32[at + n] as number) : 0;
    if (n === words) v2 ^= 0xff;
    v3 ^= word;
    v0 = (v0 + v1) | 0;
    v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
    v0 = (v0 << 16) | (v0 >>> 16);
    v2 = (v2 + v3) | 0;
    v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
    v0 = (v0 + v3) | 0;
    v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
    v2 = (v2 + v1) | 0;
    v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
    v2 = (v2 << 16) | (v2 >>> 16);
    v0 ^= word;
  }
  return v1 ^ v3;
}
