import { scratchArena } from './arena.ts';
import { errorName, libc } from './libc.ts';

/** The offset of a path in the scratch arena, which has room for any (PATH_MAX). */
const PATH = 65_536;

/** Makes a FIFO (mkfifo(3)). Returns the name of the error, if there was one. */
export function mkfifo(path: string, mode: number): string | undefined {
  const { base, u8 } = scratchArena();
  u8.set(Buffer.from(`${path.slice(0, 4096)}\0`), PATH);
  return libc().mkfifo(base + PATH, mode) === 0 ? undefined : errorName(libc().errno());
}
