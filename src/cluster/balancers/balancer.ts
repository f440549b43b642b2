/** What a balancer needs to know of an endpoint. */
export interface Candidate {
  readonly address: string;
  readonly port?: number | undefined;
  /** Weight 0 takes no new sessions. */
  readonly weight: number;
  /** Sessions that it has or is getting, read at each pick by the policies that care. */
  readonly load: number;
}

/** Chooses the endpoint of a new session. It never owns an endpoint: it neither connects nor counts. */
export interface Balancer<E extends Candidate> {
  /** To be called when an endpoint is added, removed or re-weighted, not for each session. */
  update(endpoints: readonly E[]): void;

  /**
   * The endpoint for a new session or attempt, or undefined if there is none. `key` is the value that sticky policies
   * hash, undefined where there is none. `tried` are the endpoints that failed in this round of attempts, `ejected`
   * those that others could not reach lately: both are avoided while others are left, then those tried only, then none.
   */
  pick(key: string | undefined, tried: ReadonlySet<E>, ejected: ReadonlySet<E>): E | undefined;
}

/** An endpoint with the weight it had at the last update; policies add what they remember of it. */
export interface Slot<E extends Candidate> {
  readonly endpoint: E;
  readonly weight: number;
}

export function slotOf<E extends Candidate>(endpoint: E): Slot<E> {
  return { endpoint, weight: endpoint.weight };
}

/**
 * What all policies have in common: who takes new sessions, and who is avoided. A policy gets the slots that are left
 * and looks at nothing else, so an endpoint that failed is to it the same as one that is not there.
 */
export abstract class BalancerBase<E extends Candidate, S extends Slot<E> = Slot<E>> implements Balancer<E> {
  #known: ReadonlyMap<E, S> = new Map();
  #live: readonly S[] = [];

  update(endpoints: readonly E[]): void {
    const slots = this.prepare(endpoints, this.#known);
    this.#known = new Map(slots.map((slot) => [slot.endpoint, slot]));
    this.#live = slots.filter((slot) => slot.weight > 0);
  }

  pick(key: string | undefined, tried: ReadonlySet<E>, ejected: ReadonlySet<E>): E | undefined {
    return this.choose(this.#usable(tried, ejected), key)?.endpoint;
  }

  #usable(tried: ReadonlySet<E>, ejected: ReadonlySet<E>): readonly S[] {
    const fresh = without(this.#live, tried);
    return without(fresh, ejected);
  }

  /** A slot for each endpoint in the same order, those of weight 0 included; `before` is what the last call made. */
  protected abstract prepare(endpoints: readonly E[], before: ReadonlyMap<E, S>): S[];

  /** One of the slots, all of which have a weight above 0; undefined only if there are none. */
  protected abstract choose(slots: readonly S[], key: string | undefined): S | undefined;
}

/** Those that are left without some; all of them where none would be. */
function without<E extends Candidate, S extends Slot<E>>(slots: readonly S[], some: ReadonlySet<E>): readonly S[] {
  if (some.size === 0) return slots;
  const left = slots.filter(({ endpoint }) => !some.has(endpoint));
  return left.length > 0 ? left : slots;
}
