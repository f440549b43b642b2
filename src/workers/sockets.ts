import type { EngineMode } from '../io/choose.ts';
import type { DescriptorMap } from '../io/native/system/descriptors.ts';
import { PortableBinder, sharesAddresses } from '../io/node/binder.ts';
import type { SocketSource } from './binder.ts';

/** What the main thread does about the sockets of its workers. */
export interface WorkerSockets {
  readonly source: SocketSource;
  /** Whether several workers can listen at one address. */
  readonly shares: boolean;
  /** Where workers note their descriptors. */
  readonly descriptors?: DescriptorMap;
  /** Closes what a worker has left open: its thread has ended. */
  closeLeftOver(worker: number): void;
}

/** For so many workers on an engine. Whether there is that engine, they say. */
export async function openSockets(io: EngineMode, workers: number): Promise<WorkerSockets> {
  if (io === 'node') return portable(workers);
  try {
    const [{ libc }, { bindStream }, { DatagramBinder }, { closeAll, makeDescriptorMap }] = await Promise.all([
      import('../io/native/system/libc.ts'),
      import('../io/native/binder.ts'),
      import('../io/native/datagrams/binder.ts'),
      import('../io/native/system/descriptors.ts'),
    ]);
    libc();
    const datagrams = new DatagramBinder(workers);
    const descriptors = makeDescriptorMap();
    return {
      source: { bindStream, bindDatagram: async (at, n) => datagrams.bind(at, n) },
      shares: true,
      descriptors,
      closeLeftOver: (worker) => void closeAll(descriptors, worker),
    };
  } catch {
    return portable(workers);
  }
}

/** Node closes what a thread has. */
function portable(workers: number): WorkerSockets {
  return { source: new PortableBinder(workers), shares: sharesAddresses(), closeLeftOver: () => {} };
}
