import { addTo, type Counts } from '../core/counts.ts';
import type { Log } from '../core/log.ts';

/** Milliseconds between two lines of the log for one reason. */
const SAID_EVERY = 10_000;

interface Said {
  at: number;
  /** Refused since. */
  unsaid: number;
}

/** What a limit has refused, by reason: counted one by one, and said once in a while. */
export class Refusals {
  readonly counts: Counts;
  readonly #said = new Map<string, Said>();
  readonly #log: Log;
  readonly #now: () => number;

  /** `counts`: where they are counted. `now`: the time in milliseconds. */
  constructor(log: Log, counts: Counts = new Map(), now: () => number = () => performance.now()) {
    this.#log = log;
    this.counts = counts;
    this.#now = now;
  }

  /** `about`: the name of the object that it is about. */
  add(reason: string, about: string, text: string, count = 1): void {
    addTo(this.counts, reason, count);
    const said = this.#said.get(reason);
    if (said && this.#now() - said.at < SAID_EVERY) {
      said.unsaid += count;
      return;
    }
    const more = said && said.unsaid > 0 ? `, ${said.unsaid} more since it was last said` : '';
    this.#said.set(reason, { at: this.#now(), unsaid: 0 });
    this.#log.write('warn', about, `${text} (${reason}${more})`);
  }
}
