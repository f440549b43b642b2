import type { Count } from '../counts/counter.ts';
import type { SharedCounts } from '../counts/shared-counts.ts';
import type { EndpointDefinition } from '../model/definitions.ts';
import type { Candidate } from './balancers/index.ts';

/** The address of the only endpoint of a cluster without a network. */
export const VIRTUAL = '<VIRTUAL>';

/**
 * `up`: the latest attempt to connect has reached it. `unknown`: there was none yet. `ejected`: it could not be reached
 * lately, and takes no sessions while others can. `draining`: its weight is 0, so that it takes none at all.
 */
export type EndpointState = 'up' | 'unknown' | 'ejected' | 'draining';

/** The penalty of an endpoint that has none. */
const UP = -1;

/** Each session that tries a mute endpoint in vain doubles the time until the next one, up to so many times the first. */
const LONGEST = 4;

/** Milliseconds: longer than a round trip on most networks (RFC 8305 section 5). */
const PATIENCE = 250;

/** What an endpoint, or a cluster, has brought. Counted since it was made. */
export class Tally {
  /** Attempts to connect that failed. */
  failures = 0;
  /** Attempts after the first of a session's stage. */
  retries = 0;
  /** Connections that broke, or were ended by the endpoint, before the session was complete. */
  disconnects = 0;
  /** That came from it and went to it, over connections that are closed. */
  bytesIn = 0;
  bytesOut = 0;

  carry(bytesIn: number, bytesOut: number): void {
    this.bytesIn += bytesIn;
    this.bytesOut += bytesOut;
  }
}

/** A connection that shows whether an endpoint serves again. */
export interface Trial {
  /** Something has come over it. */
  readonly answered: boolean;
}

/** Where a cluster's connections go. */
export class Endpoint implements Candidate {
  definition: EndpointDefinition;
  readonly tally = new Tally();
  /** Since it was last reached: attempts that failed, connections that broke. */
  failed = 0;
  broken = 0;
  /** Times in a row that it was connected to, and nothing came but an error. */
  unanswered = 0;
  /** It is ejected because of that: that it can be connected to is no news. */
  mute = false;
  /** The latest connection to one that is mute. */
  trial: Trial | undefined;
  /** Attempts to connect to it that take their time, while others are made in their place. */
  slow = 0;
  /** Milliseconds that the latest connection took until it stood. */
  took = 0;
  #sessions = 0;
  #connecting = 0;
  /** Sessions that it has or is getting, in the whole proxy. */
  readonly #load: Count;
  /** The endpoint was reached, at some time. */
  #known = false;
  /** Milliseconds of the present ejection. */
  #penalty = UP;
  /** On the clock of performance.now(): when it was first ejected, when the penalty began, and when it may be tried again. */
  #downSince = 0;
  #punishedAt = 0;
  #retryAt = 0;

  constructor(definition: EndpointDefinition, load: Count) {
    this.definition = definition;
    this.#load = load;
  }

  /** Of whom it is, and where: endpoints of which all is equal are one to `counts`, also one that takes another's place. */
  static counted(definition: EndpointDefinition, counts: SharedCounts): Endpoint {
    const { cluster, name, address, port } = definition;
    return new Endpoint(definition, counts.counter(`load of endpoint ${cluster} ${name} ${address} ${port}`));
  }

  /** The endpoint takes no new sessions, and is forgotten when those that it has have ended. */
  close(): void {
    this.#load.close();
  }

  /** Live sessions, of this data plane, with a stage connected to it. */
  get sessions(): number {
    return this.#sessions;
  }

  set sessions(sessions: number) {
    this.#load.add(sessions - this.#sessions);
    this.#sessions = sessions;
  }

  /** Likewise, those that are connecting to it. */
  get connecting(): number {
    return this.#connecting;
  }

  set connecting(connecting: number) {
    this.#load.add(connecting - this.#connecting);
    this.#connecting = connecting;
  }

  get name(): string {
    return this.definition.name;
  }

  get address(): string {
    return this.definition.address;
  }

  /** In place of the cluster's. */
  get port(): number | undefined {
    return this.definition.port;
  }

  get weight(): number {
    return this.definition.weight;
  }

  get load(): number {
    return this.#load.all;
  }

  get state(): EndpointState {
    if (this.weight === 0) return 'draining';
    if (this.ejected) return 'ejected';
    return this.#known ? 'up' : 'unknown';
  }

  get ejected(): boolean {
    return this.#penalty !== UP;
  }

  /** Whether sessions go elsewhere. One that could not be reached is tried beside them, one that is mute by a session. */
  avoided(now: number): boolean {
    return this.#penalty > 0 && !(this.mute && this.due(now));
  }

  /**
   * Milliseconds after which an attempt to connect is joined by one at another endpoint. Handshakes with one far away take
   * long each time, which is no reason to leave it.
   */
  get patience(): number {
    return Math.max(PATIENCE, 2 * this.took);
  }

  /** It was avoided, for a time that is over. */
  due(now: number): boolean {
    return this.#penalty > 0 && now >= this.#retryAt;
  }

  /** The endpoint is tried although it is ejected: the others wait for what becomes of that, or for another such time. */
  onTrial(now: number): void {
    this.#retryAt = now + this.#penalty;
  }

  /**
   * The endpoint could not be reached; `first` is the time in milliseconds for which it is avoided then. The attempts that were
   * under way together count as one; 0 is never. Returns whether it was up before.
   */
  eject(now: number, first: number): boolean {
    const wasUp = !this.ejected;
    if (wasUp) this.#downSince = now;
    else if (now - this.#punishedAt < this.#penalty) return false;
    this.#penalty = wasUp || !this.mute ? first : Math.min(2 * this.#penalty, LONGEST * first);
    this.#punishedAt = now;
    this.#retryAt = now + this.#penalty;
    return wasUp;
  }

  /** The endpoint was reached. Returns when it was first ejected, where it was, on the clock of performance.now(). */
  readmit(): number | undefined {
    this.failed = 0;
    this.broken = 0;
    this.mute = false;
    this.trial = undefined;
    this.#known = true;
    if (!this.ejected) return undefined;
    this.#penalty = UP;
    return this.#downSince;
  }
}
