const NONE: ReadonlySet<string> = new Set();

/** Which names have to do with which others; asked from both sides. */
export class Relation {
  readonly #to = new Map<string, ReadonlySet<string>>();
  readonly #from = new Map<string, Set<string>>();

  /** In place of what `from` had. */
  replace(from: string, to: Iterable<string>): void {
    const next = new Set(to);
    for (const old of this.to(from)) if (!next.has(old)) this.#drop(old, from);
    for (const one of next) {
      const sources = this.#from.get(one);
      if (sources) sources.add(from);
      else this.#from.set(one, new Set([from]));
    }
    if (next.size > 0) this.#to.set(from, next);
    else this.#to.delete(from);
  }

  remove(from: string): void {
    this.replace(from, NONE);
  }

  to(from: string): ReadonlySet<string> {
    return this.#to.get(from) ?? NONE;
  }

  /** Live: it changes with the relation. */
  from(to: string): ReadonlySet<string> {
    return this.#from.get(to) ?? NONE;
  }

  #drop(to: string, from: string): void {
    const sources = this.#from.get(to);
    sources?.delete(from);
    if (sources?.size === 0) this.#from.delete(to);
  }
}
