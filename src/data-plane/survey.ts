import type { Tally } from '../cluster/endpoint.ts';
import { addAll, addTo, type Counts } from '../core/counts.ts';
import type { Session } from '../session/session.ts';

/** What the live sessions have in their counters at one moment: they are walked once for all of it. */
export class Survey {
  readonly rungs: Counts = new Map();
  /** Messages lost, by reason. */
  readonly dropped: Counts = new Map();
  /** Over connections that stand, by where closed ones are put down. */
  readonly bytesIn = new Map<Tally, number>();
  readonly bytesOut = new Map<Tally, number>();

  constructor(sessions: Iterable<Session>) {
    for (const session of sessions) if (!session.over) this.#add(session);
  }

  #add(session: Session): void {
    session.refresh();
    const [rung] = session.rungs;
    if (rung !== undefined) addTo(this.rungs, rung);
    addAll(this.dropped, session.drops);
    for (const { channel, cluster, endpoint } of session.stages) {
      if (!channel || !endpoint) continue;
      for (const tally of [cluster.tally, endpoint.tally]) {
        addTo(this.bytesIn, tally, channel.bytesIn);
        addTo(this.bytesOut, tally, channel.bytesOut);
      }
    }
  }
}
