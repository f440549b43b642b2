/** Sessions of TLS with endpoints, by which later connections shorten their handshakes. */

/** Milliseconds for which one is offered: who an endpoint is has been verified so long ago at most. */
export const MAX_AGE = 60 * 60 * 1000;

/** Sessions with one endpoint that may be used once: as many connections at the same time resume. */
export const PER_ENDPOINT = 32;

/** Sessions altogether. Each has a ticket and the certificate of its endpoint: some kilobytes. */
export const MOST = 1024;

interface Kept<T> {
  readonly session: T;
  /** It is another one for each connection, or else nobody on the way may know that they are the same client's. */
  readonly once: boolean;
  readonly since: number;
}

/**
 * Those that were made with one set of certificates, keys and rules of whom to trust, by endpoint. Once any of these is
 * another one, there is to be another cache: who resumes is not verified again.
 */
export class SessionCache<T> {
  readonly #free: (session: T) => void;
  readonly #now: () => number;
  /** The endpoint from which a session has come last is the last one. */
  readonly #endpoints = new Map<string, Kept<T>[]>();
  #size = 0;
  #closed = false;

  /** `free`: what becomes of a session that is not kept any more. `now`: milliseconds. */
  constructor(free: (session: T) => void = () => {}, now: () => number = () => performance.now()) {
    this.#free = free;
    this.#now = now;
  }

  get size(): number {
    return this.#size;
  }

  /** Hands the latest session over to `use`, for this call. */
  offer(endpoint: string, use: (session: T) => void): void {
    const kept = this.#endpoints.get(endpoint);
    const latest = kept?.at(-1);
    if (!kept || !latest) return;
    if (latest.since + MAX_AGE < this.#now()) {
      this.forget(endpoint);
      return;
    }
    use(latest.session);
    if (latest.once) this.#discard(endpoint, kept, kept.pop());
  }

  /** Takes a session over. One that may be used again takes the place of those before. */
  keep(endpoint: string, session: T, once: boolean): void {
    if (this.#closed) {
      this.#free(session);
      return;
    }
    if (!once) this.forget(endpoint);
    const kept = this.#endpoints.get(endpoint) ?? [];
    this.#endpoints.delete(endpoint);
    this.#endpoints.set(endpoint, kept);
    kept.push({ session, once, since: this.#now() });
    this.#size++;
    if (kept.length > PER_ENDPOINT) this.#discard(endpoint, kept, kept.shift());
    else if (this.#size > MOST) this.#discardOldest();
  }

  /** Of an endpoint whose handshakes fail. */
  forget(endpoint: string): void {
    for (const { session } of this.#endpoints.get(endpoint) ?? []) {
      this.#size--;
      this.#free(session);
    }
    this.#endpoints.delete(endpoint);
  }

  /** Forgets all; what comes later is freed at once. */
  close(): void {
    this.#closed = true;
    for (const endpoint of [...this.#endpoints.keys()]) this.forget(endpoint);
  }

  #discardOldest(): void {
    for (const [endpoint, kept] of this.#endpoints) {
      this.#discard(endpoint, kept, kept.shift());
      return;
    }
  }

  #discard(endpoint: string, kept: Kept<T>[], one: Kept<T> | undefined): void {
    if (!one) return;
    this.#size--;
    this.#free(one.session);
    if (kept.length === 0) this.#endpoints.delete(endpoint);
  }
}
