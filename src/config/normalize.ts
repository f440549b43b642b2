import { L7mpError } from '../core/errors.ts';
import { freeName } from '../core/names.ts';
import type { Registry } from '../core/registry.ts';
import type { Definition, Kind } from '../model/definitions.ts';
import { LISTED_KINDS } from '../model/kinds.ts';
import type { Match } from '../model/match.ts';
import { DEFAULT_RETRY } from '../model/retry.ts';
import type { Rewrite } from '../model/rewrite.ts';
import { automaticName } from './automatic-names.ts';
import type {
  ClusterInput,
  ConfigInput,
  EndpointInput,
  ListedClusterInput,
  ListedEndpointInput,
  ListenerInput,
  RouteInput,
  RuleInput,
  RuleListInput,
} from './schema.ts';

/** The owner of an object, and where the object was written. */
interface Origin {
  readonly name: string;
  /** Undefined where it stands by itself. */
  readonly owner?: string | undefined;
  readonly path: string;
}

/** The names that are taken. */
export interface Names {
  of(kind: Kind): { has(name: string): boolean };
}

/** The names of a cluster's endpoints at an address and port. */
export type KnownEndpoints = (cluster: string, spec: EndpointInput['spec']) => readonly string[];

export const NOTHING: Names = { of: () => new Set() };

/**
 * Takes apart what users write: every inline definition becomes an object of its own, with a name. Checks names
 * against those that exist; changes nothing.
 */
export class Normalizer {
  readonly definitions: Definition[] = [];
  /** Where each was written, as a JSON pointer; of a rulelist, where its rules were. */
  readonly places = new Map<Definition, string>();
  readonly #existing: Names;
  readonly #registry: Registry;
  readonly #names = new Map<Kind, Set<string>>();
  readonly #known: KnownEndpoints;

  /** `known`: the names that endpoints of a cluster have, by address; they keep them where none is given. */
  constructor(existing: Names, registry: Registry, known: KnownEndpoints = () => []) {
    this.#existing = existing;
    this.#registry = registry;
    this.#known = known;
  }

  /** A whole configuration. The names that it gives are taken first, so that no automatic name gets in their way. */
  config(config: ConfigInput): void {
    const { clusters = [], endpoints = [], routes = [], rules = [], rulelists = [], listeners = [] } = config;
    const all = { cluster: clusters, route: routes, rule: rules, rulelist: rulelists, listener: listeners };
    for (const kind of LISTED_KINDS) {
      for (const [n, { name }] of all[kind].entries()) this.#claim(kind, name, `/${kind}s/${n}`);
    }
    for (const [n, { name }] of endpoints.entries()) {
      if (name !== undefined) this.#claim('endpoint', name, `/endpoints/${n}`);
    }
    const at = (kind: Kind, n: number, name: string, below = ''): Origin => ({ name, path: `/${kind}s/${n}${below}` });
    for (const [n, cluster] of clusters.entries()) this.#addCluster(cluster, at('cluster', n, cluster.name));
    this.#addListed(endpoints);
    for (const [n, route] of routes.entries()) this.#addRoute(route, at('route', n, route.name));
    for (const [n, rule] of rules.entries()) this.#addRule(rule, at('rule', n, rule.name));
    for (const [n, rulelist] of rulelists.entries())
      this.#addRuleList(rulelist, at('rulelist', n, rulelist.name, '/rules'));
    for (const [n, listener] of listeners.entries()) this.#addListener(listener, `/listeners/${n}`);
  }

  listener(listener: ListenerInput): void {
    this.#claim('listener', listener.name, '/listener');
    this.#addListener(listener, '/listener');
  }

  cluster(cluster: ClusterInput): void {
    this.#addCluster(cluster, this.#standing('cluster', cluster.name as string));
  }

  route(route: RouteInput): void {
    this.#addRoute(route, this.#standing('route', route.name as string));
  }

