import type { Json, Metadata } from '../core/metadata.ts';
import { getAt, type Pointer, parsePointer } from '../core/pointer.ts';
import type { ClusterSide, Dialer, StreamKind } from '../core/protocol.ts';
import type { ClusterDefinition } from '../reconcile/definitions.ts';
import { type Balancer, createBalancer } from './balancers/index.ts';
import { Endpoint, VIRTUAL } from './endpoint.ts';

const NOBODY: ReadonlySet<Endpoint> = new Set();

/** A service that sessions are routed to: a protocol's dialler, endpoints, and the choice among them. */
export class Cluster {
  definition: ClusterDefinition;
  readonly side: ClusterSide;
  readonly dialer: Dialer;
  readonly kind: StreamKind;
  #balancer: Balancer<Endpoint>;
  #key: Pointer | undefined;
  readonly #endpoints: ReadonlyMap<string, Endpoint>;
  #changed = true;
  /** Stages that were begun for it. */
  requests = 0;

  /** `endpoints` is kept by others, who say when it has `changed`. */
  constructor(
    definition: ClusterDefinition,
    side: ClusterSide,
    dialer: Dialer,
    kind: StreamKind,
    endpoints: ReadonlyMap<string, Endpoint>,
  ) {
    this.#endpoints = endpoints;
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

  /** How many endpoints it was given: a cluster without a network has none. */
  get size(): number {
    return this.#endpoints.size;
  }

  /** An endpoint has come, gone or been replaced: the balancer is told before the next pick. */
  changed(): void {
    this.#changed = true;
  }

  /** The endpoint for one attempt, without those that `failed` while others are left. */
  pick(session: { readonly metadata: Metadata }, failed: ReadonlySet<Endpoint> = NOBODY): Endpoint | undefined {
    // Told at the first pick after a change: ten thousand endpoints that come one by one are one update.
    if (this.#changed) this.#balancer.update(this.side.virtual ? [virtualEndpoint(this.name)] : this.endpoints);
    this.#changed = false;
    return this.#balancer.pick(this.#key && keyOf(session.metadata, this.#key), failed);
  }
}

function virtualEndpoint(cluster: string): Endpoint {
  return new Endpoint({ kind: 'endpoint', name: cluster, cluster, address: VIRTUAL, weight: 1 });
}

function keyPointer({ loadbalancer: { key } }: ClusterDefinition): Pointer | undefined {
  return key === undefined ? undefined : parsePointer(key);
}

function keyOf(metadata: Metadata, pointer: Pointer): string | undefined {
  const value: Json | undefined = getAt(metadata, pointer);
  if (value === undefined) return undefined;
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/** What the options say, else what the protocol says, in milliseconds; 0 is never, undefined that nobody says anything. */
export function idleTimeout<S>(
  configured: number | undefined,
  byProtocol: number | ((spec: S) => number | undefined) | undefined,
  spec: S,
): number | undefined {
  return configured ?? (typeof byProtocol === 'function' ? byProtocol(spec) : byProtocol);
}
