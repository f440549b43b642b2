import { closeSync, constants } from 'node:fs';
import { Socket } from 'node:net';
import type { QueueLimits } from '../../core/channel.ts';
import type { Connections } from '../../core/connections.ts';
import type { FifoAddress } from '../../core/engine.ts';
import { L7mpError } from '../../core/errors.ts';
import type { Attempt } from '../../core/protocol.ts';
import { connectError } from '../connect-error.ts';
import { FifoChannel } from './channel.ts';
import { openFifo } from './files.ts';

/** Milliseconds between two looks whether somebody reads what is to be written: nothing tells of that. */
const LOOK = 20;

/**
 * Opens FIFOs for one session. It is connected when somebody reads the one that is written, so that whoever reads it sees what is
 * written and then an end. Rejects with E_CONNECT, E_LIMIT or E_TIMEOUT.
 */
export async function connectFifos(
  { read, write, links }: FifoAddress,
  attempt: Attempt,
  limits: QueueLimits,
  { connections, open }: { readonly connections: Connections; readonly open: Set<FifoChannel> },
): Promise<FifoChannel> {
  const sockets: Socket[] = [];
  const opened = (fd: number, readable: boolean): Socket => {
    const socket = new Socket({ fd, readable, writable: !readable });
    sockets.push(socket);
    return socket;
  };
  connections.reserve();
  try {
    const writer = write === undefined ? undefined : opened(await openToWrite(write, links, attempt), false);
    const reader = read === undefined ? undefined : opened(openFifo(read, constants.O_RDWR, links), true);
    const channel: FifoChannel = new FifoChannel(
      {
        reader,
        writer,
        own: true,
        left: () => {
          open.delete(channel);
          connections.give();
        },
      },
      limits,
    );
    open.add(channel);
    return channel;
  } catch (error) {
    for (const socket of sockets) socket.destroy();
    connections.give();
    throw connectError(attempt.address, error as Error);
  }
}

/** Waits until somebody has it open for reading: ENXIO says that nobody has (fifo(7)). */
async function openToWrite(path: string, links: boolean, { signal }: Attempt): Promise<number> {
  for (;;) {
    try {
      const fd = openFifo(path, constants.O_WRONLY, links);
      if (!signal.aborted) return fd;
      closeSync(fd);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENXIO') throw error;
    }
    if (signal.aborted) throw new L7mpError('E_TIMEOUT', `${path}: nobody reads it`);
    await new Promise((resolve) => setTimeout(resolve, LOOK));
  }
}
