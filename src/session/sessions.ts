/**
 * The sessions of one data plane: made of what its listeners accept, named, counted, and known until they are forgotten.
 *
 * Not owned here: whether one is taken (limits), where it goes (rules), and what is made of its end (observers).
 */
import type { Channel, CloseReason } from '../core/channel.ts';
import type { Engine } from '../core/engine.ts';
import { L7mpError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import type { NewPeer } from '../core/protocol.ts';
import { sourceIn } from '../core/source.ts';
import type { SharedCounts } from '../counts/shared-counts.ts';
import type { Listener } from '../listener/listener.ts';
import type { Offload } from '../offload/engine.ts';
import type { EventLevel, EventName } from './events.ts';
import { SessionLog } from './log.ts';
import { Observers, type SessionObserver } from './observer.ts';
import type { Plan } from './plan.ts';
import { RungBytes } from './rung-bytes.ts';
import { Session, type SessionHost } from './session.ts';
import { SessionTable } from './table.ts';
import { Wheel } from './wheel.ts';

/** What bounds the number of sessions: exactly, also where they are begun in several threads at the same time. */
export interface SessionLimits {
  /** Counts one more. Returns its source's share, or undefined, with all as it was, where a limit of a listener is reached. */
  take(listener: Listener, peer: NewPeer): number | undefined;
  giveBack(listener: Listener, sourceShare: number): void;
}

/** What the sessions of a data plane need of it. */
export interface SessionsContext {
  readonly log: Log;
  /** The engine; there is one when a listener accepts. */
  io(): Engine;
  /** Where flows are offloaded to now. */
  offload(): Offload;
  readonly counts: SharedCounts;
  readonly limits: SessionLimits;
  /** Asks the rules, which may rewrite the metadata, and the limits. Throws E_NO_ROUTE, E_LIMIT, E_FORBIDDEN. */
  route(session: Session): Plan;
}

export class Sessions implements SessionHost {
  readonly table: SessionTable;
  readonly wheel = new Wheel();
  readonly rungBytes = new RungBytes();
  readonly #context: SessionsContext;
  readonly #observers = new Observers();

  constructor(context: SessionsContext) {
    this.#context = context;
    this.table = new SessionTable(context.counts);
    this.observe(new SessionLog(context.log));
  }

  /** Tells an observer of all sessions from now on. */
  observe(observer: SessionObserver): void {
    this.#observers.add(observer);
  }

  /** Begins a session of a listener with what it has accepted, which is refused where there are too many. */
  begin(listener: Listener, channel: Channel): void {
    const session = this.#make(listener, channel);
    if (!session) {
      channel.refuse(new L7mpError('E_LIMIT', 'too many sessions'));
      return;
    }
    this.table.add(session);
    this.#observers.began(session);
    session.start();
  }

  /** Ends all of them, and forgets those that have ended. */
  close(reason: CloseReason): void {
    for (const session of this.table.clear()) session.end(reason);
    this.table.clear();
    this.wheel.close();
  }

  #make(listener: Listener, channel: Channel): Session | undefined {
    const { limits } = this.#context;
    const metadata = channel.describe();
    const share = limits.take(listener, { address: sourceIn(metadata), lossy: channel.lossy });
    if (share === undefined) return undefined;
    const own = listener.side.sessionName({ listener: listener.name, n: listener.nextNumber(), metadata });
    const name = this.table.claim(own);
    if (name === undefined) {
      limits.giveBack(listener, share);
      return undefined;
    }
    const session = new Session(name, listener, channel, this);
    session.sourceShare = share;
    return session;
  }

  // ------------------------------------------------------------------ the host of each session

  get log(): Log {
    return this.#context.log;
  }

  get io(): Engine {
    return this.#context.io();
  }

  get offload(): Offload {
    return this.#context.offload();
  }

  route(session: Session): Plan {
    return this.#context.route(session);
  }

  event(session: Session, event: EventName, about: string, level: EventLevel): void {
    this.#observers.event(session, event, about, level);
  }

  ended(session: Session): void {
    const { listener, sourceShare } = session;
    this.#context.limits.giveBack(listener, sourceShare);
    this.table.ended(session, listener.definition.options.track ?? 0);
    this.#observers.ended(session);
  }
}
