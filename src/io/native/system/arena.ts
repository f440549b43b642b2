/**
 * Memory that the kernel reads and writes: one mapping at an address that is a multiple of 4 GiB, so that a pointer is
 * a constant high word and an offset, written as two 32-bit stores. It lies outside V8's heap: nothing in it moves or is
 * collected.
 */
import { libc } from './libc.ts';

/** 2^32 as a factor: addresses are Numbers. */
const HIGH = 2 ** 32;

/** Where mappings are looked for: above what a program's image takes, far below where the kernel puts its own. */
const FIRST = 0x10;
const TRIES = 0x1000;

const PROT_READ_WRITE = 3;
/** MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE: pages come into being when they are touched. */
const FLAGS = 0x2 | 0x20 | 0x4000 | 0x100000;

const MADV_DONTNEED = 4;

/**
 * What a thread has mapped: for each arena the high word of its address, then its size. Mappings are the process's, and
 * outlive a thread, so whoever survives it gives them back (`unmapAll`).
 */
export type Mappings = Uint32Array<SharedArrayBuffer>;

/** An engine's arena, and the one for arguments. */
const MOST_MAPPINGS = 2;

export function makeMappings(): Mappings {
  return new Uint32Array(new SharedArrayBuffer(MOST_MAPPINGS * 8));
}

/** Where this thread notes what it maps; undefined where nobody survives it. */
let noted: Mappings | undefined;

/** Notes what this thread maps from now on. It may be `MOST_MAPPINGS` arenas. */
export function noteMappings(mappings: Mappings): void {
  noted = mappings;
}

/** Gives back what a thread has mapped, which has ended. */
export function unmapAll(mappings: Mappings): void {
  for (let n = 0; mappings[n]; n += 2) libc().munmap((mappings[n] as number) * HIGH, mappings[n + 1] as number);
  mappings.fill(0);
}

export class Arena {
  /** The address of offset 0. */
  readonly base: number;
  readonly size: number;
  /** The high word of every pointer into it. */
  readonly high: number;
  readonly u8: Uint8Array;
  readonly u16: Uint16Array;
  readonly i32: Int32Array;
  readonly u32: Uint32Array;
  #top = 0;

  /** Views of what is mapped at `base`. */
  private constructor(base: number, size: number) {
    const memory = libc().view(base, size);
    this.base = base;
    this.size = size;
    this.high = base / HIGH;
    this.u8 = new Uint8Array(memory);
    this.u16 = new Uint16Array(memory);
    this.i32 = new Int32Array(memory);
    this.u32 = new Uint32Array(memory);
  }

  /** Maps new memory, all zero. */
  static map(size: number): Arena {
    const c = libc();
    for (let n = FIRST; n < FIRST + TRIES; n++) {
      const at = n * HIGH;
      if (c.mmap(at, size, PROT_READ_WRITE, FLAGS, -1, 0) !== at) continue;
      noted?.set([n, size], noted.indexOf(0));
      return new Arena(at, size);
    }
    throw new Error('native I/O found no address space for its buffers');
  }

  /** The offset of `size` bytes that nobody else has. They are never given back. */
  take(size: number, align = 64): number {
    const at = Math.ceil(this.#top / align) * align;
    this.#top = at + size;
    if (this.#top > this.size) throw new RangeError('the arena is full');
    return at;
  }

  /**
   * Gives its pages back; it can be used on, and is all zero. Its addresses stay taken: whoever still has a view would end the
   * process otherwise.
   */
  clear(): void {
    libc().madvise(this.base, this.size, MADV_DONTNEED);
  }

  /** Writes the pointer to offset `to` at offset `at`. */
  point(at: number, to: number): void {
    this.u32[at >> 2] = to;
    this.u32[(at >> 2) + 1] = this.high;
  }
}

let scratch: Arena | undefined;

/** For small arguments of system calls: nothing in it outlives a call. Each thread has its own. */
export function scratchArena(): Arena {
  scratch ??= Arena.map(1 << 20);
  return scratch;
}
