import type { L7mpError } from '../core/errors.ts';
import { idleTimeout } from '../core/limits.ts';
import type { Log } from '../core/log.ts';
import type { Json, Metadata } from '../core/metadata.ts';
import { getAt, type Pointer, parsePointer } from '../core/pointer.ts';
import type { ClusterSide, Dialer, StreamKind } from '../core/protocol.ts';
import { LocalCount } from '../counts/counter.ts';
import type { ClusterDefinition } from '../model/definitions.ts';
import { type Balancer, createBalancer } from './balancers/index.ts';
import { Endpoint, Tally, VIRTUAL } from './endpoint.ts';
import { isEndpointFault } from './outcome.ts';

/** Default of fail_timeout, in milliseconds. */
const FAIL_TIMEOUT = 2000;

/**
 * Connections in a row that brought nothing but an error, after which an endpoint is down. One may be due to what its
 * client has sent, and a single client should not take an endpoint from all others.
 */
const UNANSWERED = 3;

const NOBODY: ReadonlySet<Endpoint> = new Set();

/** An attempt to connect to an endpoint, and the milliseconds that it has taken. */
interface Tried {
  readonly endpoint: Endpoint;
  readonly took: number;
}

/** A service that sessions are routed to: a protocol's dialler, endpoints, and the choice among them. */
export class Cluster {
  definition: ClusterDefinition;
  readonly side: ClusterSide;
  readonly dialer: Dialer;
  readonly kind: StreamKind;
  #balancer: Balancer<Endpoint>;
  #key: Pointer | undefined;
  readonly #endpoints: ReadonlyMap<string, Endpoint>;
  readonly #log: Log;
  /** Those that are ejected. */
  #ejected = new Set<Endpoint>();
  /** Those that may turn out to be down: attempts to connect to them take their time. */
  readonly #slow = new Set<Endpoint>();
  /** What stands for a cluster without a network. */
  #virtual: Endpoint | undefined;
  #changed = true;
  /** Stages that were begun for it. */
  requests = 0;
  tally = new Tally();

  /** `endpoints` is kept by others, who say when it has `changed`. */
  constructor(
    definition: ClusterDefinition,
    side: ClusterSide,
    dialer: Dialer,
    kind: StreamKind,
    endpoints: ReadonlyMap<string, Endpoint>,
    log: Log,
  ) {
    this.#endpoints = endpoints;
    this.#log = log;
    this.definition = definition;
    this.side = side;
    this.dialer = dialer;
    this.kind = kind;
    this.#balancer = createBalancer(definition.loadbalancer.policy);
    this.#key = keyPointer(definition);
  }

  /** Takes up another definition, but for what its dialler was opened with. */
  define(definition: ClusterDefinition): void {
    const { policy } = definition.loadbalancer;
    if (policy !== this.definition.loadbalancer.policy) {
      this.#balancer = createBalancer(policy);
      this.changed();
    }
    this.#key = keyPointer(definition);
    this.definition = definition;
  }

  get name(): string {
    return this.definition.name;
  }

  /** Milliseconds; 0 is never. */
  get idleTimeout(): number | undefined {
    return idleTimeout(this.definition.options.idle_timeout, this.side.idleTimeout, this.definition.spec);
  }

