import { BalancerBase, type Candidate, type Slot, slotOf } from './balancer.ts';

/** One of the slots, by chance in proportion to their weights; `random` as Math.random. */
export function drawWeighted<S extends Slot<Candidate>>(slots: readonly S[], random: () => number): S | undefined {
  let total = 0;
  for (const slot of slots) total += slot.weight;
  let rest = random() * total;
  for (const slot of slots) {
    rest -= slot.weight;
    if (rest < 0) return slot;
  }
  // Reached with no slots, and where fractional weights round so that `rest` ends at 0.
  return slots.at(-1);
}

/** Each session by itself, in proportion to the weights: the one policy that many proxies can share without state. */
export class Random<E extends Candidate> extends BalancerBase<E> {
  readonly #random: () => number;

  constructor(random: () => number) {
    super();
    this.#random = random;
  }

  protected override prepare(endpoints: readonly E[]): Slot<E>[] {
    return endpoints.map(slotOf);
  }

  protected override choose(slots: readonly Slot<E>[]): Slot<E> | undefined {
    return drawWeighted(slots, this.#random);
  }
}
