/** Words longer than this are looked at no further: what is looked for may come from anybody. */
const LONGEST = 64;

/**
 * The word that was probably meant: the nearest one, where a third of it at most is wrong. Letters' case counts for
 * nothing. Undefined where none is near.
 */
export function nearest(word: string, words: Iterable<string>): string | undefined {
  if (word.length > LONGEST) return undefined;
  let best: string | undefined;
  let least = Number.POSITIVE_INFINITY;
  for (const candidate of words) {
    if (candidate.length > LONGEST) continue;
    const distance = editDistance(word.toLowerCase(), candidate.toLowerCase());
    const allowed = Math.max(1, Math.floor(Math.max(word.length, candidate.length) / 3));
    // Of short words nearly everything is near.
    if (distance >= least || distance > allowed || distance >= Math.min(word.length, candidate.length)) continue;
    best = candidate;
    least = distance;
  }
  return best;
}

/**
 * How many letters have to be put in, taken out, changed, or changed over with the next one (Damerau 1964; each letter
 * is changed over once at most).
 */
function editDistance(a: string, b: string): number {
  let older: number[] = [];
  let above = Array.from({ length: b.length + 1 }, (_, n) => n);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const cost = a[i - 1] === b[j - 1] ? 0 : 1;
      let least = Math.min(at(above, j) + 1, at(row, j - 1) + 1, at(above, j - 1) + cost);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        least = Math.min(least, at(older, j - 2) + 1);
      row.push(least);
    }
    older = above;
    above = row;
  }
  return at(above, b.length);
}

function at(row: readonly number[], n: number): number {
  return row[n] as number;
}
