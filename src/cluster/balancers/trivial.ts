import { BalancerBase, type Candidate, type Slot, slotOf } from './balancer.ts';

/** The first endpoint; the others are its spares, in order. */
export class Trivial<E extends Candidate> extends BalancerBase<E> {
  protected override prepare(endpoints: readonly E[]): Slot<E>[] {
    return endpoints.map(slotOf);
  }

  protected override choose(slots: readonly Slot<E>[]): Slot<E> | undefined {
    return slots[0];
  }
}
