/** The name if it is free, else with `_1`, `_2`, … appended. */
export function uniqueName(name: string, taken: (name: string) => boolean): string {
  if (!taken(name)) return name;
  for (let n = 1; ; n++) {
    const candidate = `${name}_${n}`;
    if (!taken(candidate)) return candidate;
  }
}
