import { freeName } from '../core/names.ts';
import { TurnoverMap } from '../core/turnover.ts';
import type { Session } from './session.ts';

/** Ended sessions that are tracked at the same time; the oldest ones go first. */
export const MAX_TRACKED = 10_000;

/** The sessions that the API shows: the live ones, and ended ones for as long as their listener tracks them. */
export class SessionTable {
  readonly #sessions = new TurnoverMap<string, Session>();
  readonly #tracked = new Map<Session, NodeJS.Timeout>();
  #live = 0;
  #made = 0;

  /** Live sessions. */
  get live(): number {
    return this.#live;
  }

  get(name: string): Session | undefined {
    return this.#sessions.get(name);
  }

  all(): IterableIterator<Session> {
    return this.#sessions.values();
  }

  nameFor(name: string): string {
    return freeName(name, (taken) => this.#sessions.has(taken));
  }

  add(session: Session): void {
    session.id = ++this.#made;
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
    this.#sessions.delete(session.name);
  }
}
