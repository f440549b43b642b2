import { isDeepStrictEqual } from 'node:util';
import { automaticName } from '../config/automatic-names.ts';
import type { Registry } from '../core/registry.ts';
import type {
  ClusterDefinition,
  Definition,
  Kind,
  ListenerDefinition,
  RouteDefinition,
  RuleDefinition,
  RuleListDefinition,
} from '../model/definitions.ts';
import { opens, written } from '../model/kinds.ts';
import { DEFAULT_RETRY } from '../model/retry.ts';

type Written = Record<string, unknown>;

/**
 * The configuration as one would write it: endpoints in their clusters, what was written inline in its place and,
 * where the proxy would give it the same name again, without one. What equals a default is left out. Taken in again in
 * place of what runs, it changes nothing.
 */
export function applyForm(definitions: readonly Definition[]): Written {
  return new ApplyForm(definitions).all();
}

/** The definitions as others may see them. */
export function shownDefinitions(definitions: readonly Definition[], registry: Registry): Definition[] {
  return definitions.map((one) => (opens(one) ? { ...one, spec: registry.shown(one.kind, one.spec) } : one));
}

type Of<K extends Kind> = Extract<Definition, { readonly kind: K }>;

class ApplyForm {
  readonly #objects = new Map<Kind, Map<string, Definition>>();
  readonly #endpoints = new Map<string, Definition[]>();
  /** What stands inline already: a rule may be named more than once in its rulelist. */
  readonly #placed = new Set<Definition>();

  constructor(definitions: readonly Definition[]) {
    for (const definition of definitions) {
      this.#of(definition.kind).set(definition.name, definition as never);
      if (definition.kind === 'endpoint') this.#endpointsOf(definition.cluster).push(definition);
    }
  }

  all(): Written {
    const inOrder = {
      listeners: [...this.#of('listener').values()].map((listener) => this.#listener(listener)),
      rulelists: this.#unplaced('rulelist', (rulelist) => this.#rulelist(rulelist)),
      rules: this.#unplaced('rule', (rule) => this.#rule(rule)),
      routes: this.#unplaced('route', (route) => this.#route(route)),
      clusters: this.#unplaced('cluster', (cluster) => this.#cluster(cluster)),
    };
    return Object.fromEntries(Object.entries(inOrder).filter(([, objects]) => objects.length > 0));
  }

  // ------------------------------------------------------------------ own

  #of<K extends Kind>(kind: K): Map<string, Of<K>> {
    const objects = this.#objects.get(kind) ?? new Map<string, Definition>();
    this.#objects.set(kind, objects);
    return objects as Map<string, Of<K>>;
  }

  #endpointsOf(cluster: string): Definition[] {
    const endpoints = this.#endpoints.get(cluster) ?? [];
    this.#endpoints.set(cluster, endpoints);
    return endpoints;
  }

  /** The objects that stand by themselves. */
  #unplaced<K extends Kind>(kind: K, write: (one: Of<K>) => Written): Written[] {
    return [...this.#of(kind).values()].filter((one) => !this.#placed.has(one)).map(write);
  }

  #listener({ name, spec, rules, options }: ListenerDefinition): Written {
    const list = this.#place('rulelist', rules, name, automaticName.rulelist(name), (one) => this.#rulelist(one));
    return { name, spec, rules: isOnlyRules(list) ? list.rules : list, ...unlessEmpty({ options }) };
  }

  #rulelist({ name, rules }: RuleListDefinition): Written {
    const write = (rule: string, n: number) =>
      this.#place('rule', rule, name, automaticName.rule(name, n), (one) => this.#rule(one));
    return { name, rules: rules.map(write) };
  }

  #rule(rule: RuleDefinition): Written {
    const { name, match, rewrite, route, apply } = rule;
    const to = route && this.#place('route', route, name, automaticName.route(name), (one) => this.#route(one));
    return {
      name,
      ...(match && { match }),
      action: { ...(rewrite && { rewrite }), ...(apply && { apply }), ...(to && { route: to }) },
    };
  }

  #route({ name, destination, ingress, egress, retry }: RouteDefinition): Written {
    const cluster = (to: string, automatic: string) =>
      this.#place('cluster', to, name, automatic, (one) => this.#cluster(one));
    const chain = (clusters: readonly string[], way: 'ingress' | 'egress') =>
      clusters.map((to, n) => cluster(to, automaticName.transform(name, way, n)));
    return {
      name,
      destination: cluster(destination, automaticName.destination(name)),
      ...unlessEmpty({ ingress: chain(ingress, 'ingress'), egress: chain(egress, 'egress') }),
      ...(!isDeepStrictEqual(retry, DEFAULT_RETRY) && { retry }),
    };
  }

  #cluster({ name, spec, loadbalancer, options }: ClusterDefinition): Written {
    const endpoints = this.#endpointsOf(name).map((definition, n) => {
      const { name: own, weight, ...endpoint } = written(definition);
      return {
        ...(own !== automaticName.endpoint(name, n) && { name: own }),
        ...endpoint,
        ...(weight !== 1 && { weight }),
      };
    });
    const isDefault = loadbalancer.policy === 'Trivial' && loadbalancer.key === undefined;
    return {
      name,
      spec,
      ...unlessEmpty({ endpoints }),
      ...(!isDefault && { loadbalancer }),
      ...unlessEmpty({ options }),
    };
  }

  /** An object where it was written, or its name where it stands elsewhere. */
  #place<K extends Kind>(
    kind: K,
    name: string,
    owner: string,
    automatic: string,
    write: (one: Of<K>) => Written,
  ): string | Written {
    const definition = this.#of(kind).get(name);
    if (!definition || !('owner' in definition) || definition.owner !== owner || this.#placed.has(definition))
      return name;
    this.#placed.add(definition);
    const { name: own, ...object } = write(definition);
    return own === automatic ? object : { name: own, ...object };
  }
}

/** A rulelist whose name nobody gave is written as its rules. */
function isOnlyRules(list: string | Written): list is { rules: unknown[] } {
  return typeof list === 'object' && !('name' in list);
}

function unlessEmpty(fields: Record<string, object>): Written {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => Object.keys(value).length > 0));
}
