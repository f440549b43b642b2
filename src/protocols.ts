/** The built-in protocols and transforms: a new one is a folder and a line here. */
import type { Protocol } from './core/protocol.ts';
import { tcp } from './protocols/tcp/index.ts';
import { udp } from './protocols/udp/index.ts';
import { unix } from './protocols/unix/index.ts';

export const PROTOCOLS: readonly Protocol[] = [udp, tcp, unix];
