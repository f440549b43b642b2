/** FIFOs that are listened on, kept open where they outlive a worker: what is in them goes when nobody has them open. */
import { closeSync, constants } from 'node:fs';
import type { FifoAddress } from '../../core/engine.ts';
import { asL7mpError, L7mpError } from '../../core/errors.ts';
import type { BoundFifos } from '../binder.ts';
import { ensureFifo, openFifo } from './files.ts';

/** Makes them where they are missing, and opens them for one data plane. Rejects with E_BIND, or E_UNSUPPORTED. */
export async function bindFifos({ read, write, mode, links }: FifoAddress): Promise<BoundFifos> {
  const fds: number[] = [];
  const open = async (path: string | undefined): Promise<number> => {
    if (path === undefined) return -1;
    await ensureFifo(path, mode);
    const fd = openFifo(path, constants.O_RDWR, links);
    fds.push(fd);
    return fd;
  };
  const close = (): void => {
    for (const fd of fds.splice(0)) closeSync(fd);
  };
  try {
    return { fd: await open(read), write: await open(write), listen: 'alone', release: async () => close() };
  } catch (error) {
    close();
    const { code, message } = asL7mpError(error);
    if (code === 'E_UNSUPPORTED') throw error;
    throw new L7mpError('E_BIND', message, { cause: error });
  }
}
