/** Draining of the whole proxy: since when and until when, and how many sessions are left. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { AdminView } from './api/answers.ts';
import type { DataPlane } from './data-plane/contract.ts';

/** Milliseconds that it takes at most, where nobody says. */
export const DRAIN_TIME = 5000;

/** Milliseconds between two looks at how many sessions are left. */
const LOOKS = 20;

export class Drain {
  readonly #plane: () => DataPlane;
  #times: { readonly since: Date; readonly until: Date } | undefined;

  constructor(plane: () => DataPlane) {
    this.#plane = plane;
  }

  get on(): boolean {
    return this.#times !== undefined;
  }

  /** `timeout`: milliseconds after which what is left is ended. Called again, they count anew. */
  async begin(timeout: number): Promise<void> {
    await this.#plane().drain(timeout);
    const now = Date.now();
    this.#times = { since: this.#times?.since ?? new Date(now), until: new Date(now + timeout) };
  }

  /** Rejects with E_BIND, and drains on, where an address cannot be had again. */
  async takeBack(): Promise<void> {
    if (!this.#times) return;
    await this.#plane().drain(undefined);
    this.#times = undefined;
  }

  /** As the REST API shows it; `sessions`: how many are left. */
  view(sessions: number): AdminView['draining'] {
    if (!this.#times) return null;
    const { since, until } = this.#times;
    return { since: since.toISOString(), until: until.toISOString(), sessions };
  }

  /** Resolves when no session is left, or the time is over; rejects where the signal is aborted. */
  async over(signal: AbortSignal): Promise<void> {
    while (this.#times && Date.now() < this.#times.until.getTime()) {
      if ((await this.#plane().status()).sessions === 0) return;
      await sleep(LOOKS, undefined, { signal });
    }
  }
}