  get endpoints(): Endpoint[] {
    return [...this.#endpoints.values()];
  }

  /** An endpoint has come, gone or been replaced: the balancer is told before the next pick. */
  changed(): void {
    this.#changed = true;
  }

  /** Counts on from where the cluster that it takes the place of has come to; that one's live sessions count too. */
  inherit({ requests, tally }: Cluster): void {
    this.requests = requests;
    this.tally = tally;
  }

  /** The endpoint for one attempt: without those that it has `tried`, and those that are ejected, while others are left. */
  pick(session: { readonly metadata: Metadata }, tried: ReadonlySet<Endpoint> = NOBODY): Endpoint | undefined {
    // Told at the first pick after a change: ten thousand endpoints that come one by one are one update.
    if (this.#changed) this.#update();
    const endpoint = this.#balancer.pick(this.#key && keyOf(session.metadata, this.#key), tried, this.#avoided());
    if (endpoint?.ejected) endpoint.onTrial(performance.now());
    return endpoint;
  }

  /** Whether there is an endpoint that takes sessions beside those that were `tried`; `live`: and is not ejected. */
  hasOther(tried: ReadonlySet<Endpoint>, live = false): boolean {
    for (const endpoint of this.#endpoints.values()) {
      if (endpoint.weight > 0 && !tried.has(endpoint) && !(live && (endpoint.ejected || endpoint.slow > 0)))
        return true;
    }
    return false;
  }

  get plural(): boolean {
    return this.#endpoints.size > 1;
  }

  /**
   * One that could not be reached and is to be tried again, by the caller, beside what a session does: no session waits for
   * an endpoint that is likely down while there are others.
   */
  due(): Endpoint | undefined {
    if (this.#ejected.size === 0) return undefined;
    const now = performance.now();
    for (const endpoint of this.#ejected) {
      if (endpoint.mute || endpoint.weight === 0 || !endpoint.due(now)) continue;
      endpoint.onTrial(now);
      return endpoint;
    }
    return undefined;
  }

  /** Gives back what its dialler has: its sessions have ended, or go on with what they have. */
  async close(): Promise<void> {
    await this.dialer.close?.();
  }

  /** An attempt that is not the first of its stage is made. */
  retried(endpoint: Endpoint): void {
    this.tally.retries++;
    endpoint.tally.retries++;
  }

  /** So many more attempts to connect to an endpoint take their time. */
  slower(endpoint: Endpoint, attempts: number): void {
    endpoint.slow += attempts;
    if (endpoint.slow > 0 && this.#failTimeout > 0) this.#slow.add(endpoint);
    else this.#slow.delete(endpoint);
  }

  /** What has become of an attempt to connect to an endpoint; without an error it stands. */
  outcome(attempt: Tried, error?: L7mpError): void {
    const { endpoint } = attempt;
    if (error === undefined) {
      endpoint.took = attempt.took;
      if (!endpoint.mute) this.#readmit(endpoint);
    } else {
      this.tally.failures++;
      endpoint.tally.failures++;
      endpoint.failed++;
      if (isEndpointFault(error)) this.#eject(endpoint, `${error.message} (after ${attempt.took} ms)`);
    }
  }

  /** The endpoint was connected to, and what came was an error, or an end, and nothing else. */
  unanswered(endpoint: Endpoint, why: string): void {
    if (++endpoint.unanswered < UNANSWERED) return;
    endpoint.mute ||= !endpoint.ejected;
    this.#eject(endpoint, `${why} (${endpoint.unanswered} times, and nothing else came)`);
  }

  /** Something came from the endpoint over a connection. */
  answered(endpoint: Endpoint): void {
    endpoint.unanswered = 0;
    if (endpoint.mute) this.#readmit(endpoint);
  }

  /** A connection to an endpoint has ended before its session was complete. */
  disconnected(endpoint: Endpoint): void {
    this.tally.disconnects++;
    endpoint.tally.disconnects++;
    endpoint.broken++;
  }

  /** A connection is closed, over which so many bytes came from an endpoint and went to it. */
  carried(endpoint: Endpoint, bytesIn: number, bytesOut: number): void {
    this.tally.carry(bytesIn, bytesOut);
    endpoint.tally.carry(bytesIn, bytesOut);
  }

  // ------------------------------------------------------------------ own

  /** Milliseconds; with 0 no endpoint is avoided. */
  get #failTimeout(): number {
    return this.definition.options.fail_timeout ?? FAIL_TIMEOUT;
  }

  #update(): void {
    this.#changed = false;
    if (this.side.virtual) this.#virtual ??= virtualEndpoint(this.name);
    this.#balancer.update(this.#virtual ? [this.#virtual] : this.endpoints);
    this.#ejected = new Set(this.endpoints.filter(({ ejected }) => ejected));
  }

  #avoided(): ReadonlySet<Endpoint> {
    if (this.#ejected.size + this.#slow.size === 0) return NOBODY;
    const now = performance.now();
    for (const endpoint of this.#ejected) if (endpoint.trial?.answered) this.answered(endpoint);
    return new Set([...this.#slow, ...[...this.#ejected].filter((endpoint) => endpoint.avoided(now))]);
  }

  #eject(endpoint: Endpoint, why: string): void {
    // One that was deleted meanwhile is no news.
    if (endpoint !== this.#virtual && this.#endpoints.get(endpoint.name) !== endpoint) return;
    if (!endpoint.eject(performance.now(), this.#failTimeout)) return;
    this.#ejected.add(endpoint);
    const { broken, failed, unanswered, sessions } = endpoint;
    const affected = count(Math.max(broken, failed, unanswered), 'session');
    const text = `${nameOf(endpoint)} is down: ${why}; ${affected} affected, ${sessions} still connected`;
    this.#log.write('warn', this.name, text);
  }

  #readmit(endpoint: Endpoint): void {
    const { failed } = endpoint;
    const since = endpoint.readmit();
    if (since === undefined) return;
    this.#ejected.delete(endpoint);
    const time = ((performance.now() - since) / 1000).toFixed(1);
    const text = `${nameOf(endpoint)} answers again after ${time} s; ${count(failed, 'attempt')} failed`;
    this.#log.write('warn', this.name, text);
  }
}

function nameOf({ name, address, port }: Endpoint): string {
  if (address === VIRTUAL) return 'it';
  return `endpoint ${name} (${address}${port === undefined ? '' : `, port ${port}`})`;
}

function count(n: number, what: string): string {
  return `${n} ${what}${n === 1 ? '' : 's'}`;
}

function virtualEndpoint(cluster: string): Endpoint {
  const definition = {
    kind: 'endpoint',
    name: cluster,
    cluster,
    address: VIRTUAL,
    port: undefined,
    weight: 1,
  } as const;
  return new Endpoint(definition, new LocalCount());
}

function keyPointer({ loadbalancer: { key } }: ClusterDefinition): Pointer | undefined {
  return key === undefined ? undefined : parsePointer(key);
}

function keyOf(metadata: Metadata, pointer: Pointer): string | undefined {
  const value: Json | undefined = getAt(metadata, pointer);
  if (value === undefined) return undefined;
  return typeof value === 'string' ? value : JSON.stringify(value);
}
