/** Which data planes a proxy has: the only place that knows whether they are in this thread. */
import { makeCounts } from './counts/memory.ts';
import type { DataPlane, PlaneSettings } from './data-plane/contract.ts';
import { LocalDataPlane, type PlaneHost } from './data-plane/local.ts';
import type { EngineMode } from './io/choose.ts';

export interface PlanesStart {
  readonly io: EngineMode;
  readonly threads: number;
  readonly settings: PlaneSettings;
}

/** Begins what runs the configuration. Rejects, and leaves nothing behind, where it cannot. */
export function openDataPlane({ io, settings }: PlanesStart, host: PlaneHost): Promise<DataPlane> {
  const counts = makeCounts({ workers: 1, sessions: settings.limits.max_sessions });
  return LocalDataPlane.open({ worker: 0, counts, io, settings }, host);
}
