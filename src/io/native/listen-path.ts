/** How a UNIX socket comes to its path, of whichever type it is. */
import { lstatSync, renameSync, rmSync } from 'node:fs';
import { L7mpError } from '../../core/errors.ts';
import { bindError } from '../node/stream.ts';
import { freePath, isAbstract } from '../unix-path.ts';
import { libc } from './system/libc.ts';

/**
 * The socket that `bindAt` binds at a path at which nothing is. `takeover`: also where another process listens, whose file it
 * replaces. Rejects with E_BIND, or as `bindAt`.
 */
export async function bindPath(path: string, takeover: boolean, bindAt: (path: string) => number): Promise<number> {
  if (takeover && !isAbstract(path)) return bindInPlace(path, bindAt);
  await freePath(path);
  return bindAt(path);
}

/** The path leads to one or the other at any time. */
function bindInPlace(path: string, bindAt: (path: string) => number): number {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (stat && !stat.isSocket()) throw new L7mpError('E_BIND', `cannot listen on ${path}: it exists and is no socket`);
  const aside = `${path}.${process.pid}`;
  const fd = bindAt(aside);
  try {
    renameSync(aside, path);
    return fd;
  } catch (error) {
    libc().close(fd);
    rmSync(aside, { force: true });
    throw bindError({ path }, error as Error);
  }
}
