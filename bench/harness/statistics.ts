import type { Outcome, RowResult } from './types.ts';

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}

function values({ samples }: Outcome, metric: string): number[] {
  return samples.flatMap((sample) => sample[metric] ?? []);
}

/** A metric of a contender in each round that it has it for. */
export function valuesOf(result: RowResult, contender: string, metric: string): number[] {
  const outcome = result.outcomes.find((o) => o.contender === contender);
  return outcome ? values(outcome, metric) : [];
}

/** The median of the rounds; undefined where the contender has none. */
export function medianOf(result: RowResult, contender: string, metric: string): number | undefined {
  const all = valuesOf(result, contender, metric);
  return all.length ? median(all) : undefined;
}

/** The median of the ratios of the rounds: what disturbs a whole round disturbs both sides of its ratio. */
export function ratioOf(
  result: RowResult,
  contender: string,
  to: string | undefined,
  metric: string,
): number | undefined {
  const [ours, theirs] = [contender, to].map((name) => result.outcomes.find((o) => o.contender === name));
  if (!ours || !theirs) return undefined;
  const ratios = values(ours, metric).flatMap((value, i) => {
    const other = values(theirs, metric)[i];
    return other ? value / other : [];
  });
  return ratios.length ? median(ratios) : undefined;
}

/** The contender among these with the best median. */
export function bestOf(result: RowResult, contenders: readonly string[], metric: string): string | undefined {
  const better = result.metrics.find(({ id }) => id === metric)?.better;
  const found = contenders.flatMap((name) => {
    const value = medianOf(result, name, metric);
    return value === undefined ? [] : { name, value };
  });
  found.sort((a, b) => (better === 'higher' ? b.value - a.value : a.value - b.value));
  return found[0]?.name;
}
