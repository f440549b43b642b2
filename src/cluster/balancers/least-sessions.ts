import { BalancerBase, type Candidate, type Slot, slotOf } from './balancer.ts';

interface LoadSlot<E extends Candidate> extends Slot<E> {
  /** When it was last picked, counted in picks; 0 for never. */
  turn: number;
}

/**
 * The smallest (load + 1) / weight, where the load counts those that are connecting too. The session to come is counted,
 * else all idle endpoints would look alike whatever their weights. Of equals, the one whose last pick is longest ago.
 */
export class LeastSessions<E extends Candidate> extends BalancerBase<E, LoadSlot<E>> {
  #turn = 0;

  protected override prepare(endpoints: readonly E[], before: ReadonlyMap<E, LoadSlot<E>>): LoadSlot<E>[] {
    return endpoints.map((endpoint) => ({ ...slotOf(endpoint), turn: before.get(endpoint)?.turn ?? 0 }));
  }

  protected override choose(slots: readonly LoadSlot<E>[]): LoadSlot<E> | undefined {
    let best: LoadSlot<E> | undefined;
    let bestLoad = Infinity;
    for (const slot of slots) {
      const load = (slot.endpoint.load + 1) / slot.weight;
      if (best === undefined || load < bestLoad || (load === bestLoad && slot.turn < best.turn)) {
        best = slot;
        bestLoad = load;
      }
    }
    if (best !== undefined) best.turn = ++this.#turn;
    return best;
  }
}
