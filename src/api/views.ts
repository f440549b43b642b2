/** Configuration objects as the REST API shows them: with names of others, or recursively with what they refer to. */
import type { Definition, Kind } from '../reconcile/definitions.ts';
import type { Store } from '../reconcile/store.ts';

export class Views {
  readonly #store: Store;
  readonly #recursive: boolean;

  constructor(store: Store, recursive: boolean) {
    this.#store = store;
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

  endpointsOf(cluster: string): unknown[] {
    this.#store.definition('cluster', cluster);
    return [...this.#store.endpointsOf(cluster).values()].map(({ definition }) => this.#view(definition));
  }

  // ------------------------------------------------------------------ own

  #view(definition: Definition): unknown {
    switch (definition.kind) {
      case 'listener':
        return {
          name: definition.name,
          spec: definition.spec,
          rules: this.#rulesOf(definition.rules),
          options: definition.options,
        };
      case 'rulelist':
        return { name: definition.name, rules: definition.rules.map((rule) => this.#refer('rule', rule)) };
      case 'rule':
        return this.#rule(definition);
      case 'route':
        return {
          name: definition.name,
          destination: this.#refer('cluster', definition.destination),
          ingress: definition.ingress.map((cluster) => this.#refer('cluster', cluster)),
          egress: definition.egress.map((cluster) => this.#refer('cluster', cluster)),
          retry: definition.retry,
        };
      case 'cluster':
        return {
          name: definition.name,
          spec: definition.spec,
          endpoints: this.#recursive
            ? this.endpointsOf(definition.name)
            : this.#store.endpointsOf(definition.name).size,
          loadbalancer: definition.loadbalancer,
          options: definition.options,
        };
      case 'endpoint':
        return { name: definition.name, spec: { address: definition.address }, weight: definition.weight };
    }
  }

  #rule({ name, match, rewrite, route, apply }: Extract<Definition, { kind: 'rule' }>): unknown {
    return {
      name,
      match: typeof match === 'object' && 'op' in match ? match : { match: '*' },
      action: {
        ...(rewrite && { rewrite }),
        ...(route !== undefined && { route: this.#refer('route', route) }),
        ...(apply !== undefined && { apply }),
      },
    };
  }

  /** A listener shows the rules of its list, not the list: that is how they are written inline. */
  #rulesOf(rulelist: string): unknown {
    if (!this.#recursive) return rulelist;
    const list = this.#store.rulelists.get(rulelist);
    return list ? list.definition.rules.map((rule) => this.#refer('rule', rule)) : stale(rulelist);
  }

  #refer(kind: Kind, name: string): unknown {
    if (!this.#recursive) return name;
    const found = this.#store.of(kind).get(name);
    return found ? this.#view(found.definition) : stale(name);
  }
}

function stale(name: string): string {
  return `${name}:<STALE>`;
}
