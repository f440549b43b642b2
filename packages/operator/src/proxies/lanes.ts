/**
 * A bound on what is under way at a time, in which those that are slow do not hold up the others: what takes longer than a
 * moment gives its place back, and whoever was slow last time queues with its like.
 */

interface Lane {
  free: number;
  readonly waiting: Set<() => void>;
}

/** Whose jobs they are. */
export interface Passenger {
  /** As its last job was. */
  slow: boolean;
}

export class Lanes {
  readonly #fast: Lane;
  readonly #slow: Lane;
  readonly #moment: number;

  /** `limit`: in each of both lanes. `moment`: milliseconds. */
  constructor(limit: number, moment: number) {
    this.#fast = { free: limit, waiting: new Set() };
    this.#slow = { free: limit, waiting: new Set() };
    this.#moment = moment;
  }

  /**
   * Runs the job when there is room, and notes whether it was slow. Rejects with what the job rejects with, or with the signal's
   * reason if that comes while it waits.
   */
  async run<T>(who: Passenger, signal: AbortSignal, job: () => Promise<T>): Promise<T> {
    const lane = who.slow ? this.#slow : this.#fast;
    await enter(lane, signal);
    let held = true;
    const giveBack = () => {
      if (held) leave(lane);
      held = false;
    };
    // In the slow lane a place is kept to the end: that lane is what bounds them.
    const timer = who.slow ? undefined : setTimeout(giveBack, this.#moment);
    const began = performance.now();
    try {
      return await job();
    } finally {
      clearTimeout(timer);
      who.slow = !held || performance.now() - began > this.#moment;
      giveBack();
    }
  }
}

function enter(lane: Lane, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  if (lane.free > 0) {
    lane.free--;
    return Promise.resolve();
  }
  return new Promise((resolve, reject) => {
    const abort = () => {
      lane.waiting.delete(go);
      reject(signal.reason);
    };
    const go = () => {
      signal.removeEventListener('abort', abort);
      resolve();
    };
    lane.waiting.add(go);
    signal.addEventListener('abort', abort, { once: true });
  });
}

/** The place goes to who has waited longest. */
function leave(lane: Lane): void {
  const [next] = lane.waiting;
  if (!next) {
    lane.free++;
    return;
  }
  lane.waiting.delete(next);
  next();
}
