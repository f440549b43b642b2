import { BalancerBase, type Candidate, type Slot, slotOf } from './balancer.ts';
import { hashText, mix } from './hash.ts';
import { drawWeighted } from './random.ts';

/** Arbitrary, but part of the mapping: another value sends nearly every key elsewhere. */
const HIGH_SEED = 0x6c376d70;
const LOW_SEED = 0x70726f78;

interface HashedSlot<E extends Candidate> extends Slot<E> {
  readonly high: number;
  readonly low: number;
}

/**
 * Weighted rendezvous hashing (Thaler and Ravishankar 1998; weights as Schindelhauer and Schomaker 2005): key and
 * endpoint together give a number u in (0, 1], as good as drawn at random, and the smallest -ln(u) / weight wins. Those
 * are exponentially distributed with the weight as rate, so each endpoint wins in exact proportion to its weight.
 *
 * Not a ring, although it answers to that name too: a ring of p points an endpoint is off by about 1/√p, rounds
 * weights to whole points, and is rebuilt at each change. Here a change to one endpoint changes only its own number:
 * keys move to it or away from it, never between the others, and the loss of an endpoint is spread over all the rest.
 * The price is O(n) a pick, without allocation, paid once a session.
 */
export class ConsistentHash<E extends Candidate> extends BalancerBase<E, HashedSlot<E>> {
  readonly #random: () => number;

  constructor(random: () => number) {
    super();
    this.#random = random;
  }

  /**
   * An endpoint is its address (and the port, where it has its own), so that it gets its keys back when it comes back. Equal addresses are told apart by
   * their ordinal; those of weight 0 count, so that draining one leaves the keys of its twin alone.
   */
  protected override prepare(endpoints: readonly E[]): HashedSlot<E>[] {
    const seen = new Map<string, number>();
    return endpoints.map((endpoint) => {
      const { address, port } = endpoint;
      const where = port === undefined ? address : `${address}:${port}`;
      const ordinal = seen.get(where) ?? 0;
      seen.set(where, ordinal + 1);
      const name = `${where}#${ordinal}`;
      return { ...slotOf(endpoint), high: hashText(name, HIGH_SEED), low: hashText(name, LOW_SEED) };
    });
  }

  protected override choose(slots: readonly HashedSlot<E>[], key: string | undefined): HashedSlot<E> | undefined {
    if (key === undefined) return drawWeighted(slots, this.#random);
    const high = hashText(key, HIGH_SEED);
    const low = hashText(key, LOW_SEED);
    let best: HashedSlot<E> | undefined;
    let bestScore = Infinity;
    for (const slot of slots) {
      const score = -Math.log(unit(slot.high ^ high, slot.low ^ low)) / slot.weight;
      // That the order decides between equal scores does not matter: it takes 53 equal bits.
      if (best === undefined || score < bestScore) {
        best = slot;
        bestScore = score;
      }
    }
    return best;
  }
}

/**
 * A double in (0, 1] with all of its 53 bits drawn from two hashes. Two halves, because 32 bits would let two
 * of a thousand addresses collide once in some ten thousand clusters, and one of them would then get no keys at all.
 */
function unit(high: number, low: number): number {
  return ((mix(high) >>> 0) * 2 ** 21 + (mix(low) >>> 11) + 1) / 2 ** 53;
}
