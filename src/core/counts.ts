/** Counts by label. */
export type Counts<K extends string = string> = Map<K, number>;

export function addTo<K>(counts: Map<K, number>, label: K, n = 1): void {
  counts.set(label, (counts.get(label) ?? 0) + n);
}

export function addAll<K extends string>(counts: Counts<K>, more: ReadonlyMap<K, number> | undefined): void {
  if (more) for (const [label, n] of more) addTo(counts, label, n);
}

/** Both together; where one is not there, the other itself. */
export function mergeCounts<K extends string>(
  a: ReadonlyMap<K, number> | undefined,
  b: ReadonlyMap<K, number> | undefined,
): ReadonlyMap<K, number> | undefined {
  if (!a || !b) return a ?? b;
  const both = new Map(a);
  addAll(both, b);
  return both;
}

/** Of those that are given. */
export function smallest(values: readonly (number | undefined)[]): number | undefined {
  const given = values.filter((value) => value !== undefined);
  return given.length > 0 ? Math.min(...given) : undefined;
}
