import { CompactingMap } from './compacting.ts';

/** Of those that there are: what a source has more is its own to lose. */
const SHARE = 1 / 8;

/** Those that are looked at for one: each newcomer of a flood costs as much. */
const LOOKS = 1024;

/** What sources hold, the oldest first; and which of it gives way to something new. */
export class Shares<T> {
  readonly #items = new CompactingMap<T, string | undefined>();
  readonly #counts = new CompactingMap<string | undefined, number>();

  get size(): number {
    return this.#items.size;
  }

  [Symbol.iterator](): IterableIterator<T> {
    return this.#items.keys();
  }

  add(item: T, source: string | undefined): void {
    this.#items.set(item, source);
    this.#counts.set(source, (this.#counts.get(source) ?? 0) + 1);
  }

  /** Returns whose it was. */
  delete(item: T): string | undefined {
    const source = this.#items.get(item);
    if (!this.#items.delete(item)) return undefined;
    const left = (this.#counts.get(source) as number) - 1;
    if (left > 0) this.#counts.set(source, left);
    else this.#counts.delete(source);
    return source;
  }

  /**
   * The one that gives way to a new one of the source: the oldest of its own, if it has more than its share, else that of
   * another one that has, else the oldest of all. Among those that `may`.
   */
  victim(source: string | undefined, may: (item: T) => boolean = () => true): T | undefined {
    const share = this.#items.size * SHARE;
    const own = (this.#counts.get(source) ?? 0) > share;
    let oldest: T | undefined;
    let looks = 0;
    for (const item of this.#items.keys()) {
      if (looks++ === LOOKS) break;
      if (!may(item)) continue;
      oldest ??= item;
      const other = this.#items.get(item);
      if (own ? other === source : (this.#counts.get(other) as number) > share) return item;
    }
    return oldest;
  }
}
