import type { Channel } from '../core/channel.ts';
import { sourceOf, sourceOfAddress } from '../core/source.ts';

/** What is counted: something with a client. */
export interface Sourced {
  readonly source: Channel;
}

/**
 * How many of a listener's sessions each source has. Nothing is counted, and takes no memory, while all of them
 * together are fewer than one source may have.
 */
export class SourceCounts {
  readonly #counts = new Map<string, number>();
  /** Whose each one is. */
  readonly #addresses = new Map<Sourced, string>();
  #counting = false;

  /** Whether an address may have one more. `live`: all of the listener's, which are asked for when it matters. */
  admits(address: string | undefined, most: number, count: number, live: () => Iterable<Sourced>): boolean {
    if (address === undefined) return true;
    if (count < most) {
      // Half: not to begin anew with each one that comes and goes.
      if (this.#counting && count < most / 2) this.#stop();
      return true;
    }
    if (!this.#counting) this.#start(live());
    return (this.#counts.get(sourceOfAddress(address)) ?? 0) < most;
  }

  begun(session: Sourced): void {
    if (this.#counting) this.#add(session);
  }

  ended(session: Sourced): void {
    const address = this.#addresses.get(session);
    if (address === undefined) return;
    this.#addresses.delete(session);
    const left = (this.#counts.get(address) as number) - 1;
    if (left === 0) this.#counts.delete(address);
    else this.#counts.set(address, left);
  }

  #start(live: Iterable<Sourced>): void {
    this.#counting = true;
    for (const session of live) this.#add(session);
  }

  #stop(): void {
    this.#counting = false;
    this.#counts.clear();
    this.#addresses.clear();
  }

  #add(session: Sourced): void {
    const address = sourceOf(session.source);
    if (address === undefined) return;
    this.#addresses.set(session, address);
    this.#counts.set(address, (this.#counts.get(address) ?? 0) + 1);
  }
}
