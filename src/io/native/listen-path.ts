/** How a UNIX socket comes to its path, of whichever type it is. */
import { lstatSync, renameSync, rmSync } from 'node:fs';
import { L7mpError } from '../../core/errors.ts';
import { bindError } from '../node/stream.ts';
import { freePath, isAbstract } from '../unix-path.ts';
import { libc } from './system/libc.ts';

export interface PathOptions {
  /** Also where another process listens, whose file it replaces. */
  readonly takeover: boolean;
  /** It sends by itself: whoever is answered has to see the path as the sender's name, which is what it was bound to. */
  readonly sends?: boolean;
}

/** The socket that `bindAt` binds at a path at which nothing is. Rejects with E_BIND, or as `bindAt`. */
export async function bindPath(
  path: string,
  { takeover, sends = false }: PathOptions,
  bindAt: (path: string) => number,
): Promise<number> {
  if (takeover && !isAbstract(path)) return sends ? bindInstead(path, bindAt) : bindInPlace(path, bindAt);
  await freePath(path);
  return bindAt(path);
}

/** The path leads to one or the other at any time. */
function bindInPlace(path: string, bindAt: (path: string) => number): number {
  checkSocket(path);
  const aside = asideOf(path);
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

/** For some microseconds the path leads nowhere. */
function bindInstead(path: string, bindAt: (path: string) => number): number {
  const aside = checkSocket(path) ? asideOf(path) : undefined;
  try {
    if (aside !== undefined) renameSync(path, aside);
  } catch (error) {
    throw bindError({ path }, error as Error);
  }
  try {
    const fd = bindAt(path);
    if (aside !== undefined) rmSync(aside, { force: true });
    return fd;
  } catch (error) {
    if (aside !== undefined) renameSync(aside, path);
    throw error;
  }
}

/** Returns whether there is one. Throws E_BIND where there is anything else. */
function checkSocket(path: string): boolean {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (stat && !stat.isSocket()) throw new L7mpError('E_BIND', `cannot listen on ${path}: it exists and is no socket`);
  return stat !== undefined;
}

function asideOf(path: string): string {
  return `${path}.${process.pid}`;
}
