import { join } from 'node:path';
import type { Command, Contender, Place } from '../harness/types.ts';

const SCRIPTS = join(import.meta.dirname, '..', 'bare');

function run(script: string, { listen, upstream }: Place): Command[] {
  return [{ file: process.execPath, args: [join(SCRIPTS, script), String(listen), String(upstream)] }];
}

/** The least that Node's own sockets cost: the measure for l7mp's portable engine. */
export const bare: Contender = {
  name: 'bare node',
  group: 'bare',
  version: async () => process.version,
  carries: { udp: (place) => run('udp.js', place), tcp: (place) => run('tcp.js', place) },
};
