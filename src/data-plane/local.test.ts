import { Registry } from '../core/registry.ts';
import { makeCounts } from '../counts/memory.ts';
import { engines } from '../io/testing.ts';
import { PROTOCOLS } from '../protocols.ts';
import { LocalDataPlane } from './local.ts';
import { runPlaneCompliance } from './testing.ts';

for (const { name, skip } of engines()) {
  if (skip !== false) continue;
  runPlaneCompliance({
    name: `in this thread, ${name} I/O`,
    open: (control, settings) => {
      const counts = makeCounts({ workers: 1, sessions: settings.limits.max_sessions });
      const io = name === 'node' ? 'node' : 'native';
      return LocalDataPlane.open({ worker: 0, counts, io, settings }, { control, registry: new Registry(PROTOCOLS) });
    },
  });
}
