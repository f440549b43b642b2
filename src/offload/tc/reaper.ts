/** Run as a process: takes away the filters of a proxy that is gone. It is told of them by its input, line by line. */
import { createInterface } from 'node:readline';
import { type Filter, removeFilter } from './attach.ts';
import { loadNative } from './libbpf.ts';

// Signals that the proxy takes for other things, sent to all that have its name, must not end this one before its time.
for (const signal of ['SIGHUP', 'SIGUSR1'] as const) process.on(signal, () => {});

const filters = new Set<string>();

createInterface({ input: process.stdin })
  .on('line', (line) => {
    if (line.startsWith('+')) filters.add(line.slice(1));
    else filters.delete(line.slice(1));
  })
  .on('close', () => {
    for (const filter of filters) removeFilter(loadNative(), JSON.parse(filter) as Filter);
  });
