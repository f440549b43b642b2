import type { PlaneStart } from '../data-plane/contract.ts';
import type { SiblingStart } from '../io/native/streams/siblings.ts';
import type { Mappings } from '../io/native/system/arena.ts';
import type { DescriptorMap } from '../io/native/system/descriptors.ts';
import { PortableBinder } from '../io/node/binder.ts';
import type { SocketSource } from './binder.ts';

/** What the main thread does about the sockets of its workers. */
export interface WorkerSockets {
  readonly source: SocketSource;
  /** Where workers note their descriptors. */
  readonly descriptors: DescriptorMap | undefined;
  /** Where a worker notes the memory that it maps. */
  mappings(worker: number): Mappings | undefined;
  /** What a worker knows of the others that listen on the same sockets. */
  siblings(worker: number): SiblingStart | undefined;
  /** Starts a worker's thread, with the calling one out of its way: see `WayMaker`. */
  starting<T>(start: () => T): T;
  /** A worker hears of nothing more: its thread is to be ended by force. */
  silence(worker: number): void;
  /** Closes what a worker has left open, and unmaps what it has mapped: its thread has ended. */
  closeLeftOver(worker: number): void;
  close(): void;
}

/** What of a data plane's start is about sockets. */
export type SocketsStart = Pick<PlaneStart, 'io' | 'takeover' | 'activated'>;

/** For so many workers on an engine. Whether there is that engine, they say. */
export async function openSockets(start: SocketsStart, workers: number): Promise<WorkerSockets> {
  if (start.io === 'node') return portable(workers);
  try {
    return await native(workers, start);
  } catch {
    return portable(workers);
  }
}

async function native(workers: number, start: SocketsStart): Promise<WorkerSockets> {
  const [{ createBinders }, { makeMappings, unmapAll }, Descriptors, { WayMaker }, { makeSiblings }] =
    await Promise.all([
      import('../io/native/binder.ts'),
      import('../io/native/system/arena.ts'),
      import('../io/native/system/descriptors.ts'),
      import('../io/native/system/scheduling.ts'),
      import('../io/native/streams/siblings.ts'),
    ]);
  const siblings = makeSiblings(workers);
  const descriptors = Descriptors.makeDescriptorMap();
  const wayMaker = new WayMaker();
  const mappings = Array.from({ length: workers }, makeMappings);
  return {
    source: createBinders(start, workers),
    descriptors,
    mappings: (worker) => mappings[worker],
    siblings: (worker) => (workers > 1 ? siblings.start(worker) : undefined),
    starting: (start) => wayMaker.starting(start),
    silence: (worker) => Descriptors.silence(descriptors, worker),
    closeLeftOver: (worker) => {
      // First, so that nothing more is passed on to it.
      siblings.ended(worker);
      Descriptors.closeAll(descriptors, worker);
      unmapAll(mappings[worker] as Mappings);
    },
    close: () => {
      siblings.close();
      wayMaker.end();
    },
  };
}

/** Node closes what a thread has. */
function portable(workers: number): WorkerSockets {
  return {
    source: new PortableBinder(workers),
    descriptors: undefined,
    mappings: () => undefined,
    siblings: () => undefined,
    starting: (start) => start(),
    silence: () => {},
    closeLeftOver: () => {},
    close: () => {},
  };
}
