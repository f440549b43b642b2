/** Whether one more session, or connection, is taken: the limits of the whole proxy and of each listener. */

import type { Connections } from '../core/connections.ts';
import { addTo } from '../core/counts.ts';
import { L7mpError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import type { NewPeer } from '../core/protocol.ts';
import type { Listener } from '../listener/listener.ts';
import type { SessionObserver } from '../session/observer.ts';
import type { Plan } from '../session/plan.ts';
import type { Session } from '../session/session.ts';
import type { SessionTable } from '../session/table.ts';
import { HalfMade } from './half-made.ts';
import { MemoryGauge } from './memory.ts';
import { Refusals } from './refusals.ts';
import type { Limits } from './system.ts';

/** The shares of the whole that one listener, and one address on a listener, have by default. */
const LISTENER_SHARE = 7 / 8;
const SOURCE_SHARE = 3 / 4;

/** The limits of the whole by what they are called in metrics, and what the log says where one was reached. */
export const WHOLE = {
  'max-sessions': 'the proxy has as many sessions as admin.limits.max_sessions allows',
  'max-connections': 'the proxy has as many connections as admin.limits.max_connections allows',
  descriptors: 'all descriptors but those of admin.limits.reserved_descriptors are in use',
  memory: 'the process takes as much memory as admin.limits.memory allows',
  peers: 'the I/O threads have as many UDP peers as they can, or peers come faster than sessions can be made',
} as const;

export type WholeRefusal = keyof typeof WHOLE;

/** Likewise, of a listener. */
export const OF_LISTENER = {
  'max-sessions': 'the listener has as many sessions as it may',
  'max-sessions-per-source': 'an address has as many sessions as it may',
} as const;

export interface AdmissionHost {
  readonly log: Log;
  /** Descriptors that the process may have. */
  readonly descriptors: number;
  /** Those to begin with. */
  readonly limits: Limits;
  readonly sessions: SessionTable;
  readonly connections: Connections;
  /** Whether sessions of the listener may reach what a full proxy is seen and mended by. */
  leadsToManagement(listener: Listener): boolean;
}

export class Admission implements SessionObserver {
  readonly #host: AdmissionHost;
  readonly #memory = new MemoryGauge();
  readonly #refusals: Refusals;
  readonly #evictions: Refusals;
  readonly #refusalsOf = new WeakMap<Listener, Refusals>();
  readonly #halfMade: HalfMade;
  readonly #halfMadeOf = new WeakMap<Listener, HalfMade>();
  /** Live sessions of the API and the metrics: they count for no limit of the whole. */
  readonly #management = new Set<Session>();
  #limits: Limits;

  constructor(host: AdmissionHost) {
    this.#host = host;
    this.#refusals = new Refusals(host.log);
    this.#evictions = new Refusals(host.log);
    this.#halfMade = new HalfMade(() => host.sessions.all());
    host.connections.onRefused = (why) => this.refused(why);
    this.#limits = host.limits;
    this.set(host.limits);
  }

  get limits(): Limits {
    return this.#limits;
  }

  /** What was refused by limits of the whole, by reason. */
  get refusals(): ReadonlyMap<string, number> {
    return this.#refusals.counts;
  }

  /** Sessions that gave way to others. */
  get evicted(): number {
    return this.#evictions.counts.get('evicted') ?? 0;
  }

  /** Changes the limits. What there is already stays, also above them. */
  set(limits: Limits): void {
    const { connections, descriptors } = this.#host;
    this.#limits = limits;
    connections.most = limits.max_connections;
    connections.ceiling = Math.max(0, descriptors - limits.reserved_descriptors);
    this.#memory.limit = limits.memory;
  }

  /** Nothing is taken, whichever listener it comes to. */
  get overloaded(): boolean {
    return this.#shortage !== undefined;
  }

  /** Whether one more session of the listener is taken; a refusal is counted. */
  admit(listener: Listener, peer: NewPeer = {}): boolean {
    const lossy = peer.lossy === true;
    const own = this.#shortageOf(listener, peer);
    if (own === 'max-sessions' && lossy && this.#evict(this.#halfMadeIn(listener))) return true;
    const shortage = peer.scarce ? 'peers' : this.#shortage;
    if (own !== undefined && shortage === undefined) {
      this.#refuse(listener, own, peer);
      return false;
    }
    if (shortage === undefined) {
      // The descriptors of those that go are free when the next ones come.
      if (lossy && this.#host.connections.scarce) this.#evict(this.#halfMade);
      return true;
    }
    if (own === undefined && lossy && shortage !== 'memory' && this.#evict(this.#halfMade)) return true;
    // Which route it takes is known later: see `routed`.
    if (own === undefined && this.#host.leadsToManagement(listener)) return true;
    this.refusedBy(listener, shortage);
    return false;
  }

  /** Whether a connection, that was accepted, may stay. */
  admitConnection(listener: Listener): boolean {
    const { connections } = this.#host;
    const why = connections.shortage();
    if (why === undefined || this.#host.leadsToManagement(listener)) return true;
    this.refusedBy(listener, why);
    return false;
  }

  /** Counts what a listener did not take for the whole's sake. */
  refusedBy(listener: Listener, why: WholeRefusal, count = 1): void {
    addTo(listener.rejects, why, count);
    this.refused(why, count);
  }

  /** Counts what was refused for the whole. */
  refused(why: WholeRefusal, count = 1): void {
    this.#refusals.add(why, 'limits', `refused: ${WHOLE[why]}`, count);
  }

  began(session: Session): void {
    session.listener.sources.begun(session);
  }

  /** A session knows its way. Throws E_LIMIT where it was admitted for another one. */
  routed(session: Session, { clusters, destination }: Plan): void {
    if (clusters[destination]?.side.management) {
      this.#management.add(session);
      return;
    }
    const why = this.#count > this.#limits.max_sessions ? 'max-sessions' : this.#memory.full ? 'memory' : undefined;
    if (why === undefined) return;
    this.refusedBy(session.listener, why);
    throw new L7mpError('E_LIMIT', 'the proxy takes no more sessions now');
  }

  ended(session: Session): void {
    this.#management.delete(session);
    session.listener.sources.ended(session);
  }

  /** Live sessions that count. */
  get #count(): number {
    return this.#host.sessions.live - this.#management.size;
  }

  get #shortage(): WholeRefusal | undefined {
    if (this.#count >= this.#limits.max_sessions) return 'max-sessions';
    return this.#memory.full ? 'memory' : undefined;
  }

  /** Which of the listener's limits is reached. */
  #shortageOf(listener: Listener, { address, lossy }: NewPeer): keyof typeof OF_LISTENER | undefined {
    const { max_sessions: most, max_sessions_per_source: mostOfOne } = listener.definition.options;
    const { max_sessions: whole } = this.#limits;
    const all = (): Iterable<Session> => this.#sessionsOf(listener);
    if (listener.sessions >= (most ?? Math.ceil(whole * LISTENER_SHARE)) && this.#applies(listener, most)) {
      return 'max-sessions';
    }
    const few = mostOfOne ?? this.#mostOfOne(lossy === true);
    if (!listener.sources.admits(address, few, listener.sessions, all) && this.#applies(listener, mostOfOne)) {
      return 'max-sessions-per-source';
    }
    return undefined;
  }

  /** What is not configured is a share of the whole, whose limits do not count for the API. */
  #applies(listener: Listener, configured: number | undefined): boolean {
    return configured !== undefined || !this.#host.leadsToManagement(listener);
  }

  /** The sessions that one address may have on a listener, by default. */
  #mostOfOne(lossy: boolean): number {
    const { max_sessions: sessions, max_connections: connections } = this.#limits;
    // A connection takes one descriptor for the client and one for the endpoint.
    return Math.ceil((lossy ? sessions : Math.min(sessions, connections / 2)) * SOURCE_SHARE);
  }

  #refuse(listener: Listener, reason: keyof typeof OF_LISTENER, { address }: NewPeer): void {
    let refusals = this.#refusalsOf.get(listener);
    if (!refusals) {
      refusals = new Refusals(this.#host.log, listener.rejects);
      this.#refusalsOf.set(listener, refusals);
    }
    refusals.add(reason, listener.name, `refused${address ? ` ${address}` : ''}: ${OF_LISTENER[reason]}`);
  }

  /** Has a session give way to a new one. Returns whether there was one that could. */
  #evict(halfMade: HalfMade): boolean {
    if (!halfMade.endOldest()) return false;
    this.#evictions.add('evicted', 'limits', 'UDP sessions that were not heard of after their first datagram give way');
    return true;
  }

  #halfMadeIn(listener: Listener): HalfMade {
    let found = this.#halfMadeOf.get(listener);
    if (!found) {
      found = new HalfMade(() => this.#sessionsOf(listener));
      this.#halfMadeOf.set(listener, found);
    }
    return found;
  }

  *#sessionsOf(listener: Listener): Iterable<Session> {
    for (const session of this.#host.sessions.all()) if (session.listener === listener && !session.over) yield session;
  }
}
