import type { Cluster } from '../cluster/cluster.ts';
import type { Endpoint } from '../cluster/endpoint.ts';
import { putLast } from '../core/put-last.ts';
import type { Listener } from '../listener/listener.ts';
import type { DefinitionOf, Kind, Objects } from '../model/definitions.ts';
import type { Route, Rule, RuleList } from '../routing/objects.ts';

/** Every object that runs, by kind and name; each kind in the order of creation. */
export class Store implements Objects {
  readonly listeners = new Map<string, Listener>();
  readonly rulelists = new Map<string, RuleList>();
  readonly rules = new Map<string, Rule>();
  readonly routes = new Map<string, Route>();
  readonly clusters = new Map<string, Cluster>();
  readonly endpoints = new Map<string, Endpoint>();

  readonly #byCluster = new Map<string, Map<string, Endpoint>>();

  /** The endpoints of a cluster, in the order of creation; a live view, also of a cluster that is not there yet. */
  endpointsOf(cluster: string): Map<string, Endpoint> {
    let endpoints = this.#byCluster.get(cluster);
    if (!endpoints) {
      endpoints = new Map();
      this.#byCluster.set(cluster, endpoints);
    }
    return endpoints;
  }

  /** Puts a cluster's endpoints into this order; those that it does not name go before them. */
  arrangeEndpointsOf(cluster: string, order: readonly string[]): void {
    putLast(this.endpointsOf(cluster), order);
  }

  /** Forgets a cluster's endpoints, once it and they are gone. */
  forgetEndpointsOf(cluster: string): void {
    if (!this.clusters.has(cluster) && this.endpointsOf(cluster).size === 0) this.#byCluster.delete(cluster);
  }

  /** The objects of a kind. */
  of<K extends Kind>(kind: K): Map<string, { readonly definition: DefinitionOf<K> }> {
    return this[`${kind}s`] as unknown as Map<string, { readonly definition: DefinitionOf<K> }>;
  }
}
