/** Configuration objects as the REST API shows them: with names of others, or recursively with what they refer to. */

import { VIRTUAL } from '../cluster/endpoint.ts';
import { L7mpError } from '../core/errors.ts';
import type { Registry } from '../core/registry.ts';
import type {
  ClusterDefinition,
  Definition,
  EndpointDefinition,
  Kind,
  ListenerDefinition,
  RouteDefinition,
  RuleDefinition,
  RuleListDefinition,
} from '../model/definitions.ts';
import type { DefinitionStore } from '../reconcile/definition-store.ts';
import type {
  ClusterView,
  EndpointView,
  ListedEndpointView,
  ListenerView,
  RouteView,
  RuleListView,
  RuleView,
} from './answers.ts';

/**
 * Bytes of objects that a recursive read shows inside of others, at most. Each of ten thousand rules may show the ten
 * thousand endpoints of one cluster: what is read grows with the square of what was written.
 */
const MAX_EXPANDED = 32 << 20;

/** Bytes that definitions have as JSON; they never change. */
const sizes = new WeakMap<Definition, number>();

function sizeOf(definition: Definition): number {
  let size = sizes.get(definition);
  if (size === undefined) {
    size = Buffer.byteLength(JSON.stringify(definition));
    sizes.set(definition, size);
  }
  return size;
}

export interface ViewContext {
  readonly store: DefinitionStore;
  readonly registry: Registry;
}

export class Views {
  readonly #store: DefinitionStore;
  readonly #registry: Registry;
  readonly #recursive: boolean;
  #expanded = 0;

  constructor({ store, registry }: ViewContext, recursive: boolean) {
    this.#store = store;
    this.#registry = registry;
    this.#recursive = recursive;
  }

  /** Every object of a kind, in the order of creation. */
  all(kind: Kind): unknown[] {
    return [...this.#store.of(kind).values()].map(({ definition }) => this.#view(definition));
  }

  /** Throws E_UNKNOWN. */
  one(kind: Kind, name: string): unknown {
    return this.#view(this.#store.definition(kind, name));
  }

  /** The endpoints of all clusters, so that they can be put back into them. */
  endpoints(): ListedEndpointView[] {
    return [...this.#store.of('endpoint').values()].map(({ definition }) => ({
      ...this.#endpoint(definition),
      cluster: definition.cluster,
    }));
  }

  /** Those that it was given, or the one of its own that a cluster without a network has. Throws E_UNKNOWN. */
  endpointsOf(cluster: string): EndpointView[] {
    const { spec } = this.#store.definition('cluster', cluster);
    if (this.#registry.cluster(spec.protocol).virtual) {
      return [{ name: cluster, spec: { address: VIRTUAL }, weight: 1 }];
    }
    return [...this.#store.endpointsOf(cluster).values()].map(({ definition }) => this.#endpoint(definition));
  }

  // ------------------------------------------------------------------ own

  #view(definition: Definition): unknown {
    switch (definition.kind) {
      case 'listener':
        return this.#listener(definition);
      case 'rulelist':
        return this.#rulelist(definition);
      case 'rule':
        return this.#rule(definition);
      case 'route':
        return this.#route(definition);
      case 'cluster':
        return this.#cluster(definition);
      case 'endpoint':
        return this.#endpoint(definition);
    }
  }

  /** Recursively, the rules of its list, not the list: that is how they are written inline. */
  #listener({ name, spec, rules, options }: ListenerDefinition): ListenerView {
    const list = this.#refer(this.#store.of('rulelist'), rules, (found) => this.#rulelist(found));
    const shown = this.#registry.shown('listener', spec);
    return { name, spec: shown, rules: typeof list === 'string' ? list : list.rules, options };
  }

  #rulelist({ name, rules }: RuleListDefinition): RuleListView {
    return {
      name,
      rules: rules.map((rule) => this.#refer(this.#store.of('rule'), rule, (found) => this.#rule(found))),
    };
  }

  #rule({ name, match, rewrite, route, apply }: RuleDefinition): RuleView {
    return {
      name,
      match: typeof match === 'object' && 'op' in match ? match : { match: '*' },
      action: {
        ...(rewrite && { rewrite: [...rewrite] }),
        ...(route !== undefined && {
          route: this.#refer(this.#store.of('route'), route, (found) => this.#route(found)),
        }),
        ...(apply !== undefined && { apply }),
      },
    };
  }

  #route({ name, destination, ingress, egress, retry }: RouteDefinition): RouteView {
    const cluster = (to: string) => this.#refer(this.#store.of('cluster'), to, (found) => this.#cluster(found));
    return {
      name,
      destination: cluster(destination),
      ingress: ingress.map(cluster),
      egress: egress.map(cluster),
      retry,
    };
  }

  #cluster({ name, spec, loadbalancer, options }: ClusterDefinition): ClusterView {
    const there = this.#store.endpointsOf(name);
    if (this.#recursive) for (const { definition } of there.values()) this.#spend(definition);
    const endpoints = this.#recursive ? this.endpointsOf(name) : there.size;
    return { name, spec: this.#registry.shown('cluster', spec), endpoints, loadbalancer, options };
  }

  #endpoint({ name, address, port, weight }: EndpointDefinition): EndpointView {
    return { name, spec: { address, ...(port !== undefined && { port }) }, weight };
  }

  /** The name, or what it leads to. */
  #refer<D extends Definition, V>(
    objects: ReadonlyMap<string, { readonly definition: D }>,
    name: string,
    view: (definition: D) => V,
  ): string | V {
    if (!this.#recursive) return name;
    const found = objects.get(name);
    if (!found) return `${name}:<STALE>`;
    this.#spend(found.definition);
    return view(found.definition);
  }

  #spend(definition: Definition): void {
    this.#expanded += sizeOf(definition);
    if (this.#expanded <= MAX_EXPANDED) return;
    throw new L7mpError(
      'E_REQUEST',
      '?recursive: the answer would be too large; read the objects one by one, without it',
    );
  }
}
