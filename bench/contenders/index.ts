/** Who takes part, in the order of the tables' columns. A new contender is a file and a line here. */
import type { Contender } from '../harness/types.ts';
import { bare } from './bare.ts';
import { direct } from './direct.ts';
import { envoy } from './envoy.ts';
import { haproxy, haproxySplice } from './haproxy.ts';
import { l7mp } from './l7mp.ts';
import { nginx } from './nginx.ts';
import { socat } from './socat.ts';

export const CONTENDERS: readonly Contender[] = [direct, socat, nginx, haproxy, haproxySplice, envoy, bare, ...l7mp];
