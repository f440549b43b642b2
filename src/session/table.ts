import { freeName } from '../core/names.ts';
import type { Session } from './session.ts';

/** The sessions that the API shows: the live ones, and ended ones for as long as their listener tracks them. */
export class SessionTable {
  readonly #sessions = new Map<string, Session>();
  readonly #tracked = new Map<Session, NodeJS.Timeout>();
  #live = 0;

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
    this.#sessions.set(session.name, session);
    this.#live++;
  }

  /** `track`: seconds for which it stays visible. */
  ended(session: Session, track: number): void {
    this.#live--;
    if (track === 0) this.#forget(session);
    else this.#tracked.set(session, setTimeout(() => this.#forget(session), track * 1000).unref());
  }

  /** Forgets what is tracked, and gives the live ones. */
  clear(): Session[] {
    for (const timer of this.#tracked.values()) clearTimeout(timer);
    for (const session of this.#tracked.keys()) this.#forget(session);
    return [...this.#sessions.values()];
  }

  #forget(session: Session): void {
    this.#tracked.delete(session);
    this.#sessions.delete(session.name);
  }
}
