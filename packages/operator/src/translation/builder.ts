/** Takes apart what was written inline: every rule, route and cluster gets a name of its own, below that of where it stands. */
import type { Kind } from '../resources/kinds.ts';
import type { ClusterSpec, ClusterUse, RouteSpec, RuleSpec } from '../resources/objects.ts';
import { planCluster, planListenersCluster, planServiceCluster } from './cluster-plans.ts';
import type { Definition } from './contract.ts';
import type { DerivedCluster } from './derived.ts';
import { InvalidObject } from './invalid.ts';
import type { Found, Problem, Scope } from './scope.ts';
import type { ClusterPlan } from './unit.ts';

/** What may stand for a cluster, in the order in which a bare name is looked for. */
const CLUSTERS: readonly Kind[] = ['Target', 'VirtualService', 'Service'];

/** What is longer is no part of a name on the proxy, which takes 1,024 characters. */
const MAX_RULE_NAME = 253;

export class Builder {
  readonly rulelists = new Map<string, readonly string[]>();
  readonly rules = new Map<string, Definition>();
  readonly routes = new Map<string, Definition>();
  readonly clusters = new Map<string, ClusterPlan>();
  readonly uses = new Set<string>();
  readonly #scope: Scope;

  constructor(scope: Scope) {
    this.#scope = scope;
  }

  /** A rulelist of the rules of an object. */
  addRuleList(name: string, rules: readonly RuleSpec[], owner: string): string {
    const names = rules.map((rule, n) => {
      const given = rule.name !== undefined && rule.name.length <= MAX_RULE_NAME ? rule.name : `${n}`;
      const free = this.#free(`${owner}/rules/${given}`);
      this.addRule(free, rule);
      return free;
    });
    this.rulelists.set(name, names);
    return name;
  }

  addRule(name: string, { match, action }: RuleSpec): void {
    const rewrite = action.rewrite?.map(({ path, value, valueStr, from }) =>
      from === undefined ? { path, value: valueStr ?? value } : { path, from },
    );
    const { routeRef } = action;
    const route = action.route
      ? this.addRoute(`${name}/route`, action.route)
      : routeRef && this.#refer(routeRef, 'Route');
    this.rules.set(name, {
      ...(match && { match }),
      action: {
        ...(rewrite && { rewrite }),
        ...(route !== undefined && { route }),
        ...(action.apply !== undefined && { apply: this.ruleListOf(action.apply) }),
      },
    });
  }

  addRoute(name: string, { destination, destinationRef, ingress = [], egress = [], retry }: RouteSpec): string {
    const to = destination ?? destinationRef;
    if (to === undefined) throw new InvalidObject(`${name}: a destination must be given`);
    const chain = (clusters: readonly ClusterUse[], way: string): string[] =>
      clusters.map((cluster, n) => this.#use(cluster, `${name}/${way}/${n}`));
    this.routes.set(name, {
      destination: this.#use(to, `${name}/destination`),
      ...(ingress.length > 0 && { ingress: chain(ingress, 'ingress') }),
      ...(egress.length > 0 && { egress: chain(egress, 'egress') }),
      ...(retry && { retry }),
    });
    return name;
  }

  addCluster(name: string, cluster: ClusterSpec | DerivedCluster): string {
    this.clusters.set(name, planCluster(name, cluster, this.#scope));
    return name;
  }

  ruleListOf(text: string): string {
    return this.#refer(text, 'RuleList');
  }

  // ------------------------------------------------------------------ own

  #refer(text: string, kind: Kind): string {
    const found = this.#scope.find(text, [kind]);
    if ('reason' in found) return nowhere(text, found);
    this.uses.add(found.fullName);
    return found.fullName;
  }

  #use(cluster: ClusterUse, name: string): string {
    if (typeof cluster === 'string') return this.#clusterOf(cluster);
    if ('clusterRef' in cluster) return this.#clusterOf(cluster.clusterRef);
    return this.addCluster(name, 'cluster' in cluster ? cluster.cluster : cluster);
  }

  #clusterOf(text: string): string {
    const found = this.#scope.find(text, CLUSTERS);
    if ('reason' in found) return nowhere(text, found);
    if (found.kind === 'Target') this.uses.add(found.fullName);
    else return this.#clusterFor(found, text);
    return found.fullName;
  }

  /** One of its own for what is no Target. Whoever refers to the same has the same. */
  #clusterFor(found: Found, text: string): string {
    const plan =
      found.kind === 'Service' ? planServiceCluster(found, this.#scope) : planListenersCluster(found, this.#scope);
    if ('reason' in plan) return nowhere(text, plan);
    this.clusters.set(found.fullName, plan);
    return found.fullName;
  }

  #free(name: string): string {
    if (!this.rules.has(name)) return name;
    let n = 1;
    while (this.rules.has(`${name}_${n}`)) n++;
    return `${name}_${n}`;
  }
}

/** A name that nothing has, and that says why: what it is looked up for fails, and nothing else. */
function nowhere(text: string, { reason }: Problem): string {
  return `${text.replaceAll(/\s/g, '_')}:${reason}`;
}
