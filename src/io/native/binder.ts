/** Binds sockets of the kernel's for an engine that has them to itself. */
import type { SocketAddress } from '../../core/engine.ts';
import type { Binder, BoundSocket } from '../binder.ts';
import { bindError } from '../node/stream.ts';
import { addressToBind } from '../resolve.ts';
import { removeFile, socketFile } from '../unix-path.ts';
import { DatagramBinder } from './datagrams/binder.ts';
import { libc } from './system/libc.ts';
import * as sockets from './system/sockets.ts';

export function createLocalBinder(): Binder {
  const datagrams = new DatagramBinder(1);
  return { bindStream, bindDatagram: async (at) => datagrams.bind(at, 0) };
}

/** A listening socket for streams, which `release` closes. Rejects with E_BIND. */
export async function bindStream(at: SocketAddress): Promise<BoundSocket> {
  const fd = await listen(at);
  const file = 'path' in at ? socketFile(at.path) : undefined;
  let released = false;
  return {
    fd,
    release: async () => {
      if (released) return;
      released = true;
      removeFile(file);
      libc().close(fd);
    },
  };
}

async function listen(at: SocketAddress): Promise<number> {
  try {
    if ('path' in at) return await sockets.listenPath(at.path, at.mode);
    return sockets.listenInternet({ host: await addressToBind(at), port: at.port });
  } catch (error) {
    if (error instanceof sockets.SocketError) throw bindError(at, error);
    throw error;
  }
}
