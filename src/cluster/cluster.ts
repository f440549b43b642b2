import type { QueueLimits } from '../core/channel.ts';
import type { Json, Metadata } from '../core/metadata.ts';
import { getAt, type Pointer, parsePointer } from '../core/pointer.ts';
import type { ClusterSide, Dialer, StreamKind } from '../core/protocol.ts';
import type { ClusterDefinition } from '../reconcile/definitions.ts';
import { type Balancer, createBalancer } from './balancers/index.ts';
import { Endpoint, VIRTUAL } from './endpoint.ts';

const NOBODY: ReadonlySet<Endpoint> = new Set();

/** A service that sessions are routed to: a protocol's dialler, endpoints, and the choice among them. */
export class Cluster {
  readonly definition: ClusterDefinition;
  readonly side: ClusterSide;
  readonly dialer: Dialer;
  readonly limits: QueueLimits;
  readonly #balancer: Balancer<Endpoint>;
  readonly #key: Pointer | undefined;
  readonly #endpoints = new Map<string, Endpoint>();
  /** Stages that were begun for it. */
  requests = 0;

  constructor(definition: ClusterDefinition, side: ClusterSide, dialer: Dialer, limits: QueueLimits) {
    this.definition = definition;
    this.side = side;
    this.dialer = dialer;
    this.limits = limits;
    const { policy, key } = definition.loadbalancer;
    this.#balancer = createBalancer(policy);
    this.#key = key === undefined ? undefined : parsePointer(key);
    if (side.virtual) this.#balancer.update([new Endpoint(definition.name, definition.name, VIRTUAL, 1)]);
  }

  get name(): string {
    return this.definition.name;
  }

  get kind(): StreamKind {
    const { kind } = this.side;
    return typeof kind === 'function' ? kind(this.definition.spec) : kind;
  }

  /** Milliseconds, or undefined for never. */
  get idleTimeout(): number | undefined {
    return idleTimeout(this.definition.options.idle_timeout, this.side.idleTimeout, this.definition.spec);
  }

  get endpoints(): Endpoint[] {
    return [...this.#endpoints.values()];
  }

  /** Adds endpoints, or replaces those of the same name. */
  add(endpoints: readonly Endpoint[]): void {
    for (const endpoint of endpoints) this.#endpoints.set(endpoint.name, endpoint);
    this.#balancer.update(this.endpoints);
  }

  remove(endpoint: Endpoint): void {
    if (this.#endpoints.delete(endpoint.name)) this.#balancer.update(this.endpoints);
  }

  /** The endpoint for one attempt, without those that `failed` while others are left. */
  pick(session: { readonly metadata: Metadata }, failed: ReadonlySet<Endpoint> = NOBODY): Endpoint | undefined {
    return this.#balancer.pick(this.#key && keyOf(session.metadata, this.#key), failed);
  }
}

function keyOf(metadata: Metadata, pointer: Pointer): string | undefined {
  const value: Json | undefined = getAt(metadata, pointer);
  if (value === undefined) return undefined;
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/** What the options say, else what the protocol says; 0 is never. */
export function idleTimeout<S>(
  configured: number | undefined,
  byProtocol: number | ((spec: S) => number | undefined) | undefined,
  spec: S,
): number | undefined {
  const timeout = configured ?? (typeof byProtocol === 'function' ? byProtocol(spec) : byProtocol);
  return timeout === 0 ? undefined : timeout;
}
