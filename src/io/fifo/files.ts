/** FIFOs in the file system (fifo(7)): made where they are missing, and opened. */
import { chmodSync, closeSync, constants, fstatSync, lstatSync, openSync, statSync } from 'node:fs';
import { L7mpError } from '../../core/errors.ts';

/** Nobody waits for the other side, which may come and go. */
export const FLAGS = constants.O_NONBLOCK;

/** Makes one where nothing is. Rejects with E_FILE where something else is, or none can be made. */
export async function ensureFifo(path: string, mode: number | undefined): Promise<void> {
  const there = statOf(path);
  if (there && !there.isFIFO()) throw new L7mpError('E_FILE', `cannot use ${path}: it exists and is no FIFO`);
  if (there) return;
  await makeFifo(path, mode ?? 0o666);
  // mkfifo(3) takes away what the umask says.
  if (mode !== undefined) chmodSync(path, mode);
}

function statOf(path: string) {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch (error) {
    throw new L7mpError('E_FILE', `cannot use ${path}: ${(error as NodeJS.ErrnoException).code}`, { cause: error });
  }
}

/** Node cannot make one. */
async function makeFifo(path: string, mode: number): Promise<void> {
  const mkfifo = await loadMkfifo().catch((error: Error) => {
    const text = `there is no FIFO ${path}, and none can be made here (mkfifo(1) can): ${error.message}`;
    throw new L7mpError('E_UNSUPPORTED', text, { cause: error });
  });
  const code = mkfifo(path, mode);
  if (code !== undefined && code !== 'EEXIST') throw new L7mpError('E_FILE', `cannot make the FIFO ${path}: ${code}`);
}

async function loadMkfifo() {
  const { libc } = await import('../native/system/libc.ts');
  libc();
  return (await import('../native/system/mkfifo.ts')).mkfifo;
}

/** Opens one: `link`, where it may be reached by a symbolic link. Throws E_FILE for what is none, or what the system says. */
export function openFifo(path: string, flags: number, link: boolean): number {
  const fd = openSync(path, flags | FLAGS | (link ? 0 : constants.O_NOFOLLOW));
  if (fstatSync(fd).isFIFO()) return fd;
  closeSync(fd);
  throw new L7mpError('E_FILE', `cannot use ${path}: it exists and is no FIFO`);
}

/** Another descriptor of what one is open on: whoever has renamed or replaced it meanwhile. Throws what the system says. */
export function openAgain(fd: number, path: string): number {
  const own = `/proc/self/fd/${fd}`;
  const from = lstatSync(own, { throwIfNoEntry: false }) ? own : path;
  return openSync(from, constants.O_RDWR | FLAGS);
}
