import type { MessageAttributes } from './channel-contract.ts';

/** Attributes that a table has at most. Peers choose them: the one that was made first goes. */
const MOST = 256;

/** What an SCTP transport says of a message. */
export interface StreamAttributes {
  readonly stream: number;
  readonly ppid: number;
  readonly unordered: boolean;
}

/**
 * Message attributes that a transport's peers choose: of those that say the same there is one object, frozen, which all
 * messages share. A table is for one listener or cluster, and keeps the latest 256.
 *
 * @example this.deliver(bytes, this.#attributes.of({ stream, ppid, unordered }), owned);
 */
export class AttributeTable {
  readonly #known = new Map<number, MessageAttributes>();
  /** Messages come in trains. */
  #key = -1;
  #latest: MessageAttributes = {};

  of({ stream, ppid, unordered }: StreamAttributes): MessageAttributes {
    // 49 bits: an integer that a number holds exactly.
    const key = (ppid * 2 + Number(unordered)) * 65_536 + stream;
    if (key === this.#key) return this.#latest;
    let found = this.#known.get(key);
    if (!found) {
      found = Object.freeze({ stream, ppid, unordered });
      const [oldest] = this.#known.keys();
      if (oldest !== undefined && this.#known.size >= MOST) this.#known.delete(oldest);
      this.#known.set(key, found);
    }
    this.#key = key;
    this.#latest = found;
    return found;
  }
}