  rule(rule: RuleInput): void {
    this.#addRule(rule, this.#standing('rule', rule.name as string));
  }

  rulelist(rulelist: RuleListInput): void {
    const { name } = this.#standing('rulelist', rulelist.name as string);
    this.#addRuleList(rulelist, { name, path: '/rulelist/rules' });
  }

  /** An endpoint of a cluster that exists, and has `count` of them. */
  endpoint(endpoint: EndpointInput, cluster: string, count: number): void {
    this.#addEndpoint(endpoint, cluster, count, '/endpoint');
  }

  /** A rule, or the name of one, for a rulelist; returns the name. */
  ruleRef(rule: string | RuleInput, rulelist: string, position: number, path = '/rule'): string {
    if (typeof rule === 'string') return rule;
    const name = this.#name('rule', rule.name, automaticName.rule(rulelist, position), path);
    this.#addRule(rule, { name, owner: rulelist, path });
    return name;
  }

  // ------------------------------------------------------------------ own

  #put(definition: Definition, path: string): void {
    this.definitions.push(definition);
    this.places.set(definition, path);
  }

  /** An object that stands by itself. */
  #standing(kind: Kind, name: string): Origin {
    const path = `/${kind}`;
    return { name: this.#claim(kind, name, path), path };
  }

  #addListener({ name, spec, rules, options }: ListenerInput, path: string): void {
    const list = typeof rules === 'string' ? rules : this.#inlineRuleList(rules, name, `${path}/rules`);
    this.#put({ kind: 'listener', name, spec, rules: list, options: { ...options } }, path);
  }

  /** A rulelist, or its rules alone. */
  #inlineRuleList(written: RuleListInput | RuleListInput['rules'], listener: string, path: string): string {
    const rulelist = Array.isArray(written) ? { rules: written } : (written as RuleListInput);
    const name = this.#name('rulelist', rulelist.name, automaticName.rulelist(listener), path);
    this.#addRuleList(rulelist, { name, owner: listener, path: Array.isArray(written) ? path : `${path}/rules` });
    return name;
  }

  /** Its place is that of its rules, since it may be nothing but these. */
  #addRuleList({ rules }: RuleListInput, { name, owner, path }: Origin): void {
    const names = rules.map((rule, position) => this.ruleRef(rule, name, position, `${path}/${position}`));
    this.#put({ kind: 'rulelist', name, owner, rules: names }, path);
  }

  #addRule({ match, action }: RuleInput, { name, owner, path }: Origin): void {
    const { rewrite, route, apply } = action;
    const definition: Definition = {
      kind: 'rule',
      name,
      owner,
      // A text, or what the API shows for it, matches everything, as no match does.
      match: typeof match === 'object' && 'op' in match ? (match as Match) : undefined,
      rewrite: rewrite as readonly Rewrite[] | undefined,
      route: typeof route === 'object' ? this.#inlineRoute(route, name, `${path}/action/route`) : route,
      apply,
    };
    this.#put(definition, path);
  }

  #inlineRoute(route: RouteInput, rule: string, path: string): string {
    const name = this.#name('route', route.name, automaticName.route(rule), path);
    this.#addRoute(route, { name, owner: rule, path });
    return name;
  }

  #addRoute({ destination, ingress = [], egress = [], retry }: RouteInput, { name, owner, path }: Origin): void {
    const refer = (cluster: string | ClusterInput, automatic: string, at: string): string =>
      typeof cluster === 'string' ? cluster : this.#inlineCluster(cluster, automatic, name, `${path}/${at}`);
    const chain = (clusters: readonly (string | ClusterInput)[], way: 'ingress' | 'egress'): string[] =>
      clusters.map((cluster, n) => refer(cluster, automaticName.transform(name, way, n), `${way}/${n}`));
    const definition: Definition = {
      kind: 'route',
      name,
      owner,
      destination: refer(destination as string | ClusterInput, automaticName.destination(name), 'destination'),
      ingress: chain(ingress, 'ingress'),
      egress: chain(egress, 'egress'),
      retry: { ...DEFAULT_RETRY, ...retry },
    };
    this.#put(definition, path);
  }

  #inlineCluster(cluster: ClusterInput, automatic: string, route: string, path: string): string {
    const name = this.#name('cluster', cluster.name, automatic, path);
    this.#addCluster(cluster, { name, owner: route, path });
    return name;
  }

  #addCluster(cluster: ClusterInput | ListedClusterInput, { name, owner, path }: Origin): void {
    const { spec, endpoints = [], loadbalancer, options } = cluster;
    const { policy = 'Trivial', key } = loadbalancer ?? {};
    const balancer = { policy, ...(key !== undefined && { key }) };
    this.#put({ kind: 'cluster', name, owner, spec, loadbalancer: balancer, options: { ...options } }, path);
    // Of a number of endpoints, those that are listed elsewhere are all.
    if (typeof endpoints === 'number') return;
    this.#addEndpoints(endpoints, name, `${path}/endpoints`);
    const address = this.#registry.defaultAddress(spec);
    if (endpoints.length === 0 && address !== undefined) this.#addEndpoint({ spec: { address } }, name, 0, path);
  }

  // The names that are kept are claimed first, so that no automatic name gets in their way.
  #addEndpoints(endpoints: readonly EndpointInput[], cluster: string, path: string): void {
    const kept = endpoints.map(({ name, spec }, n) => {
      const free = (known: string): boolean => !this.#taken('endpoint', known);
      const found = name ?? this.#known(cluster, spec).find(free);
      return found === undefined ? undefined : this.#claim('endpoint', found, `${path}/${n}`);
    });
    for (const [n, endpoint] of endpoints.entries()) {
      const name = kept[n] ?? this.#name('endpoint', undefined, automaticName.endpoint(cluster, n), `${path}/${n}`);
      this.#putEndpoint(endpoint, cluster, name, `${path}/${n}`);
    }
  }

  /** Endpoints that stand beside their clusters; the names given are claimed. */
  #addListed(endpoints: readonly ListedEndpointInput[]): void {
    for (const [n, endpoint] of endpoints.entries()) {
      const path = `/endpoints/${n}`;
      const automatic = automaticName.endpoint(endpoint.cluster, n);
      const name = endpoint.name ?? this.#name('endpoint', undefined, automatic, path);
      this.#putEndpoint(endpoint, endpoint.cluster, name, path);
    }
  }

  #addEndpoint(endpoint: EndpointInput, cluster: string, n: number, path: string): void {
    const name = this.#name('endpoint', endpoint.name, automaticName.endpoint(cluster, n), path);
    this.#putEndpoint(endpoint, cluster, name, path);
  }

  #putEndpoint({ spec, weight }: EndpointInput, cluster: string, name: string, path: string): void {
    const { address, port } = spec;
    this.#put({ kind: 'endpoint', name, cluster, address, port, weight: weight ?? spec.weight ?? 1 }, path);
  }

  /** The name that the user gave, which must be free, or the automatic one, made unique. */
  #name(kind: Kind, given: string | undefined, automatic: string, path: string): string {
    return this.#claim(kind, given ?? freeName(automatic, (name) => this.#taken(kind, name)), path);
  }

  #claim(kind: Kind, name: string, path: string): string {
    if (this.#taken(kind, name)) {
      throw new L7mpError('E_DUPLICATE', `${path}/name: there is a ${kind} named ${JSON.stringify(name)} already`);
    }
    const names = this.#names.get(kind) ?? new Set();
    this.#names.set(kind, names.add(name));
    return name;
  }

  #taken(kind: Kind, name: string): boolean {
    return this.#existing.of(kind).has(name) || (this.#names.get(kind)?.has(name) ?? false);
  }
}
