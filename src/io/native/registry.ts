import { slotOf } from './wire.ts';

/** What both threads know by an id. */
export interface Known {
  readonly id: number;
}

/** Things by their id, whose slot is the index. An id of an earlier generation finds nothing. */
export class Registry<T extends Known> {
  readonly #items: (T | undefined)[] = [];
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get(id: number): T | undefined {
    const item = this.#items[slotOf(id)];
    return item?.id === id ? item : undefined;
  }

  set(item: T): void {
    this.#items[slotOf(item.id)] = item;
    this.#size++;
  }

  delete(id: number): void {
    if (!this.get(id)) return;
    this.#items[slotOf(id)] = undefined;
    this.#size--;
  }

  all(): T[] {
    return this.#items.filter((item) => item !== undefined);
  }
}
