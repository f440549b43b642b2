import { HALF, slotOf } from './wire.ts';

/** What both threads know by an id. */
export interface Known {
  readonly id: number;
}

/** Things by their id, whose slot is the index. An id of an earlier generation finds nothing. */
export class Registry<T extends Known> {
  /** Those of the lower and of the upper half of the slots: V8 would make a hash table of one array with a gap. */
  readonly #halves: readonly [(T | undefined)[], (T | undefined)[]] = [[], []];
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get(id: number): T | undefined {
    const slot = slotOf(id);
    const item = slot < HALF ? this.#halves[0][slot] : this.#halves[1][slot - HALF];
    return item?.id === id ? item : undefined;
  }

  set(item: T): void {
    this.#put(item.id, item);
    this.#size++;
  }

  delete(id: number): void {
    if (!this.get(id)) return;
    this.#put(id, undefined);
    this.#size--;
  }

  all(): T[] {
    return this.#halves.flat().filter((item) => item !== undefined);
  }

  #put(id: number, item: T | undefined): void {
    const slot = slotOf(id);
    if (slot < HALF) this.#halves[0][slot] = item;
    else this.#halves[1][slot - HALF] = item;
  }
}
