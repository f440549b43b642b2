/** Deleted entries, beyond as many as are left, after which the Map is made anew. */
const SLACK = 16;

/**
 * A Map whose entries come and go all the time. V8 gives such a Map one table after the other, and links each to the
 * next: once one of them is old, all later ones, and what was in them, survive the collections of the young generation
 * until the whole heap is collected. A Map that is made anew before that has no such past. `values` and `keys` that are
 * still being walked then go on with what was there.
 */
export class CompactingMap<K, V> {
  #map = new Map<K, V>();
  #deleted = 0;

  get size(): number {
    return this.#map.size;
  }

  get(key: K): V | undefined {
    return this.#map.get(key);
  }

  has(key: K): boolean {
    return this.#map.has(key);
  }

  set(key: K, value: V): void {
    this.#map.set(key, value);
  }

  delete(key: K): boolean {
    const known = this.#map.delete(key);
    if (known && ++this.#deleted > this.#map.size + SLACK) {
      this.#map = new Map(this.#map);
      this.#deleted = 0;
    }
    return known;
  }

  keys(): MapIterator<K> {
    return this.#map.keys();
  }

  values(): MapIterator<V> {
    return this.#map.values();
  }
}

/** The same for a Set. */
export class CompactingSet<T> {
  readonly #map = new CompactingMap<T, true>();

  get size(): number {
    return this.#map.size;
  }

  add(value: T): void {
    this.#map.set(value, true);
  }

  delete(value: T): boolean {
    return this.#map.delete(value);
  }

  [Symbol.iterator](): MapIterator<T> {
    return this.#map.keys();
  }
}
