import type { Channel } from '../../core/channel.ts';
import * as wire from './wire.ts';

/** The fields of a channel that a slot's counters are added to. */
const COUNTED = [
  [wire.BYTES_IN, 'bytesIn'],
  [wire.MESSAGES_IN, 'messagesIn'],
  [wire.BYTES_OUT, 'bytesOut'],
  [wire.MESSAGES_OUT, 'messagesOut'],
] as const;

const DROPPED = [
  [wire.DROPPED_FULL, 'queue-full'],
  [wire.DROPPED_ERROR, 'send-error'],
  [wire.DROPPED_LARGE, 'too-large'],
] as const;

/** What the engine's thread counts in a slot, added to what the channel has counted itself. */
export class SlotCounters {
  readonly #shared: wire.Shared;
  readonly #at: number;
  /** What was added before; made when something is. */
  #seen: Float64Array | undefined;

  constructor(shared: wire.Shared, id: number) {
    this.#shared = shared;
    this.#at = wire.countersOf(shared, id);
  }

  get activeAt(): number {
    return this.#value(wire.ACTIVE_AT);
  }

  addTo(channel: Channel): void {
    for (const [which, field] of COUNTED) channel[field] += this.#news(which);
    for (const [which, reason] of DROPPED) {
      const lost = this.#news(which);
      if (lost > 0) channel.drop(reason, lost);
    }
  }

  #value(which: number): number {
    return this.#shared.arena.f64[this.#at + which] as number;
  }

  #news(which: number): number {
    const value = this.#value(which);
    const before = this.#seen?.[which] ?? 0;
    if (value === before) return 0;
    this.#seen ??= new Float64Array(wire.COUNTERS);
    this.#seen[which] = value;
    return value - before;
  }
}
