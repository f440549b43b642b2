import type {
  ClusterInput,
  ConfigInput,
  EndpointInput,
  ListedClusterInput,
  ListedEndpointInput,
  ListenerInput,
  Retry,
  RouteInput,
  RuleInput,
  RuleListInput,
} from '../config/schema.ts';
import { L7mpError } from '../core/errors.ts';
import { freeName } from '../core/names.ts';
import type { Registry } from '../core/registry.ts';
import type { Match } from '../routing/predicate.ts';
import type { Rewrite } from '../routing/rewrite.ts';
import type { Definition, Kind } from './definitions.ts';

const DEFAULT_RETRY: Retry = { retry_on: 'never', num_retries: 1, timeout: 2000 };

/** What an automatic name calls the kind. */
const TITLES = { rulelist: 'RuleList', rule: 'Rule', route: 'Route', endpoint: 'EndPoint' } as const;

/** The names that are taken. */
export interface Names {
  of(kind: Kind): { has(name: string): boolean };
}

/** The names of a cluster's endpoints at an address. */
export type KnownEndpoints = (cluster: string, address: string) => readonly string[];

export const NOTHING: Names = { of: () => new Set() };

/**
 * Takes apart what users write: every inline definition becomes an object of its own, with a name. Checks names
 * against those that exist; changes nothing.
 */
