/**
 * The workers of a proxy: threads of which each is a whole data plane, and which together act as one. A session lives and
 * dies in one of them, and no byte waits for another thread.
 */
import { Connections } from '../core/connections.ts';
import { GatheringLimit } from '../core/gathering.ts';
import type { Log } from '../core/log.ts';
import type { Registry } from '../core/registry.ts';
import { forgetWorker } from '../counts/forget.ts';
import type { ControlPlane, DataPlane, PlaneStart } from '../data-plane/contract.ts';
import { readSystem } from '../limits/system.ts';
import { ownModule } from '../own-file.ts';
import { SharedBinder, type WorkerBinder } from './binder.ts';
import type { WorkerStart } from './contract.ts';
import { PlaneGroup } from './group.ts';
import { OwnedClusters } from './owner.ts';
import { openSockets, type WorkerSockets } from './sockets.ts';
import { SupervisedPlane } from './supervisor.ts';
import { PlaneThread } from './thread.ts';

export interface WorkersOptions {
  readonly count: number;
  /** What each of them begins with. */
  readonly start: Omit<PlaneStart, 'worker'>;
  /** URLs of the modules that export the plugins. */
  readonly plugins: readonly string[];
  readonly registry: Registry;
  readonly control: ControlPlane;
  readonly log: Log;
}

/** Starts them. Rejects, and leaves none behind, where one cannot be started. */
export async function startWorkers(options: WorkersOptions): Promise<DataPlane> {
  const { count, start, log } = options;
  const sockets = await openSockets(start, count);
  const slots = openSlots(options, sockets);
  const starting = slots.map((slot, n) =>
    SupervisedPlane.start(`worker ${n}`, (settings) => slot.start({ ...start, settings }), start.settings, log),
  );
  const started = await Promise.allSettled(starting);
  const planes = started.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
  const group = new PlaneGroup(planes, start.settings, async () => {
    await Promise.all(slots.map((slot) => slot.close()));
    sockets.close();
  });
  if (planes.length === count) return group;
  await group.close();
  throw (started.find(({ status }) => status === 'rejected') as PromiseRejectedResult).reason;
}

/** The place of a worker, in which one life follows another. */
interface Slot {
  start(start: Omit<PlaneStart, 'worker'>): Promise<PlaneThread>;
  /** Releases what the last one had listened on. */
  close(): Promise<void>;
}

function openSlots(options: WorkersOptions, sockets: WorkerSockets): Slot[] {
  const { count, start, plugins, registry, control, log } = options;
  const shared = new SharedBinder(sockets.source, count);
  const connections = new Connections();
  connections.ceiling = Math.max(0, readSystem().descriptors - start.settings.limits.reserved_descriptors);
  const owned = new OwnedClusters(registry, log, new GatheringLimit(), connections);
  return Array.from({ length: count }, (_, worker): Slot => {
    let binder: WorkerBinder | undefined;
    return {
      start: (present) => {
        binder = shared.forWorker(worker, binder);
        const ending = (): void => sockets.silence(worker);
        const ended = (): void => {
          sockets.closeLeftOver(worker);
          forgetWorker(start.counts, worker);
        };
        const { descriptors } = sockets;
        const own = { descriptors, mappings: sockets.mappings(worker), siblings: sockets.siblings(worker) };
        const data: WorkerStart = { ...present, ...own, worker, workers: count, plugins };
        const host = { log, control, owned, binder, ending, ended };
        return sockets.starting(() => PlaneThread.start(ownModule('workers/entry'), data, host));
      },
      close: async () => binder?.releaseAll(),
    };
  });
}
