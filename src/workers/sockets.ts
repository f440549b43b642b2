import type { EngineMode } from '../io/choose.ts';
import type { SiblingStart } from '../io/native/streams/siblings.ts';
import type { DescriptorMap } from '../io/native/system/descriptors.ts';
import { PortableBinder } from '../io/node/binder.ts';
import type { SocketSource } from './binder.ts';

/** What the main thread does about the sockets of its workers. */
export interface WorkerSockets {
  readonly source: SocketSource;
  /** Where workers note their descriptors. */
  readonly descriptors: DescriptorMap | undefined;
  /** What a worker knows of the others that listen on the same sockets. */
  siblings(worker: number): SiblingStart | undefined;
  /** A worker hears of nothing more: its thread is to be ended by force. */
  silence(worker: number): void;
  /** Closes what a worker has left open: its thread has ended. */
  closeLeftOver(worker: number): void;
  close(): void;
}

/** For so many workers on an engine. Whether there is that engine, they say. */
export async function openSockets(io: EngineMode, workers: number, takeover: boolean): Promise<WorkerSockets> {
  if (io === 'node') return portable(workers);
  try {
    return await native(workers, takeover);
  } catch {
    return portable(workers);
  }
}

async function native(workers: number, takeover: boolean): Promise<WorkerSockets> {
  const [{ bindStream }, { DatagramBinder }, { closeAll, makeDescriptorMap, silence }, { makeSiblings }] =
    await Promise.all([
      import('../io/native/binder.ts'),
      import('../io/native/datagrams/binder.ts'),
      import('../io/native/system/descriptors.ts'),
      import('../io/native/streams/siblings.ts'),
    ]);
  const siblings = makeSiblings(workers);
  const datagrams = new DatagramBinder(workers);
  const descriptors = makeDescriptorMap();
  return {
    source: { bindStream: (at) => bindStream(at, takeover), bindDatagram: async (at, n) => datagrams.bind(at, n) },
    descriptors,
    siblings: (worker) => (workers > 1 ? siblings.start(worker) : undefined),
    silence: (worker) => silence(descriptors, worker),
    closeLeftOver: (worker) => {
      // First, so that nothing more is passed on to it.
      siblings.ended(worker);
      closeAll(descriptors, worker);
    },
    close: () => siblings.close(),
  };
}

/** Node closes what a thread has. */
function portable(workers: number): WorkerSockets {
  return {
    source: new PortableBinder(workers),
    descriptors: undefined,
    siblings: () => undefined,
    silence: () => {},
    closeLeftOver: () => {},
    close: () => {},
  };
}
