import { CompactingSet } from '../core/compacting.ts';

/** What can time out by not being active. */
export interface Expiring {
  /** The wheel's own note of where the entry waits: a map of them would cost more than a field. */
  slot: number | undefined;
  /** When it ends unless something happens, on the clock of performance.now(); Infinity if never. */
  deadline(): number;
  /** The deadline has passed. */
  expire(): void;
}

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
  readonly #slots = new Map<number, CompactingSet<Expiring>>();
  #timer: NodeJS.Timeout | undefined;
  #next = Number.POSITIVE_INFINITY;
  #waited = false;

  /** Looks at the entry again, if its deadline has come nearer or it is new. */
  schedule(entry: Expiring): void {
    const deadline = entry.deadline();
    if (deadline === Number.POSITIVE_INFINITY) return;
    const slot = Math.ceil(Math.min(deadline, performance.now() + FAR) / TICK);
    if (entry.slot !== undefined && entry.slot <= slot) return;
    this.remove(entry);
    this.#put(entry, slot);
  }

  remove(entry: Expiring): void {
    const { slot } = entry;
    if (slot === undefined) return;
    entry.slot = undefined;
    const entries = this.#slots.get(slot);
    entries?.delete(entry);
    if (entries?.size === 0) this.#slots.delete(slot);
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#slots.clear();
  }

  #put(entry: Expiring, slot: number): void {
    let entries = this.#slots.get(slot);
    if (!entries) {
      entries = new CompactingSet();
      this.#slots.set(slot, entries);
    }
    entries.add(entry);
    entry.slot = slot;
    if (slot < this.#next) this.#arm(slot);
  }

  #arm(slot: number): void {
    this.#next = slot;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#turn(), Math.max(0, slot * TICK - performance.now()));
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
    const due = [...this.#slots.keys()].filter((slot) => slot * TICK <= now);
    for (const slot of due) {
      const entries = this.#slots.get(slot) ?? [];
      this.#slots.delete(slot);
      for (const entry of entries) {
        entry.slot = undefined;
        if (entry.deadline() <= now) entry.expire();
        else this.schedule(entry);
      }
    }
    // Not by Math.min(...): a hundred thousand arguments do not fit the stack.
    let earliest = Number.POSITIVE_INFINITY;
    for (const slot of this.#slots.keys()) if (slot < earliest) earliest = slot;
    if (earliest < this.#next) this.#arm(earliest);
  }
}
