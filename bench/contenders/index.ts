/** Who takes part, in the order of the tables' columns. A new contender is a file and a line here. */
import type { Contender } from '../harness/types.ts';
import { bare } from './bare.ts';
import { direct } from './direct.ts';
import { envoy } from './envoy.ts';
import { haproxy, haproxySplice } from './haproxy.ts';
import { beside, l7mp } from './l7mp.ts';
import { nginx } from './nginx.ts';
import { socat } from './socat.ts';

const PEERS: readonly Contender[] = [direct, socat, nginx, haproxy, haproxySplice, envoy, bare];

/** All of them, with the l7mp of another checkout where there is one, and this one's with so many threads. */
export function contenders(other?: string, threads?: number): readonly Contender[] {
  return [...PEERS, ...l7mp(threads), ...(other === undefined ? [] : beside(other))];
}
