/** What happened to a session, in order. */
export type EventName = 'INIT' | 'LOOKUP SUCCESS' | 'CONNECT' | 'DISCONNECT' | 'ERROR' | 'WARNING' | 'END' | 'DESTROY';

export interface SessionEvent {
  readonly event: EventName;
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly message: string;
}

/** Events kept of one session: a stage that flaps for weeks must not fill the memory. */
const KEPT = 64;
/** How many of them are the first ones. */
const FIRST = 16;

/** The first and the latest events of a session. */
export class EventLog {
  /** Of just the size: an array that grows by push keeps room for sixteen more. */
  #events: readonly SessionEvent[] = [];
  /** Events that are not kept any more. */
  #forgotten = 0;

  add(event: EventName, message: string): void {
    let kept = this.#events;
    if (kept.length === KEPT) {
      kept = kept.filter((_, n) => n !== FIRST);
      this.#forgotten++;
    }
    this.#events = kept.concat({ event, at: Date.now(), message });
  }

  get started(): number {
    return this.#events[0]?.at ?? Date.now();
  }

  /** As the API shows them. */
  view(): { event: string; timestamp: string; message: string; content: string }[] {
    const forgotten = this.#forgotten;
    return this.#events.map(({ event, at, message }, n) => ({
      event,
      timestamp: new Date(at).toISOString(),
      message,
      content: forgotten > 0 && n === FIRST ? `${forgotten} earlier events are not kept` : '',
    }));
  }
}