export class Normalizer {
  readonly definitions: Definition[] = [];
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
    for (const { name } of clusters) this.#claim('cluster', name);
    for (const { name } of routes) this.#claim('route', name);
    for (const { name } of rules) this.#claim('rule', name);
    for (const { name } of rulelists) this.#claim('rulelist', name);
    for (const { name } of listeners) this.#claim('listener', name);
    for (const { name } of endpoints) if (name !== undefined) this.#claim('endpoint', name);
    for (const cluster of clusters) this.#addCluster(cluster, cluster.name, undefined);
    this.#addListed(endpoints);
    for (const route of routes) this.#addRoute(route, route.name, undefined);
    for (const rule of rules) this.#addRule(rule, rule.name, undefined);
    for (const rulelist of rulelists) this.#addRuleList(rulelist, rulelist.name, undefined);
    for (const listener of listeners) this.#addListener(listener);
  }

  listener(listener: ListenerInput): void {
    this.#claim('listener', listener.name);
    this.#addListener(listener);
  }

  cluster(cluster: ClusterInput): void {
    this.#addCluster(cluster, this.#claim('cluster', cluster.name as string), undefined);
  }

  route(route: RouteInput): void {
    this.#addRoute(route, this.#claim('route', route.name as string), undefined);
  }

  rule(rule: RuleInput): void {
    this.#addRule(rule, this.#claim('rule', rule.name as string), undefined);
  }

  rulelist(rulelist: RuleListInput): void {
    this.#addRuleList(rulelist, this.#claim('rulelist', rulelist.name as string), undefined);
  }

  /** An endpoint of a cluster that exists, and has `count` of them. Returns its name. */
  endpoint(endpoint: EndpointInput, cluster: string, count: number): string {
    return this.#addEndpoint(endpoint, cluster, count);
  }

  /** A rule, or the name of one, for a rulelist; returns the name. */
  ruleRef(rule: string | RuleInput, rulelist: string, position: number): string {
    if (typeof rule === 'string') return rule;
    const name = this.#name('rule', rule.name, `${rulelist}-${TITLES.rule}-${position}`);
    this.#addRule(rule, name, rulelist);
    return name;
  }

  // ------------------------------------------------------------------ own

  #addListener({ name, spec, rules, options }: ListenerInput): void {
    const list =
      typeof rules === 'string' ? rules : this.#inlineRuleList(Array.isArray(rules) ? { rules } : rules, name);
    this.definitions.push({ kind: 'listener', name, spec, rules: list, options: { ...options } });
  }

  #inlineRuleList(rulelist: RuleListInput, listener: string): string {
    const name = this.#name('rulelist', rulelist.name, `${listener}-${TITLES.rulelist}-0`);
    this.#addRuleList(rulelist, name, listener);
    return name;
  }

  #addRuleList({ rules }: RuleListInput, name: string, owner: string | undefined): void {
    const names = rules.map((rule, position) => this.ruleRef(rule, name, position));
    this.definitions.push({ kind: 'rulelist', name, owner, rules: names });
  }

  #addRule({ match, action }: RuleInput, name: string, owner: string | undefined): void {
    const { rewrite, route, apply } = action;
    this.definitions.push({
      kind: 'rule',
      name,
      owner,
      match: match as Match,
      rewrite: rewrite as readonly Rewrite[] | undefined,
      route: typeof route === 'object' ? this.#inlineRoute(route, name) : route,
      apply,
    });
  }

  #inlineRoute(route: RouteInput, rule: string): string {
    const name = this.#name('route', route.name, `${rule}-${TITLES.route}-0`);
    this.#addRoute(route, name, rule);
    return name;
  }

  #addRoute(
    { destination, ingress = [], egress = [], retry }: RouteInput,
    name: string,
    owner: string | undefined,
  ): void {
    const chain = (clusters: readonly (string | ClusterInput)[], way: string): string[] =>
      clusters.map((cluster, n) => this.#clusterRef(cluster, `${name}-${way}-Cluster-${n}`, name));
    this.definitions.push({
      kind: 'route',
      name,
      owner,
      destination: this.#clusterRef(destination as string | ClusterInput, `${name}-Cluster-0`, name),
      ingress: chain(ingress, 'ingress'),
      egress: chain(egress, 'egress'),
      retry: { ...DEFAULT_RETRY, ...retry },
    });
  }

  #clusterRef(cluster: string | ClusterInput, automatic: string, route: string): string {
    if (typeof cluster === 'string') return cluster;
    const name = this.#name('cluster', cluster.name, automatic);
    this.#addCluster(cluster, name, route);
    return name;
  }

  #addCluster(cluster: ClusterInput | ListedClusterInput, name: string, owner: string | undefined): void {
    const { spec, endpoints = [], loadbalancer, options } = cluster;
    const { policy = 'Trivial', key } = loadbalancer ?? {};
    const balancer = { policy, ...(key !== undefined && { key }) };
    this.definitions.push({ kind: 'cluster', name, owner, spec, loadbalancer: balancer, options: { ...options } });
    // Of a number of endpoints, those that are listed elsewhere are all.
    if (typeof endpoints === 'number') return;
    this.#addEndpoints(endpoints, name);
    const address = this.#registry.defaultAddress(spec);
    if (endpoints.length === 0 && address !== undefined) this.#addEndpoint({ spec: { address } }, name, 0);
  }

  // The names that are kept are claimed first, so that no automatic name gets in their way.
  #addEndpoints(endpoints: readonly EndpointInput[], cluster: string): void {
    const kept = endpoints.map(({ name, spec }) => {
      const free = (known: string): boolean => !this.#taken('endpoint', known);
      const found = name ?? this.#known(cluster, spec.address).find(free);
      return found === undefined ? undefined : this.#claim('endpoint', found);
    });
    for (const [n, endpoint] of endpoints.entries()) {
      const name = kept[n] ?? this.#name('endpoint', undefined, `${cluster}-${TITLES.endpoint}-${n}`);
      this.#pushEndpoint(endpoint, cluster, name);
    }
  }

  /** Endpoints that stand beside their clusters; the names given are claimed. */
  #addListed(endpoints: readonly ListedEndpointInput[]): void {
    for (const [n, endpoint] of endpoints.entries()) {
      const name = endpoint.name ?? this.#name('endpoint', undefined, `${endpoint.cluster}-${TITLES.endpoint}-${n}`);
      this.#pushEndpoint(endpoint, endpoint.cluster, name);
    }
  }

  #addEndpoint(endpoint: EndpointInput, cluster: string, n: number): string {
    const name = this.#name('endpoint', endpoint.name, `${cluster}-${TITLES.endpoint}-${n}`);
    this.#pushEndpoint(endpoint, cluster, name);
    return name;
  }

  #pushEndpoint({ spec, weight }: EndpointInput, cluster: string, name: string): void {
    const { address } = spec;
    this.definitions.push({ kind: 'endpoint', name, cluster, address, weight: weight ?? spec.weight ?? 1 });
  }

  /** The name that the user gave, which must be free, or the automatic one, made unique. */
  #name(kind: Kind, given: string | undefined, automatic: string): string {
    if (given !== undefined) return this.#claim(kind, given);
    return this.#claim(
      kind,
      freeName(automatic, (name) => this.#taken(kind, name)),
    );
  }

  #claim(kind: Kind, name: string): string {
    if (this.#taken(kind, name)) {
      throw new L7mpError('E_DUPLICATE', `there is a ${kind} named ${JSON.stringify(name)} already`);
    }
    const names = this.#names.get(kind) ?? new Set();
    this.#names.set(kind, names.add(name));
    return name;
  }

  #taken(kind: Kind, name: string): boolean {
    return this.#existing.of(kind).has(name) || (this.#names.get(kind)?.has(name) ?? false);
  }
}
