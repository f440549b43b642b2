/** A view of several sets that have nothing in common, and are not changed any more. It costs what the number of sets is. */
export class UnionOfSets<T> implements ReadonlySet<T> {
  readonly #sets: readonly ReadonlySet<T>[];

  constructor(sets: readonly ReadonlySet<T>[]) {
    this.#sets = sets;
  }

  get size(): number {
    return this.#sets.reduce((sum, { size }) => sum + size, 0);
  }

  has(value: T): boolean {
    return this.#sets.some((set) => set.has(value));
  }

  /** What both have among their sets is not looked into. */
  equals(other: UnionOfSets<T>): boolean {
    if (this.size !== other.size) return false;
    const [own, others] = [new Set(this.#sets), new Set(other.#sets)];
    const rest = new Set(other.#sets.flatMap((set) => (own.has(set) ? [] : [...set])));
    return this.#sets.every((set) => others.has(set) || [...set].every((value) => rest.has(value)));
  }

  *[Symbol.iterator](): SetIterator<T> {
    for (const set of this.#sets) yield* set;
  }

  values(): SetIterator<T> {
    return this[Symbol.iterator]();
  }

  keys(): SetIterator<T> {
    return this[Symbol.iterator]();
  }

  *entries(): SetIterator<[T, T]> {
    for (const value of this) yield [value, value];
  }

  forEach(callback: (value: T, key: T, set: ReadonlySet<T>) => void): void {
    for (const value of this) callback(value, value, this);
  }
}
