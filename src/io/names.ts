/** Names of hosts, by the system's resolver (getaddrinfo(3)). */
import { type LookupAddress, promises } from 'node:dns';

/** Milliseconds after which what was known of a name will do. */
const PATIENCE = 250;

/** Milliseconds for which an address that was reached behind others that were not comes before them. */
const PREFERRED = 60_000;

/** Names of which the latest answer is kept. Configurations name them; those of removed endpoints go in time. */
const MOST = 1024;

export type Lookup = (name: string) => Promise<readonly LookupAddress[]>;

const bySystem: Lookup = (name) => promises.lookup(name, { all: true });

/**
 * Each caller has the answer of a question that is not older than the call, or of one that is still asked. There is one question for a name
 * at a time: a resolver that does not answer holds one of node's threads for many seconds, of which questions have but
 * two, and sessions to other names would wait behind those that nobody needs any more. Where the resolver fails or takes its time,
 * what it has said last of the name is taken.
 */
export class Names {
  readonly #lookup: Lookup;
  readonly #asked = new Map<string, Promise<readonly LookupAddress[]>>();
  readonly #known = new Map<string, readonly LookupAddress[]>();
  /** Since when, on the clock of performance.now(). */
  readonly #preferred = new Map<string, { readonly address: string; readonly since: number }>();

  constructor(lookup: Lookup = bySystem) {
    this.#lookup = lookup;
  }

  /** All addresses, in the system's order but for one that is preferred. Rejects with the system's error. */
  async addresses(name: string): Promise<readonly LookupAddress[]> {
    const asked = this.#asked.get(name) ?? this.#ask(name);
    const known = this.#known.get(name);
    return this.#inOrder(name, await (known ? within(PATIENCE, asked, known) : asked));
  }

  /** Those before it did not answer: for a while it is tried before them (RFC 8305 section 4, of what is known from before). */
  prefer(name: string, address: string): void {
    forgetOldest(this.#preferred);
    this.#preferred.set(name, { address, since: performance.now() });
  }

  #inOrder(name: string, found: readonly LookupAddress[]): readonly LookupAddress[] {
    const preferred = this.#preferred.get(name);
    if (!preferred) return found;
    if (performance.now() - preferred.since > PREFERRED) {
      this.#preferred.delete(name);
      return found;
    }
    const first = found.filter(({ address }) => address === preferred.address);
    return first.length === 0 ? found : [...first, ...found.filter(({ address }) => address !== preferred.address)];
  }

  async #ask(name: string): Promise<readonly LookupAddress[]> {
    const asked = this.#answer(name).finally(() => this.#asked.delete(name));
    this.#asked.set(name, asked);
    return asked;
  }

  async #answer(name: string): Promise<readonly LookupAddress[]> {
    const known = this.#known.get(name);
    try {
      const found = await this.#lookup(name);
      this.#keep(name, found);
      return found;
    } catch (error) {
      // The resolver could not be asked; else the name is not there, whatever it was before.
      if (known && (error as NodeJS.ErrnoException).code === 'EAI_AGAIN') return known;
      this.#known.delete(name);
      throw error;
    }
  }

  #keep(name: string, found: readonly LookupAddress[]): void {
    this.#known.delete(name);
    forgetOldest(this.#known);
    this.#known.set(name, found);
  }
}

/** The names of this thread's sockets. */
export const names = new Names();

function forgetOldest(map: Map<string, unknown>): void {
  const [oldest] = map.keys();
  if (oldest !== undefined && map.size >= MOST) map.delete(oldest);
}

function within<T>(time: number, answer: Promise<T>, otherwise: T): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => resolve(otherwise), time);
    answer.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}
