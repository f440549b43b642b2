/** Binds sockets of the kernel's for an engine that has them to itself. */
import type { InternetAddress, MessageAddress, SocketAddress } from '../../core/engine.ts';

import type { Binder, BoundSocket } from '../binder.ts';
import { bindError } from '../node/stream.ts';
import { addressToBind } from '../resolve.ts';
import { removeFile, socketFile } from '../unix-path.ts';
import { ActivatedSockets } from './activated.ts';
import { DatagramBinder } from './datagrams/binder.ts';
import { preferLatest } from './datagrams/steering.ts';
import { bindPath } from './listen-path.ts';
import { bindMessages } from './messages/bind.ts';
import { libc } from './system/libc.ts';
import * as sockets from './system/sockets.ts';

export interface BinderOptions {
  /**
   * Streams are listened to also where another process of this user listens that was started so. New connections are this one's
   * from then on, and those that the other one has not accepted yet stay its own.
   */
  readonly takeover?: boolean | undefined;
  /** Sockets that listen, with which the process was started. */
  readonly activated?: readonly number[] | undefined;
}

/** For one data plane. */
export function createLocalBinder(options: BinderOptions): Binder {
  const { bindDatagram, ...others } = createBinders(options, 1);
  return { ...others, bindDatagram: (at) => bindDatagram(at, 0) };
}

/** For so many, of which each has sockets of its own for datagrams. */
export function createBinders({ takeover = false, activated = [] }: BinderOptions, of: number) {
  const given = new ActivatedSockets(activated);
  const datagrams = new DatagramBinder(of, given);
  return {
    bindStream: (at: SocketAddress) => bindStream(at, takeover, given),
    bindMessages: (at: MessageAddress) => bindMessages(at, takeover),
    bindDatagram: async (at: InternetAddress, n: number) => datagrams.bind(at, n),
  };
}

/** A listening socket for streams, which `release` closes. Rejects with E_BIND. */
async function bindStream(at: SocketAddress, takeover: boolean, activated: ActivatedSockets): Promise<BoundSocket> {
  const place = 'path' in at ? at : { ...at, host: await addressToBind(at) };
  const given = activated.stream(place);
  // Not closed: whoever listens there next has it.
  if (given !== undefined) return { fd: given, release: async () => {} };
  const fd = await listen(place, takeover);
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
    if ('path' in at) return await bindPath(at.path, { takeover }, (path) => sockets.listenAt(path, at.mode));
    const fd = sockets.listenInternet(at, takeover);
    if (takeover) preferLatest(fd);
    return fd;
  } catch (error) {
    if (error instanceof sockets.SocketError) throw bindError(at, error);
    throw error;
  }
}
