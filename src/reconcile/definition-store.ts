import { putLast } from '../core/put-last.ts';
import type { Definition, DefinitionOf, EndpointDefinition, Kind, Objects } from '../model/definitions.ts';
import { ALL_KINDS, LISTED_KINDS } from '../model/kinds.ts';
import { need } from '../model/need.ts';
import type { Step } from '../model/step.ts';

/** What there is of an object: its definition. */
interface Defined<D extends Definition = Definition> {
  readonly definition: D;
}

/** The configuration as it is: the definition of every object by kind and name, each kind in the order of creation. */
export class DefinitionStore implements Objects {
  readonly #objects = new Map(ALL_KINDS.map((kind) => [kind, new Map<string, Defined>()]));
  /** The endpoints of each cluster, in its own order. */
  readonly #byCluster = new Map<string, Map<string, Defined<EndpointDefinition>>>();

  of<K extends Kind>(kind: K): ReadonlyMap<string, Defined<DefinitionOf<K>>> {
    return this.#map(kind) as unknown as Map<string, Defined<DefinitionOf<K>>>;
  }

  /** The definition of an object, or E_UNKNOWN. */
  definition<K extends Kind>(kind: K, name: string): DefinitionOf<K> {
    return need(this.of(kind), kind, name).definition;
  }

  /** The endpoints of a cluster, in its order. */
  endpointsOf(cluster: string): ReadonlyMap<string, Defined<EndpointDefinition>> {
    return this.#byCluster.get(cluster) ?? new Map();
  }

  /** What every object is, by kind, each in the order of creation; endpoints in the order of their clusters. */
  definitions(): Definition[] {
    const endpoints = [...this.#byCluster.values()].flatMap((of) => [...of.values()]);
    const others = LISTED_KINDS.map((kind) => this.#map(kind));
    return [...endpoints, ...others.flatMap((of) => [...of.values()])].map(({ definition }) => definition);
  }

  /** The steps of a change have been taken. */
  apply(steps: readonly Step[]): void {
    for (const { before, after } of steps) {
      if (after) this.#put(after);
      else if (before) this.#delete(before);
    }
    for (const { after, order } of steps) if (after && order) this.#arrange(after.name, order);
  }

  /** What it would be after the steps of a change. */
  after(steps: readonly Step[]): DefinitionStore {
    const copy = new DefinitionStore();
    for (const of of this.#objects.values()) for (const { definition } of of.values()) copy.#put(definition);
    for (const [cluster, endpoints] of this.#byCluster) copy.#arrange(cluster, [...endpoints.keys()]);
    copy.apply(steps);
    return copy;
  }

  // ------------------------------------------------------------------ own

  #map(kind: Kind): Map<string, Defined> {
    return this.#objects.get(kind) as Map<string, Defined>;
  }

  #put(definition: Definition): void {
    const { kind, name } = definition;
    const before = this.#map(kind).get(name)?.definition;
    this.#map(kind).set(name, { definition });
    if (definition.kind !== 'endpoint') return;
    if (before?.kind === 'endpoint' && before.cluster !== definition.cluster) this.#takeOut(before);
    const endpoints = this.#byCluster.get(definition.cluster) ?? new Map();
    this.#byCluster.set(definition.cluster, endpoints.set(name, { definition }));
  }

  #delete(definition: Definition): void {
    const { kind, name } = definition;
    this.#map(kind).delete(name);
    if (kind === 'endpoint') this.#takeOut(definition);
  }

  #takeOut({ name, cluster }: EndpointDefinition): void {
    const endpoints = this.#byCluster.get(cluster);
    endpoints?.delete(name);
    if (endpoints?.size === 0) this.#byCluster.delete(cluster);
  }

  /** Puts a cluster's endpoints into this order; those that it does not name go before them. */
  #arrange(cluster: string, order: readonly string[]): void {
    const endpoints = this.#byCluster.get(cluster);
    if (endpoints) putLast(endpoints, order);
  }
}
