/** Whether one more session, or connection, is taken: the limits of the whole proxy and of each listener. */

import type { Connections } from '../core/connections.ts';
import { addTo } from '../core/counts.ts';
import { L7mpError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import type { NewPeer } from '../core/protocol.ts';
import { sourceOfAddress } from '../core/source.ts';
import type { Count } from '../counts/counter.ts';
import type { SharedCounts } from '../counts/shared-counts.ts';
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
  draining: 'the proxy drains: it takes nothing new',
  peers: 'the I/O threads have as many UDP peers as they can, or peers come faster than sessions can be made',
} as const;

export type WholeRefusal = keyof typeof WHOLE;

/** Likewise, of a listener. */
export const OF_LISTENER = {
  'max-sessions': 'the listener has as many sessions as it may',
  'max-sessions-per-source': 'an address has as many sessions as it may',
  denied: 'the listener takes nobody from there',
} as const;

type ListenerRefusal = keyof typeof OF_LISTENER;

export interface AdmissionHost {
  readonly log: Log;
  /** Descriptors that the process may have. */
  readonly descriptors: number;
  /** Those to begin with. */
  readonly limits: Limits;
  readonly counts: SharedCounts;
  readonly sessions: Pick<SessionTable, 'all'>;
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
  /** Live sessions in the whole proxy, but for those of the API and the metrics. */
  readonly #sessions: Count;
  #limits: Limits;
  /** Nothing is taken but for the API and the metrics. */
  draining = false;

  constructor(host: AdmissionHost) {
    this.#host = host;
    this.#refusals = new Refusals(host.log);
    this.#evictions = new Refusals(host.log);
    this.#halfMade = new HalfMade(() => host.sessions.all());
    host.connections.onRefused = (why) => this.refused(why);
    this.#sessions = host.counts.counter('live sessions');
    this.#limits = host.limits;
    this.set(host.limits);
  }

  get limits(): Limits {
    return this.#limits;
  }

  /** Live sessions of this data plane, but for those of the API and the metrics. */
  get live(): number {
    return this.#sessions.own;
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

  /** Whether the listener takes anything of this peer; a refusal is counted. */
  screen(listener: Listener, peer: NewPeer = {}): boolean {
    if (listener.access.has(peer.address)) return true;
    this.#refuse(listener, 'denied', peer);
    return false;
  }

  /** Whether one more session of the listener is taken; a refusal is counted. */
  admit(listener: Listener, peer: NewPeer = {}): boolean {
    if (!this.screen(listener, peer)) return false;
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
    if (own === undefined && lossy && this.#obstacle === undefined && this.#evict(this.#halfMade)) return true;
    // Which route it takes is known later: see `routed`.
    if (own === undefined && this.#host.leadsToManagement(listener)) return true;
    this.refusedBy(listener, shortage);
    return false;
  }

  /** Whether connections of the listener may take what is reserved. */
  mayUseReserve(listener: Listener): boolean {
    return this.#host.leadsToManagement(listener);
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

  /**
   * Counts a session that begins. `admit` may have been asked long ago, and other threads may have begun sessions since.
   * Returns its source's share, or undefined where a limit of the listener is reached, which is counted.
   */
  take(listener: Listener, peer: NewPeer): number | undefined {
    if (!listener.live.take(this.#mostOf(listener))) {
      if (this.#applies(listener, 'max_sessions')) {
        this.#refuse(listener, 'max-sessions', peer);
        return undefined;
      }
      listener.live.add(1);
    }
    if (peer.address === undefined) return 0;
    const share = this.#takeShare(listener, peer.address, this.#mostOfSource(listener, peer));
    if (share !== 0) return share;
    listener.live.add(-1);
    this.#refuse(listener, 'max-sessions-per-source', peer);
    return undefined;
  }

  giveBack(listener: Listener, sourceShare: number): void {
    if (sourceShare !== 0) this.#host.counts.give(sourceShare);
    listener.live.add(-1);
  }

  /** A session knows its way. Throws E_LIMIT where it was admitted for another one. */
  routed(session: Session, { clusters, destination }: Plan): void {
    if (clusters[destination]?.side.management) return;
    const why = this.#obstacle ?? (this.#countWhole(session) ? undefined : 'max-sessions');
    if (why === undefined) return;
    this.refusedBy(session.listener, why);
    throw new L7mpError('E_LIMIT', 'the proxy takes no more sessions now');
  }

  ended(session: Session): void {
    if (session.counted) this.#sessions.add(-1);
  }

  #countWhole(session: Session): boolean {
    session.counted = this.#sessions.take(this.#limits.max_sessions);
    return session.counted;
  }

  /** Why nothing is taken, however few there are. */
  get #obstacle(): WholeRefusal | undefined {
    if (this.draining) return 'draining';
    return this.#memory.full ? 'memory' : undefined;
  }

  get #shortage(): WholeRefusal | undefined {
    if (this.#sessions.all >= this.#limits.max_sessions) return 'max-sessions';
    return this.#obstacle;
  }

  /** Which of the listener's limits is reached. */
  #shortageOf(listener: Listener, peer: NewPeer): ListenerRefusal | undefined {
    const live = listener.live.all;
    const mostOfSource = this.#mostOfSource(listener, peer);
    if (live >= this.#mostOf(listener) && this.#applies(listener, 'max_sessions')) return 'max-sessions';
    // While all of them together are fewer than one source may have, nobody has to be looked up.
    if (peer.address === undefined || live < mostOfSource) return undefined;
    const taken = this.#host.counts.taken(sourceKey(listener, peer.address));
    if (taken >= mostOfSource && this.#applies(listener, 'max_sessions_per_source')) return 'max-sessions-per-source';
    return undefined;
  }

  #takeShare(listener: Listener, address: string, most: number): number {
    const { counts } = this.#host;
    const key = sourceKey(listener, address);
    const share = counts.take(key, most);
    if (share !== 0 || this.#applies(listener, 'max_sessions_per_source')) return share;
    return counts.take(key, Number.POSITIVE_INFINITY);
  }

  /** What is not configured is a share of the whole, whose limits do not count for the API. */
  #applies(listener: Listener, option: 'max_sessions' | 'max_sessions_per_source'): boolean {
    return listener.definition.options[option] !== undefined || !this.#host.leadsToManagement(listener);
  }

  /** The sessions that a listener may have. */
  #mostOf({ definition: { options } }: Listener): number {
    return options.max_sessions ?? Math.ceil(this.#limits.max_sessions * LISTENER_SHARE);
  }

  /** The sessions that one source may have on a listener. */
  #mostOfSource({ definition: { options } }: Listener, { lossy }: NewPeer): number {
    if (options.max_sessions_per_source !== undefined) return options.max_sessions_per_source;
    const { max_sessions: sessions, max_connections: connections } = this.#limits;
    // A connection takes one descriptor for the client and one for the endpoint.
    return Math.ceil((lossy === true ? sessions : Math.min(sessions, connections / 2)) * SOURCE_SHARE);
  }

  #refuse(listener: Listener, reason: ListenerRefusal, { address }: NewPeer): void {
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

/** Short, since it is hashed for each session. */
function sourceKey(listener: Listener, address: string): string {
  return `${listener.live.id} ${sourceOfAddress(address)}`;
}
