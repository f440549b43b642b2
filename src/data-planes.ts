/** Which data planes a proxy has: the only place that knows whether they are in this thread. */

import type { Log } from './core/log.ts';
import type { Protocol } from './core/protocol.ts';
import type { Registry } from './core/registry.ts';
import { SharedSecret } from './core/shared-secret.ts';
import { makeCounts } from './counts/memory.ts';
import type { ControlPlane, DataPlane, PlaneSettings } from './data-plane/contract.ts';
import type { EngineMode } from './io/choose.ts';
import { sharesAddresses } from './io/node/binder.ts';
import { usableCpus } from './limits/cpus.ts';
import { deriveLimits, readSystem } from './limits/system.ts';
import type { PluginModule } from './plugins/plugins.ts';

export interface PlanesStart {
  readonly io: EngineMode;
  /** Workers; 0: the data plane is in this thread; auto: one for each CPU. */
  readonly threads: number | 'auto';
  readonly takeover: boolean;
  readonly activated: readonly number[];
  readonly settings: PlaneSettings;
  readonly plugins: readonly (Protocol | PluginModule)[];
}

/** What data planes have of the control plane. */
export interface PlanesHost {
  readonly registry: Registry;
  readonly control: ControlPlane;
  readonly log: Log;
}

/** Begins what runs the configuration. Rejects, and leaves nothing behind, where it cannot. */
export async function openDataPlane(asked: PlanesStart, host: PlanesHost): Promise<DataPlane> {
  const { io, settings, takeover, activated } = asked;
  const threads = countThreads(asked, host.log);
  const counts = makeCounts({ workers: Math.max(1, threads), sessions: countable(settings) });
  const start = { counts, io, takeover, activated, settings, secret: new SharedSecret().memory };
  // Only one of both is needed: each takes time and memory to load.
  if (threads === 0) {
    const { LocalDataPlane } = await import('./data-plane/local.ts');
    return LocalDataPlane.open({ ...start, worker: 0 }, host);
  }
  const { startWorkers } = await import('./workers/index.ts');
  const plugins = asked.plugins.filter(isModule).map(({ url }) => url);
  return startWorkers({ ...host, count: threads, start, plugins });
}

/** What is an object of this thread can be in no other. */
function countThreads({ threads, plugins, io }: PlanesStart, log: Log): number {
  if (!plugins.every(isModule)) return 0;
  const wanted = threads === 'auto' ? usableCpus() : threads;
  if (wanted <= 1 || io !== 'node' || sharesAddresses()) return wanted;
  log.write('notice', 'io', `one worker in place of ${wanted}: here, node cannot share an address among them`);
  return 1;
}

/** Sessions that there may be, also when the limit is raised to what the machine can have. */
function countable({ limits }: PlaneSettings): number {
  return Math.max(limits.max_sessions, deriveLimits(readSystem()).max_sessions);
}

function isModule(plugin: Protocol | PluginModule): plugin is PluginModule {
  return 'protocols' in plugin;
}
