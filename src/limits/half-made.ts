/** Sessions that may be nobody's: what gives way to new ones where a limit is reached. */
import type { Channel, CloseReason } from '../core/channel.ts';

/** Milliseconds of silence that make one give way: who is still waiting for the endpoint's first answer is let wait. */
const SILENCE = 2000;

/** Of those found at once, at most; and milliseconds before it is looked again where there were fewer. */
const FOUND = 4096;
const LOOKS_AGAIN = 1000;

/** What it needs to know of a session. */
export interface Candidate {
  readonly source: Channel;
  readonly over: boolean;
  /** When something last passed in either direction, on the clock of performance.now(). */
  readonly lastActivity: number;
  refresh(): void;
  end(reason: CloseReason): void;
}

const REASON: CloseReason = { kind: 'idle', message: 'gave way to a new session: its client has not answered' };

/**
 * Finds the oldest sessions whose clients have proved nothing: they cannot be slowed down, as UDP's, may have sent from
 * a forged address, and were not heard of again after they were answered, if they were. None of this costs anything
 * before a limit is reached.
 */
export class HalfMade {
  readonly #all: () => Iterable<Candidate>;
  readonly #now: () => number;
  #found: Candidate[] = [];
  #lookedAt = Number.NEGATIVE_INFINITY;

  /** `all`: the oldest first. `now`: the time on the clock of performance.now(). */
  constructor(all: () => Iterable<Candidate>, now: () => number = () => performance.now()) {
    this.#all = all;
    this.#now = now;
  }

  /** Ends the oldest one. Returns whether there was one. */
  endOldest(): boolean {
    const now = this.#now();
    for (;;) {
      const next = this.#found.pop();
      if (!next) {
        if (!this.#look(now)) return false;
      } else if (isHalfMade(next, now)) {
        next.end(REASON);
        return true;
      }
    }
  }

  /** Looks through all, once for many that are ended then. Returns whether there are any. */
  #look(now: number): boolean {
    if (now - this.#lookedAt < LOOKS_AGAIN) return false;
    for (const session of this.#all()) {
      if (!isHalfMade(session, now)) continue;
      this.#found.push(session);
      if (this.#found.length === FOUND) break;
    }
    this.#found.reverse();
    if (this.#found.length < FOUND) this.#lookedAt = now;
    return this.#found.length > 0;
  }
}

function isHalfMade(session: Candidate, now: number): boolean {
  if (session.over || !session.source.lossy || now - session.lastActivity < SILENCE) return false;
  session.refresh();
  const { messagesIn, messagesOut } = session.source;
  // One that was made for a peer of the configuration has begun without it.
  return messagesIn > 0 && (messagesOut === 0 || messagesIn === 1);
}
