/** Binds sockets of the kernel's for an engine that has them to itself. */
import type { SocketAddress } from '../../core/engine.ts';
import type { Binder, BoundSocket } from '../binder.ts';
import { bindError } from '../node/stream.ts';
import { addressToBind } from '../resolve.ts';
import { removeFile, socketFile } from '../unix-path.ts';
import { DatagramBinder } from './datagrams/binder.ts';
import { preferLatest } from './datagrams/steering.ts';
import { bindPath } from './listen-path.ts';
import { bindMessages } from './messages/bind.ts';
import { libc } from './system/libc.ts';
import * as sockets from './system/sockets.ts';

/** `takeover`: see `bindStream`. */
export function createLocalBinder(takeover = false): Binder {
  const datagrams = new DatagramBinder(1);
  return {
    bindStream: (at) => bindStream(at, takeover),
    bindMessages: (at) => bindMessages(at, takeover),
    bindDatagram: async (at) => datagrams.bind(at, 0),
  };
}

/**
 * A listening socket for streams, which `release` closes. Rejects with E_BIND. `takeover`: also where another process of
 * this user listens that was started so. New connections are this one's from then on, and those that the other one has not
 * accepted yet stay its own.
 */
export async function bindStream(at: SocketAddress, takeover = false): Promise<BoundSocket> {
  const fd = await listen(at, takeover);
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

async function listen(at: SocketAddress, takeover: boolean): Promise<number> {
  try {
    if ('path' in at) return await bindPath(at.path, takeover, (path) => sockets.listenAt(path, at.mode));
    const fd = sockets.listenInternet({ host: await addressToBind(at), port: at.port }, takeover);
    if (takeover) preferLatest(fd);
    return fd;
  } catch (error) {
    if (error instanceof sockets.SocketError) throw bindError(at, error);
    throw error;
  }
}
