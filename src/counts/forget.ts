import { Lock } from './lock.ts';
import { type CountsMemory, FREE, FRESH, type Layout, LOCK, layOut } from './memory.ts';
import { NONE, ownerOf } from './table.ts';

/** The holder of the lock while a worker is forgotten. */
const CONTROL = -1;

/**
 * Takes a worker that has ended out of all counts, so that another one can have its number: its sessions, and the names
 * that it held. To be called when its thread is certainly gone, which may be in the middle of a change: the table is put
 * together anew from what the others hold.
 */
export function forgetWorker(memory: CountsMemory, worker: number): void {
  const layout = layOut(memory);
  const lock = new Lock(layout.head, LOCK, CONTROL);
  if (!lock.takeFrom(ownerOf(worker))) lock.acquire();
  try {
    subtract(layout, worker);
    rebuild(layout);
  } finally {
    lock.release();
  }
}

function subtract({ head, counts, countsOf, holdersOf }: Layout, worker: number): void {
  const own = countsOf[worker] as Int32Array;
  const last = head[FRESH] as number;
  // The others go on counting meanwhile.
  for (let cell = 1; cell <= last; cell++) {
    if (own[cell] !== 0) Atomics.sub(counts, cell, own[cell] as number);
  }
  own.fill(0, 0, last + 1);
  holdersOf[worker]?.fill(0, 0, last + 1);
}

function rebuild(layout: Layout): void {
  const { head, buckets, next, low, holders, holdersOf } = layout;
  const last = head[FRESH] as number;
  buckets.fill(NONE);
  head[FREE] = NONE;
  for (let cell = 1; cell <= last; cell++) {
    let held = 0;
    for (const own of holdersOf) held += own[cell] as number;
    holders[cell] = held;
    const bucket = (low[cell] as number) & (buckets.length - 1);
    if (held === 0) {
      next[cell] = head[FREE] as number;
      head[FREE] = cell;
    } else {
      next[cell] = buckets[bucket] as number;
      buckets[bucket] = cell;
    }
  }
}
