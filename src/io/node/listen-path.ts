import { chmodSync, linkSync, mkdtempSync, rmSync } from 'node:fs';
import type { Server } from 'node:net';
import { dirname, join } from 'node:path';
import { isMainThread } from 'node:worker_threads';
import { withMode } from '../socket-mode.ts';
import { isAbstract, nodePath } from '../unix-path.ts';

/** Listens on a path at which nothing is; `mode`: of the socket. Throws, or the server says so, where it cannot. */
export function listenPath(server: Server, path: string, mode: number | undefined, listening: () => void): void {
  // Node binds a path within the call.
  if (isMainThread || mode === undefined || isAbstract(path))
    withMode(mode, () => server.listen({ path: nodePath(path) }, listening));
  else listenAside(server, { path, mode }, listening);
}

/**
 * A worker cannot set the umask. So the socket is made in a folder that nobody else may enter, and comes to its path when it
 * has its mode: by a link, which replaces nothing (link(2)).
 */
function listenAside(server: Server, { path, mode }: { path: string; mode: number }, listening: () => void): void {
  // Short: a socket's path has 107 bytes at most (unix(7)).
  const folder = mkdtempSync(join(dirname(path), '.'));
  try {
    const aside = join(folder, 's');
    server.listen({ path: aside }, listening);
    if (!server.listening) return;
    chmodSync(aside, mode);
    linkSync(aside, path);
  } catch (error) {
    server.close();
    throw error;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
