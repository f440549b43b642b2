/** What is to be reached: the ratios that the project has set itself, beside what was measured. */
import { bestOf, medianOf, ratioOf } from './statistics.ts';
import type { RowResult } from './types.ts';

export interface Goal {
  readonly rows: RegExp;
  readonly metric: string;
  readonly contender: string;
  /** Another contender's name, `best peer`, or nothing: the value itself. */
  readonly to?: string;
  readonly limit: readonly ['≥' | '≤', number];
}

const [NODE, NATIVE, KERNEL] = ['l7mp (node)', 'l7mp (native)', 'l7mp (kernel)'] as const;
const [ONE_WORKER, TWO_WORKERS] = ['l7mp (1 worker)', 'l7mp (2 workers)'] as const;
const PEER = 'best peer';

export const GOALS: readonly Goal[] = [
  { rows: /^udp-\d/, metric: 'rate', contender: NODE, to: 'bare node', limit: ['≥', 0.9] },
  { rows: /^tcp-(bulk|pingpong)/, metric: 'rate', contender: NODE, to: 'bare node', limit: ['≥', 0.9] },
  { rows: /^tcp-connections$/, metric: 'rate', contender: NODE, to: 'nginx', limit: ['≥', 4 / 14] },
  { rows: /^memory-tcp$/, metric: 'resident', contender: NODE, limit: ['≤', 20] },
  { rows: /^memory-udp$/, metric: 'resident', contender: NODE, limit: ['≤', 6] },

  { rows: /^udp-1x1$/, metric: 'rate', contender: NATIVE, to: PEER, limit: ['≥', 1] },
  { rows: /^udp-(1x32|16x8)$/, metric: 'rate', contender: NATIVE, to: PEER, limit: ['≥', 1.5] },
  { rows: /^udp-(1x32-single|16x8-single|1000x1)$/, metric: 'rate', contender: NATIVE, to: PEER, limit: ['≥', 1.2] },
  { rows: /^tcp-bulk-1$/, metric: 'rate', contender: NATIVE, to: PEER, limit: ['≥', 1] },
  { rows: /^tcp-bulk-10$/, metric: 'rate', contender: NATIVE, to: PEER, limit: ['≥', 1.1] },
  { rows: /^tcp-pingpong/, metric: 'rate', contender: NATIVE, to: PEER, limit: ['≥', 1] },
  { rows: /^tcp-connections$/, metric: 'rate', contender: NATIVE, to: 'nginx', limit: ['≥', 0.95] },
  { rows: /^udp-1x1$|^tcp-(bulk|pingpong)/, metric: 'cpu', contender: NATIVE, to: PEER, limit: ['≤', 1] },
  { rows: /^tcp-connections$/, metric: 'cpu', contender: NATIVE, to: 'nginx', limit: ['≤', 1.1] },
  { rows: /^udp-(1x32|16x8)$/, metric: 'cpu', contender: NATIVE, to: PEER, limit: ['≤', 0.7] },
  { rows: /^udp-(1x32-single|16x8-single|1000x1)$/, metric: 'cpu', contender: NATIVE, to: PEER, limit: ['≤', 0.85] },
  { rows: /^tcp-tls-tcp-bulk/, metric: 'rate', contender: NATIVE, to: 'nginx', limit: ['≥', 0.9] },
  { rows: /^tcp-tls-tcp-(connections|resumed)$/, metric: 'rate', contender: NATIVE, to: 'nginx', limit: ['≥', 0.8] },
  { rows: /^http-proxied-64$/, metric: 'rate', contender: NATIVE, to: 'envoy', limit: ['≥', 0.5] },
  { rows: /^udp-websocket/, metric: 'rate', contender: NATIVE, to: NODE, limit: ['≥', 2.5] },
  { rows: /^workers-javascript$/, metric: 'rate', contender: TWO_WORKERS, to: ONE_WORKER, limit: ['≥', 1.7] },
  { rows: /^memory-tcp$/, metric: 'resident', contender: NATIVE, limit: ['≤', 8] },
  { rows: /^memory-udp$/, metric: 'resident', contender: NATIVE, limit: ['≤', 2] },
  { rows: /^latency$/, metric: 'slowdown', contender: NATIVE, limit: ['≤', 1.5] },

  { rows: /^udp-\d/, metric: 'rate', contender: KERNEL, to: 'direct', limit: ['≥', 0.93] },
  { rows: /^udp-namespaces/, metric: 'rate', contender: KERNEL, to: 'direct', limit: ['≥', 0.85] },
];

export interface Reached {
  readonly title: string;
  readonly contender: string;
  /** The contender compared with, by its name. */
  readonly to?: string;
  readonly value: number;
  readonly goal: string;
  readonly met: boolean;
}

/** The goals of a row for which there are figures. */
export function reached(result: RowResult, peers: readonly string[]): Reached[] {
  return GOALS.filter(({ rows }) => rows.test(result.row)).flatMap((goal) => compare(goal, result, peers) ?? []);
}

function compare(goal: Goal, result: RowResult, peers: readonly string[]): Reached | undefined {
  const { metric, contender, limit } = goal;
  const [sign, bound] = limit;
  const to = goal.to === PEER ? bestOf(result, peers, metric) : goal.to;
  const value = goal.to ? ratioOf(result, contender, to, metric) : medianOf(result, contender, metric);
  if (value === undefined) return undefined;
  const { title = metric } = result.metrics.find(({ id }) => id === metric) ?? {};
  return {
    title: metric === 'cpu' ? `CPU time: ${title}` : title,
    contender,
    ...(to !== undefined && { to }),
    value,
    goal: `${sign} ${Number(bound.toFixed(2))}`,
    met: sign === '≥' ? value >= bound : value <= bound,
  };
}
