import { CompactingMap } from '../core/compacting.ts';
import { freeName } from '../core/names.ts';
import type { SharedCounts } from '../counts/shared-counts.ts';
import type { Session } from './session.ts';

/** Ended sessions that are tracked at the same time; the oldest ones go first. */
export const MAX_TRACKED = 10_000;

/** Names that are tried where other data planes take the same ones at the same time. */
const TRIES = 8;

/** The sessions that the API shows: the live ones, and ended ones for as long as their listener tracks them. */
export class SessionTable {
  readonly #sessions = new CompactingMap<string, Session>();
  readonly #tracked = new Map<Session, NodeJS.Timeout>();
  readonly #counts: SharedCounts;
  #live = 0;

  constructor(counts: SharedCounts) {
    this.#counts = counts;
  }

  /** Live sessions, of this data plane. */
  get live(): number {
    return this.#live;
  }

  get(name: string): Session | undefined {
    return this.#sessions.get(name);
  }

  all(): IterableIterator<Session> {
    return this.#sessions.values();
  }

  /**
   * The name, or one made of it that no session of the whole proxy has: to be added, or given back. Undefined where no
   * more can be known of, which are many more than there may be sessions.
   */
  claim(name: string): string | undefined {
    const counts = this.#counts;
    if (!counts.shared) return freeName(name, (other) => this.#sessions.has(other));
    let free = name;
    for (let tries = 0; tries < TRIES; tries++) {
      if (counts.take(keyOf(free), 1) !== 0) return free;
      free = freeName(name, (other) => counts.taken(keyOf(other)) > 0);
    }
    return undefined;
  }

  /** Gives back a name that was claimed. */
  unclaim(name: string): void {
    if (this.#counts.shared) this.#counts.drop(keyOf(name));
  }

  add(session: Session): void {
    session.id = this.#counts.nextId();
    this.#sessions.set(session.name, session);
    this.#live++;
  }

  /** `track`: seconds for which it stays visible, unless very many end meanwhile. */
  ended(session: Session, track: number): void {
    this.#live--;
    if (track === 0) {
      this.#forget(session);
      return;
    }
    this.#tracked.set(session, setTimeout(() => this.#forget(session), track * 1000).unref());
    const [oldest] = this.#tracked.keys();
    if (oldest && this.#tracked.size > MAX_TRACKED) this.#forget(oldest);
  }

  /** Forgets what is tracked, and gives the live ones. */
  clear(): Session[] {
    for (const session of this.#tracked.keys()) this.#forget(session);
    return [...this.#sessions.values()];
  }

  #forget(session: Session): void {
    clearTimeout(this.#tracked.get(session));
    this.#tracked.delete(session);
    if (this.#sessions.delete(session.name)) this.unclaim(session.name);
  }
}

function keyOf(name: string): string {
  return `session ${name}`;
}
