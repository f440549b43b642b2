/** Who takes part, in the order of the tables' columns. A new contender is a file and a line here. */
import type { Contender } from '../harness/types.ts';
import { bare } from './bare.ts';
import { direct } from './direct.ts';
import { envoy } from './envoy.ts';
import { haproxy, haproxySplice } from './haproxy.ts';
import { beside, l7mp } from './l7mp.ts';
import { nginx } from './nginx.ts';
import { socat } from './socat.ts';

export const CONTENDERS: readonly Contender[] = [direct, socat, nginx, haproxy, haproxySplice, envoy, bare, ...l7mp];

/** And the l7mp of another checkout, if there is one. */
export function contenders(other: string | undefined): readonly Contender[] {
  return other === undefined ? CONTENDERS : [...CONTENDERS, ...beside(other)];
}
