import type { Channel } from '../../core/channel.ts';
import * as wire from './wire.ts';

const DROPPED = [
  [wire.DROPPED_FULL, 'queue-full'],
  [wire.DROPPED_ERROR, 'send-error'],
  [wire.DROPPED_LARGE, 'too-large'],
] as const;

/** When the engine’s thread last had something from a slot’s holder, in whole milliseconds: a small integer costs no object. */
export function activeAt(shared: wire.Shared, id: number): number {
  return Math.ceil(shared.arena.f64[wire.countersOf(shared, id) + wire.ACTIVE_AT] as number);
}

/** Messages of a slot's holder that the engine's thread keeps until it is told where they go. */
export function waitingAt(shared: wire.Shared, id: number): number {
  return shared.arena.f64[wire.countersOf(shared, id) + wire.WAITING] as number;
}

/** Makes a channel's counters those of its slot, where nobody else counts for it. */
export function takeCounters(channel: Channel, shared: wire.Shared, id: number): void {
  const { f64 } = shared.arena;
  const at = wire.countersOf(shared, id);
  channel.bytesIn = f64[at + wire.BYTES_IN] as number;
  channel.messagesIn = f64[at + wire.MESSAGES_IN] as number;
  channel.bytesOut = f64[at + wire.BYTES_OUT] as number;
  channel.messagesOut = f64[at + wire.MESSAGES_OUT] as number;
}

/** What the engine's thread counts in a slot, added to what the channel has counted itself. */
export class SlotCounters {
  readonly #shared: wire.Shared;
  readonly #at: number;
  /** What was added before; made when something is. */
  #seen: number[] | undefined;

  constructor(shared: wire.Shared, id: number) {
    this.#shared = shared;
    this.#at = wire.countersOf(shared, id);
  }

  addTo(channel: Channel): void {
    channel.bytesIn += this.#news(wire.BYTES_IN);
    channel.messagesIn += this.#news(wire.MESSAGES_IN);
    channel.bytesOut += this.#news(wire.BYTES_OUT);
    channel.messagesOut += this.#news(wire.MESSAGES_OUT);
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
    this.#seen ??= new Array(wire.COUNTERS).fill(0);
    this.#seen[which] = value;
    return value - before;
  }
}
