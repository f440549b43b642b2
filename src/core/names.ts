/**
 * The name if it is free, else with `_1`, `_2`, … appended: the first that is free, as long as no earlier one was given
 * back. In few steps, since ten thousand rules may have been put in front of one rulelist.
 */
export function freeName(name: string, taken: (name: string) => boolean): string {
  const isTaken = (n: number): boolean => taken(n === 0 ? name : `${name}_${n}`);
  let last = -1;
  let free = 0;
  while (isTaken(free)) {
    last = free;
    free = Math.max(1, 2 * free);
  }
  while (free - last > 1) {
    const middle = Math.floor((last + free) / 2);
    if (isTaken(middle)) last = middle;
    else free = middle;
  }
  return free === 0 ? name : `${name}_${free}`;
}
