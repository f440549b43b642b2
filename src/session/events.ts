import type { Level } from '../core/log.ts';

/** What happened to a session, in order. */
export type EventName = 'INIT' | 'LOOKUP SUCCESS' | 'CONNECT' | 'DISCONNECT' | 'ERROR' | 'WARNING' | 'END' | 'DESTROY';

/** How much an event matters to the log. */
export type EventLevel = Exclude<Level, 'silly'>;

/** Events kept of one session: a stage that flaps for weeks must not fill the memory. */
const KEPT = 64;
/** How many of them are the first ones. */
const FIRST = 16;

/** Times are kept as milliseconds since then: a small integer costs no object, as the milliseconds since 1970 do. */
const BEGINNING = Date.now();

/** How a text begins that is the same for all sessions: each keeps only the name that follows. */
const LEAD: Partial<Record<EventName, string>> = {
  INIT: 'new session from listener ',
  'LOOKUP SUCCESS': 'route ',
};

/** What an event says; `about` is what is kept of it. */
export function messageOf(event: EventName, about: string): string {
  return (LEAD[event] ?? '') + about;
}

/** Places that an event takes: its name, its time, what it is about. */
const WIDTH = 3;

/** Room for the events of a session that stands: INIT, LOOKUP SUCCESS and CONNECT. */
const ROOM = ['', 0, '', '', 0, '', '', 0, ''];

/** The first and the latest events of a session. */
export class EventLog {
  /** Flat, with room for few more: an object an event, or an array that begins empty, would cost more than all else here. */
  #events = [...ROOM];
  #count = 0;
  /** Events that are not kept any more. */
  #forgotten = 0;

  add(event: EventName, about: string): void {
    if (this.#count === KEPT) this.#forget();
    const events = this.#events;
    const at = this.#count++ * WIDTH;
    const time = Date.now() - BEGINNING;
    if (at === events.length) {
      events.push(event, time, about);
      return;
    }
    events[at] = event;
    events[at + 1] = time;
    events[at + 2] = about;
  }

  #forget(): void {
    this.#events.splice(FIRST * WIDTH, WIDTH);
    this.#count--;
    this.#forgotten++;
  }

  /** Milliseconds since 1970. */
  get started(): number {
    return this.#count > 0 ? this.#time(0) : Date.now();
  }

  /** As the API shows them. */
  view(): { event: string; timestamp: string; message: string; content: string }[] {
    return Array.from({ length: this.#count }, (_, n) => {
      const [event, , about] = this.#events.slice(n * WIDTH) as [EventName, number, string];
      return {
        event,
        timestamp: new Date(this.#time(n)).toISOString(),
        message: messageOf(event, about),
        content: this.#forgotten > 0 && n === FIRST ? `${this.#forgotten} earlier events are not kept` : '',
      };
    });
  }

  #time(n: number): number {
    return BEGINNING + (this.#events[n * WIDTH + 1] as number);
  }
}
