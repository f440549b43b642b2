/** The memory of counts that several threads share, and where in it everything lies. */
import { randomFillSync } from 'node:crypto';

/** What a worker is given to count with the others: plain data, that goes to a thread as it is. */
export interface CountsMemory {
  readonly buffer: SharedArrayBuffer;
  /** Threads that have sessions, numbered from 0; the control plane, which only asks, has the number after them. */
  readonly workers: number;
  /** Cells that there are. */
  readonly cells: number;
}

/** Cells for listeners, endpoints and whatever else is there for long, beside those of sessions. */
export const OBJECTS = 1 << 16;

/** Words of 32 bits before the first bucket. */
const HEAD = 8;
const WORD = Int32Array.BYTES_PER_ELEMENT;

/** What `at` finds the words of the head by. Ids are one word of 64 bits. */
export const LOCK = 0;
export const FREE = 1;
const IDS = 2;
/** Cells that were used at some time: those after them were never written, and so take no memory. */
export const FRESH = 4;
const KEY = 6;

/**
 * Memory for so many workers and keys of sessions: a source, and with several workers a name, for each. What is not used
 * takes address space only, since the system gives pages that are written. It does not grow: a key that finds no cell is
 * refused, so a limit of sessions that is raised while the proxy runs is held to what was made for it.
 */
export function makeCounts({
  workers,
  sessions,
}: {
  readonly workers: number;
  readonly sessions: number;
}): CountsMemory {
  const cells = OBJECTS + sessions * (workers > 1 ? 2 : 1);
  const bytes = WORD * (HEAD + buckets(cells) + cells * (ROWS + ROWS_OF_WORKER * (workers + 1)));
  const buffer = new SharedArrayBuffer(bytes);
  randomFillSync(new Int32Array(buffer, KEY * WORD, 2));
  return { buffer, workers, cells };
}

const ROWS = 5;
const ROWS_OF_WORKER = 2;

/** A power of two, so that a hash is cut with a mask. */
function buckets(cells: number): number {
  return 1 << Math.ceil(Math.log2(cells / 2));
}

/** One thread's views of the memory. A cell is a number from 1: its place in each row. */
export interface Layout {
  readonly head: Int32Array;
  readonly ids: BigInt64Array;
  /** The secret of the hashes. */
  readonly key: Int32Array;
  /** The first cell of each bucket, and the next one of each cell; 0 is none. */
  readonly buckets: Int32Array;
  readonly next: Int32Array;
  /** The hash of the key that a cell is found by. */
  readonly low: Int32Array;
  readonly high: Int32Array;
  /** How many hold a cell: it is free when nobody does. */
  readonly holders: Int32Array;
  /** What is counted in it. */
  readonly counts: Int32Array;
  /** What each worker has of both. */
  readonly holdersOf: readonly Int32Array[];
  readonly countsOf: readonly Int32Array[];
}

export function layOut({ buffer, workers, cells }: CountsMemory): Layout {
  const head = new Int32Array(buffer, 0, HEAD);
  let at = HEAD * WORD;
  const row = (length: number): Int32Array => {
    const view = new Int32Array(buffer, at, length);
    at += length * WORD;
    return view;
  };
  const rows = (): Int32Array[] => Array.from({ length: workers + 1 }, () => row(cells));
  return {
    head,
    ids: new BigInt64Array(buffer, IDS * WORD, 1),
    key: head.subarray(KEY, KEY + 2),
    buckets: row(buckets(cells)),
    next: row(cells),
    low: row(cells),
    high: row(cells),
    holders: row(cells),
    counts: row(cells),
    holdersOf: rows(),
    countsOf: rows(),
  };
}
