import type { Offload } from './engine.ts';

/** The offload engine where there is none: takes no flow, and says why. */
export function nullOffload(why: string): Offload {
  return {
    name: 'none',
    on: false,
    status: () => ({ on: false, why, interfaces: [], flows: 0, capacity: 0 }),
    add: () => ({ refused: why }),
    close: () => Promise.resolve(),
  };
}
