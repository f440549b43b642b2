import type { Channel } from '../core/channel.ts';

/** Where a pipe runs: in the kernel, from socket to socket without JavaScript, or in JavaScript. */
export type Rung = 'kernel' | 'native' | 'userspace';

/**
 * What has passed on each rung, in all sessions and both directions, as the clients' channels count it. Nothing is
 * counted here for a message: whenever the counters of a session's channels are brought up to date, and before the
 * session changes its rung, what is new in them is put to the rung that it came on.
 */
export class RungBytes {
  readonly totals: Record<Rung, number> = { kernel: 0, native: 0, userspace: 0 };

  /** `counted`: what was put down of this channel before. Returns what has been now. */
  put(rung: Rung, { bytesIn, bytesOut }: Channel, counted: number): number {
    const all = bytesIn + bytesOut;
    this.totals[rung] += all - counted;
    return all;
  }
}
