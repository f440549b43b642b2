/** The file that a listening UNIX socket has in the file system, and who may remove it. */
import { randomBytes } from 'node:crypto';
import { lstatSync, renameSync, unlinkSync } from 'node:fs';
import * as net from 'node:net';
import { L7mpError } from '../core/errors.ts';

/** Which file it is, whatever else may come to stand at its path. Nobody else's has it while the socket is open. */
export interface SocketFile {
  readonly path: string;
  readonly device: bigint;
  readonly inode: bigint;
}

/** Whether a socket's name is abstract: `@name` is in no file system, and free when nobody has it open (unix(7)). */
export function isAbstract(path: string): boolean {
  return path.startsWith('@');
}

/** A path or name as node:net wants it. */
export function nodePath(path: string): string {
  return isAbstract(path) ? `\0${path.slice(1)}` : path;
}

/**
 * Removes a socket file that nobody listens on any more. What else stands at the path is left alone: E_BIND.
 *
 * @example
 * await freePath(filename);
 * server.listen(filename);
 */
export async function freePath(path: string): Promise<void> {
  if (isAbstract(path)) return;
  const stat = lstatSync(path, { bigint: true, throwIfNoEntry: false });
  if (!stat) return;
  if (!stat.isSocket()) throw new L7mpError('E_BIND', `cannot listen on ${path}: it exists and is no socket`);
  if (await answers(path)) throw new L7mpError('E_BIND', `cannot listen on ${path}: the address is in use`);
  removeFile({ path, device: stat.dev, inode: stat.ino });
}

/** The file that was just made; undefined where it is gone already. */
export function socketFile(path: string): SocketFile | undefined {
  if (isAbstract(path)) return undefined;
  const stat = lstatSync(path, { bigint: true, throwIfNoEntry: false });
  return stat && { path, device: stat.dev, inode: stat.ino };
}

/** Removes a file if it is still the one at its path. To be called before its socket is closed. */
export function removeFile(file: SocketFile | undefined): void {
  if (file) attempt(() => isThere(file) && unlinkSync(file.path));
}

/**
 * Closes a socket in a way that unlinks what is at its path, as node's does; what has come to stand there instead of the
 * socket's own file is back at its place afterwards.
 */
export function closeBesideOthers(file: SocketFile, close: () => void): void {
  const { path } = file;
  if (isThere(file)) {
    close();
    return;
  }
  const aside = `${path}.${randomBytes(8).toString('hex')}`;
  const moved = attempt(() => renameSync(path, aside));
  close();
  if (moved) attempt(() => renameSync(aside, path));
}

function isThere({ path, device, inode }: SocketFile): boolean {
  const stat = lstatSync(path, { bigint: true, throwIfNoEntry: false });
  return stat?.dev === device && stat.ino === inode;
}

/** Whether it could be done: somebody else may have removed the file, or its directory. */
function attempt(change: () => void): boolean {
  try {
    change();
    return true;
  } catch {
    return false;
  }
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = net.connect({ path });
    const finish = (answered: boolean): void => {
      probe.destroy();
      resolve(answered);
    };
    probe.once('connect', () => finish(true));
    probe.once('error', (error: NodeJS.ErrnoException) => finish(error.code !== 'ECONNREFUSED'));
  });
}
