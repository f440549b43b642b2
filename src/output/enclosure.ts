/**
 * The directory below which the REST API may name files and sockets. Who reaches the API has the proxy's rights, and
 * must not get at what the proxy's user owns: keys of SSH, profiles of shells, sockets of container engines.
 */
import { constants, type FileHandle, lstat, open, realpath, stat } from 'node:fs/promises';
import { isAbsolute, join, relative, resolve, sep } from 'node:path';
import { L7mpError } from '../core/errors.ts';
import type { Enclosure } from '../core/protocol.ts';
import { isAbstract } from '../io/unix-path.ts';

/** What may be named although it lies elsewhere: nothing is kept there. */
const NULL_DEVICE = '/dev/null';

/** Files that are made get this mode: what is in them is for the proxy's user. */
export const PRIVATE_MODE = 0o600;

export class DirectoryEnclosure implements Enclosure {
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = resolve(directory);
  }

  /** Rejects with E_FILE where it is no directory. */
  async check(): Promise<void> {
    const isDirectory = await stat(this.#directory).then(
      (found) => found.isDirectory(),
      () => false,
    );
    if (!isDirectory) throw new L7mpError('E_FILE', `/admin/files: there is no directory ${this.#directory}`);
  }

  /**
   * Where a path leads, without a symbolic link on the way below the directory, nor at its end. What is not there yet
   * is fine. Rejects with E_FORBIDDEN for anything else.
   */
  async locate(path: string): Promise<string> {
    if (path === NULL_DEVICE) return path;
    const root = await this.#real();
    const names = this.#below(path, root);
    let here = root;
    for (const name of names) {
      here = join(here, name);
      const found = await lstat(here).catch((error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT') return undefined;
        throw forbidden(path, error.code ?? error.message);
      });
      if (!found) break;
      if (found.isSymbolicLink()) throw forbidden(path, `${here} is a symbolic link`);
      // A hard link is as good as a symbolic one: the file is also somewhere else.
      if (found.isFile() && found.nlink > 1) throw forbidden(path, `${here} has several names`);
    }
    return join(root, ...names);
  }

  async open(path: string, flags: number): Promise<FileHandle> {
    const file = await open(await this.locate(path), flags | constants.O_NOFOLLOW, PRIVATE_MODE);
    try {
      // O_NOFOLLOW is about the end of the path only: once more, in case that a directory was replaced meanwhile.
      const [is, wanted] = await Promise.all([file.stat(), this.locate(path).then((real) => lstat(real))]);
      if (is.ino !== wanted.ino || is.dev !== wanted.dev) throw forbidden(path, 'it was replaced');
      return file;
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  /** The names that lead from the directory to the path: at least one, none of them `..`. */
  #below(path: string, real: string): string[] {
    if (isAbstract(path)) throw forbidden(path, 'an abstract name lies below no directory (admin.files)');
    if (path.includes('\0')) throw forbidden(path, 'it has a NUL');
    const absolute = resolve(path);
    for (const root of [this.#directory, real]) {
      const rest = relative(root, absolute);
      if (rest !== '' && rest !== '..' && !rest.startsWith(`..${sep}`) && !isAbsolute(rest)) return rest.split(sep);
    }
    throw forbidden(path, `the API may name files below ${this.#directory} only (admin.files)`);
  }

  async #real(): Promise<string> {
    return realpath(this.#directory).catch((error: NodeJS.ErrnoException) => {
      throw new L7mpError('E_FORBIDDEN', `${this.#directory} (admin.files): ${error.code}`, { cause: error });
    });
  }
}

function forbidden(path: string, why: string): L7mpError {
  return new L7mpError('E_FORBIDDEN', `${JSON.stringify(path)}: ${why}`);
}
