import type { Listener } from '../listener/listener.ts';

/** What draining does to a data plane. */
export interface DrainingHost {
  listeners(): Iterable<Listener>;
  /** Such a listener stays open: the API and the metrics are reached through it. */
  leadsToManagement(listener: Listener): boolean;
  /** Rejects with E_BIND. */
  listen(listener: Listener): Promise<void>;
  /** Gives up its address. Does not reject. */
  release(listener: Listener): Promise<void>;
  /** Refuses what comes to listeners that stay open, but goes elsewhere than to the API and the metrics. */
  refuse(on: boolean): void;
  /** Ends the sessions that are left, in order. */
  end(): void;
}

/** A data plane that takes nothing new, so that it can be ended, or mended, when those who use it are done. */
export class Draining {
  readonly #host: DrainingHost;
  #on = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(host: DrainingHost) {
    this.#host = host;
  }

  /** Whether a listener does not listen now: also one that is made meanwhile, until it is taken back. */
  holds(listener: Listener): boolean {
    return this.#on && !this.#host.leadsToManagement(listener);
  }

  /** `timeout`: milliseconds until what is left is ended. Called again, it counts anew. */
  async begin(timeout: number): Promise<void> {
    this.#on = true;
    this.#host.refuse(true);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#host.end(), timeout);
    await this.#release([...this.#host.listeners()].filter((listener) => this.holds(listener)));
  }

  /** Listens again. Rejects with E_BIND, and goes on draining, where an address cannot be had again. */
  async takeBack(): Promise<void> {
    if (!this.#on) return;
    const opened: Listener[] = [];
    for (const listener of this.#host.listeners()) {
      if (listener.listening) continue;
      try {
        await this.#host.listen(listener);
        opened.push(listener);
      } catch (error) {
        await this.#release(opened);
        throw error;
      }
    }
    this.#on = false;
    this.#host.refuse(false);
    this.close();
  }

  /** Nothing is ended any more when the time is over. */
  close(): void {
    clearTimeout(this.#timer);
  }

  async #release(listeners: readonly Listener[]): Promise<void> {
    await Promise.all(listeners.map((listener) => this.#host.release(listener)));
  }
}
