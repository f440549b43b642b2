import type { EventLevel, EventName } from './events.ts';
import type { Session } from './session.ts';

/**
 * What is told of every session of a data plane: the log, metrics, the access log, limits and traces are made of it.
 * None of it is called for a message, and none of it may throw.
 */
export interface SessionObserver {
  /** A session has a name and is in the table; no rule was asked yet. */
  began?(session: Session): void;
  /** Something has happened to a session. `level`: how much that matters to the log. */
  event?(session: Session, event: EventName, about: string, level: EventLevel): void;
  /** A session is over: all its channels are closed, and its counters are final. */
  ended?(session: Session): void;
}

/** Tells several observers, in their order. */
export class Observers implements Required<SessionObserver> {
  readonly #began: SessionObserver[] = [];
  readonly #event: SessionObserver[] = [];
  readonly #ended: SessionObserver[] = [];

  add(observer: SessionObserver): void {
    if (observer.began) this.#began.push(observer);
    if (observer.event) this.#event.push(observer);
    if (observer.ended) this.#ended.push(observer);
  }

  began(session: Session): void {
    for (const observer of this.#began) observer.began?.(session);
  }

  event(session: Session, event: EventName, about: string, level: EventLevel): void {
    for (const observer of this.#event) observer.event?.(session, event, about, level);
  }

  ended(session: Session): void {
    for (const observer of this.#ended) observer.ended?.(session);
  }
}
