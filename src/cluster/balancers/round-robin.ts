import { BalancerBase, type Candidate, type Slot, slotOf } from './balancer.ts';

interface TurnSlot<E extends Candidate> extends Slot<E> {
  /** nginx's current_weight: what the endpoint is owed, in units of weight. */
  owed: number;
}

/**
 * Smooth weighted round-robin, as nginx has had it since 1.3.1 (ngx_http_upstream_get_peer): 5:1:1 gives a a b a c a a
 * rather than five times a in a row. Slots that are left out because they failed neither gain nor pay.
 */
export class RoundRobin<E extends Candidate> extends BalancerBase<E, TurnSlot<E>> {
  /**
   * What is owed stays with the endpoint object, so the others keep their turns. It is cut to one round of the new
   * weights: what was run up in a cluster with a weight of 1000, by the heavy one or against it, would starve some
   * endpoint for hundreds of sessions once that weight is gone.
   */
  protected override prepare(endpoints: readonly E[], before: ReadonlyMap<E, TurnSlot<E>>): TurnSlot<E>[] {
    const round = endpoints.reduce((sum, endpoint) => sum + endpoint.weight, 0);
    return endpoints.map((endpoint) => {
      const owed = before.get(endpoint)?.owed ?? 0;
      return { ...slotOf(endpoint), owed: Math.max(-round, Math.min(round, owed)) };
    });
  }

  protected override choose(slots: readonly TurnSlot<E>[]): TurnSlot<E> | undefined {
    let total = 0;
    let best: TurnSlot<E> | undefined;
    for (const slot of slots) {
      total += slot.weight;
      slot.owed += slot.weight;
      if (best === undefined || slot.owed > best.owed) best = slot;
    }
    if (best !== undefined) best.owed -= total;
    return best;
  }
}
