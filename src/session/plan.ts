import type { Cluster } from '../cluster/cluster.ts';
import { smallest } from '../core/counts.ts';
import type { Listener } from '../listener/listener.ts';
import type { ClusterDefinition, ListenerDefinition, RouteDefinition } from '../model/definitions.ts';
import { type RetryPolicy, retryPolicy } from './retry.ts';

/** Finds a route's cluster by its name. Throws where there is none. */
export type ClusterFinder = (name: string, route: RouteDefinition) => Cluster;

/** Default of half_close_timeout, in milliseconds. */
const HALF_CLOSE_TIMEOUT = 2000;

/** What the sessions that a listener sends along a route have in common. */
export class Plan {
  /** As it was when the plan was made: live sessions keep it. */
  readonly listener: ListenerDefinition;
  readonly route: string;
  /** The ingress stages', the destination, the egress stages'. */
  readonly clusters: readonly Cluster[];
  readonly #definitions: readonly ClusterDefinition[];
  /** Which of the clusters is the destination. */
  readonly destination: number;
  readonly policy: RetryPolicy;
  /** In milliseconds; Infinity is never. */
  readonly idleTimeout: number;
  readonly halfCloseTimeout: number;
  /** What has been said of the route in the log, whichever of its sessions it was about. */
  readonly #said: Set<string>;

  constructor(listener: Listener, route: RouteDefinition, clusters: readonly Cluster[], said = new Set<string>()) {
    this.listener = listener.definition;
    this.#said = said;
    this.route = route.name;
    this.clusters = clusters;
    this.#definitions = clusters.map(({ definition }) => definition);
    this.destination = route.ingress.length;
    this.policy = retryPolicy(route.retry, listener.definition.options.connect_timeout);
    this.idleTimeout = idleTimeoutOf(listener, clusters);
    const all = [listener, ...clusters].map(
      ({ definition }) => definition.options.half_close_timeout as number | undefined,
    );
    this.halfCloseTimeout = smallest(all) ?? HALF_CLOSE_TIMEOUT;
  }

  /** Whether the clusters are still what they were: behind the same names there may be others, or they may have changed. */
  current(find: (name: string) => Cluster): boolean {
    for (let n = 0; n < this.clusters.length; n++) {
      const cluster = this.clusters[n] as Cluster;
      if (find(cluster.name) !== cluster || cluster.definition !== this.#definitions[n]) return false;
    }
    return true;
  }

  /** Whether something is to be said of the route: the first time that it is asked for. */
  firstTime(what: string): boolean {
    if (this.#said.has(what)) return false;
    this.#said.add(what);
    return true;
  }
}

/** One plan for all sessions that go the same way. */
export class Plans {
  /** By definitions, which are replaced when they change. */
  readonly #plans = new WeakMap<ListenerDefinition, WeakMap<RouteDefinition, Plan>>();
  readonly #said = new WeakMap<RouteDefinition, Set<string>>();
  readonly #find: ClusterFinder;

  constructor(find: ClusterFinder) {
    this.#find = find;
  }

  for(listener: Listener, route: RouteDefinition): Plan {
    const { definition } = listener;
    let plans = this.#plans.get(definition);
    if (!plans) {
      plans = new WeakMap();
      this.#plans.set(definition, plans);
    }
    let plan = plans.get(route);
    if (!plan?.current((name) => this.#find(name, route))) {
      const { ingress, destination, egress } = route;
      const clusters = [...ingress, destination, ...egress].map((name) => this.#find(name, route));
      plan = new Plan(listener, route, clusters, this.#saidOf(route));
      plans.set(route, plan);
    }
    return plan;
  }

  #saidOf(route: RouteDefinition): Set<string> {
    let said = this.#said.get(route);
    if (!said) {
      said = new Set();
      this.#said.set(route, said);
    }
    return said;
  }
}

/** The smallest of those that apply, in milliseconds. */
function idleTimeoutOf(listener: Listener, clusters: readonly Cluster[]): number {
  const never = listener.idleTimeout === 0;
  const all = clusters.map((cluster) => (never ? cluster.definition.options.idle_timeout : cluster.idleTimeout));
  return smallest([listener.idleTimeout, ...all].map((timeout) => timeout || undefined)) ?? Number.POSITIVE_INFINITY;
}
