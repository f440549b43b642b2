import { SILENT } from '../core/log.ts';
import { Registry } from '../core/registry.ts';
import { makeCounts } from '../counts/memory.ts';
import { runPlaneCompliance } from '../data-plane/testing.ts';
import { engines } from '../io/testing.ts';
import { PROTOCOLS } from '../protocols.ts';
import { startWorkers } from './index.ts';

for (const { name, skip } of engines()) {
  if (skip !== false) continue;
  for (const count of name === 'node' ? [2] : [1, 2]) {
    runPlaneCompliance({
      name: `${count === 1 ? 'a worker' : `${count} workers`}, ${name} I/O`,
      open: (control, settings) => {
        const counts = makeCounts({ workers: count, sessions: settings.limits.max_sessions });
        const start = { io: name === 'node' ? 'node' : 'native', counts, settings } as const;
        const registry = new Registry(PROTOCOLS);
        return startWorkers({ count, start, plugins: [], registry, control, log: SILENT });
      },
    });
  }
}
