import { readFileSync } from 'node:fs';

/** What is mapped where arenas are (proc(5), smaps): each a multiple of 4 GiB, below a thousandth of the address space. */
const ARENA = /^([0-9a-f]{2,4})00000000-[0-9a-f]+ [\s\S]*?^Rss: +(\d+) kB/gm;

/** The arenas of this process, of all threads: how many, and KiB of them that are in memory. */
export function mapped(): { readonly arenas: number; readonly resident: number } {
  const found = [...readFileSync('/proc/self/smaps', 'utf8').matchAll(ARENA)];
  return { arenas: found.length, resident: found.reduce((sum, [, , kib]) => sum + Number(kib), 0) };
}
