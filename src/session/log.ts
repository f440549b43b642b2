import type { Log } from '../core/log.ts';
import { type EventLevel, type EventName, messageOf } from './events.ts';
import type { SessionObserver } from './observer.ts';
import type { Session } from './session.ts';

/** Writes what happens to sessions into the log. */
export class SessionLog implements SessionObserver {
  readonly #log: Log;

  constructor(log: Log) {
    this.#log = log;
  }

  event({ name }: Session, event: EventName, about: string, level: EventLevel): void {
    if (!this.#log.enabled(level)) return;
    const message = messageOf(event, about);
    this.#log.write(level, name, message ? `${event}: ${message}` : event);
  }
}
