/** How far measurements differ: the rounds of a run, and runs from each other. A single figure says neither. */

import { reached } from './goals.ts';
import { valuesOf } from './statistics.ts';
import type { Contender, Result, RowResult } from './types.ts';

/** From here on, rounds differ by more than noise: the row is in one of two states, and a median says which was more frequent. */
const TWO_STATES = 1.5;

export interface Spread {
  readonly title: string;
  /** By contender: (largest − smallest) / smallest of the rounds, in percent; undefined where there are not two. */
  readonly percent: ReadonlyMap<string, number>;
}

/** Of each row's first metric. */
export function spreads({ rows }: Result, names: readonly string[]): Spread[] {
  return rows.flatMap((row) => {
    const [metric] = row.metrics.filter(({ table }) => table === 'result');
    if (!metric) return [];
    const all = names.map((name) => [name, extremes(valuesOf(row, name, metric.id))] as const);
    const percent = all.flatMap(([name, range]) => (range ? [[name, (range[1] / range[0] - 1) * 100] as const] : []));
    return [{ title: metric.title, percent: new Map(percent) }];
  });
}

/** Whether a spread is that of a contender with two states. */
export function isBistable(percent: number): boolean {
  return percent >= (TWO_STATES - 1) * 100;
}

/** The smallest and the largest of more than one value. */
function extremes(values: readonly number[]): readonly [number, number] | undefined {
  return values.length < 2 ? undefined : [Math.min(...values), Math.max(...values)];
}

export interface Range {
  readonly title: string;
  readonly of: string;
  readonly to: string;
  readonly runs: number;
  readonly lowest: number;
  readonly highest: number;
}

/** What the ratios to reach were in several runs: what is lower than the lowest holds on all these machines. */
export function ranges(results: readonly Result[], contenders: readonly Contender[]): Range[] {
  const peers = contenders.filter(({ group }) => group === 'peer').map(({ name }) => name);
  const found = new Map<string, { of: string; title: string; to: Set<string>; values: number[] }>();
  for (const row of results.flatMap(({ rows }): readonly RowResult[] => rows)) {
    for (const { title, contender, to, value } of reached(row, peers)) {
      const key = `${title} ${contender}`;
      const entry = found.get(key) ?? { of: contender, title, to: new Set<string>(), values: [] };
      found.set(key, entry);
      if (to !== undefined) entry.to.add(to);
      entry.values.push(value);
    }
  }
  return [...found.values()].map(({ title, of, to, values }) => ({
    title,
    of,
    to: [...to].join(' or '),
    runs: values.length,
    lowest: Math.min(...values),
    highest: Math.max(...values),
  }));
}
