import type { Channel } from '../../core/channel.ts';
import * as wire from './wire.ts';

const TRAFFIC = [wire.BYTES_IN, wire.MESSAGES_IN, wire.BYTES_OUT, wire.MESSAGES_OUT];

/** As the drops are counted: full, error, large. */
const DROPPED = ['queue-full', 'send-error', 'too-large'] as const;

const ALL = [...TRAFFIC, wire.DROPPED_FULL, wire.DROPPED_ERROR, wire.DROPPED_LARGE];

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
  /** What was added before, as in `ALL`; made when something is. */
  #seen: number[] | undefined;

  constructor(shared: wire.Shared, id: number) {
    this.#shared = shared;
    this.#at = wire.countersOf(shared, id);
  }

  addTo(channel: Channel): void {
    channel.bytesIn += this.#news(0);
    channel.messagesIn += this.#news(1);
    channel.bytesOut += this.#news(2);
    channel.messagesOut += this.#news(3);
    for (const [n, reason] of DROPPED.entries()) {
      const lost = this.#news(TRAFFIC.length + n);
      if (lost > 0) channel.drop(reason, lost);
    }
  }

  /** What the n-th of `ALL` has grown by since it was last asked for. */
  #news(n: number): number {
    const value = this.#shared.arena.f64[this.#at + (ALL[n] as number)] as number;
    const before = this.#seen?.[n] ?? 0;
    if (value === before) return 0;
    this.#seen ??= ALL.map(() => 0);
    this.#seen[n] = value;
    return value - before;
  }
}
