/** What can time out by not being active. */
export interface Expiring {
  /** The wheel's own notes of where the entry waits: a map or a set of entries would cost more than three fields. */
  slot: Slot | undefined;
  previous: Expiring | undefined;
  next: Expiring | undefined;
  /** When it ends unless something happens, on the clock of performance.now(); Infinity if never. */
  deadline(): number;
  /** The deadline has passed. */
  expire(): void;
}

/** The entries that are looked at together, each linked to the next. */
class Slot {
  /** In ticks, on the clock of performance.now(). */
  readonly at: number;
  first: Expiring | undefined;

  constructor(at: number) {
    this.at = at;
  }

  add(entry: Expiring): void {
    const { first } = this;
    if (first) first.previous = entry;
    entry.next = first;
    entry.slot = this;
    this.first = entry;
  }

  remove(entry: Expiring): void {
    const { previous, next } = entry;
    if (previous) previous.next = next;
    else this.first = next;
    if (next) next.previous = previous;
    // One that is old would keep those that it leads to.
    entry.previous = entry.next = entry.slot = undefined;
  }
}

export type { Slot };

/** Milliseconds: how late an expiry may be. */
const TICK = 50;

/**
 * Milliseconds ahead that an entry waits at most before it is looked at: so there are so few slots, however far away and different the
 * deadlines, and no timer is set for longer than node can count (2^31 - 1).
 */
const FAR = 60_000;

/** Milliseconds that the wheel comes late where the thread, or the whole process, was held up, and that others then have first. */
const HELD_UP = 100;

/**
 * Deadlines that move with each packet, without a timer per session or per packet: an entry is looked at when the
 * deadline that it had comes, and put back if it has moved since. A million idle sessions cost one timer.
 */
export class Wheel {
  readonly #slots = new Map<number, Slot>();
  #timer: NodeJS.Timeout | undefined;
  #next = Number.POSITIVE_INFINITY;
  #waited = false;

  /** Looks at the entry again, if its deadline has come nearer or it is new. */
  schedule(entry: Expiring): void {
    const deadline = entry.deadline();
    if (deadline === Number.POSITIVE_INFINITY) return;
    if (entry.slot && entry.slot.at <= Math.ceil(deadline / TICK)) return;
    const at = Math.ceil(Math.min(deadline, performance.now() + FAR) / TICK);
    this.remove(entry);
    this.#put(entry, at);
  }

  remove(entry: Expiring): void {
    const { slot } = entry;
    if (!slot) return;
    slot.remove(entry);
    if (!slot.first && this.#slots.get(slot.at) === slot) this.#slots.delete(slot.at);
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#slots.clear();
  }

  #put(entry: Expiring, at: number): void {
    let slot = this.#slots.get(at);
    if (!slot) {
      slot = new Slot(at);
      this.#slots.set(at, slot);
    }
    slot.add(entry);
    if (at < this.#next) this.#arm(at);
  }

  #arm(at: number): void {
    this.#next = at;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#turn(), Math.max(0, at * TICK - performance.now()));
  }

  #turn(): void {
    const now = performance.now();
    // What has come meanwhile is not read yet: the loop runs timers first.
    this.#waited = !this.#waited && now - this.#next * TICK >= HELD_UP;
    if (this.#waited) {
      this.#timer = setTimeout(() => this.#turn(), HELD_UP);
      return;
    }
    this.#next = Number.POSITIVE_INFINITY;
    const due = [...this.#slots.values()].filter(({ at }) => at * TICK <= now);
    for (const slot of due) {
      this.#slots.delete(slot.at);
      // One that expires may have others removed; who is put back is in another slot.
      for (let entry = slot.first; entry; entry = slot.first) {
        slot.remove(entry);
        if (entry.deadline() <= now) entry.expire();
        else this.schedule(entry);
      }
    }
    // Not by Math.min(...): a hundred thousand arguments do not fit the stack.
    let earliest = Number.POSITIVE_INFINITY;
    for (const at of this.#slots.keys()) if (at < earliest) earliest = at;
    if (earliest < this.#next) this.#arm(earliest);
  }
}
