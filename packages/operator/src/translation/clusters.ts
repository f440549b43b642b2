/** Clusters with the endpoints that they have now. */
import { isDeepStrictEqual } from 'node:util';
import { Relation } from '../cluster/relation.ts';
import { addressesOf } from '../resources/endpoints.ts';
import { defineEndpoint, endpointName } from './cluster-plans.ts';
import type { Definition, WishedCluster } from './contract.ts';
import { type Inputs, Reader } from './inputs.ts';
import { isSameMap, keep } from './keep.ts';
import type { Pods, Selection } from './pods.ts';
import { lowest, type Spec } from './protocols.ts';
import type { ClusterPlan, EndpointSource } from './unit.ts';

interface Held {
  readonly plan: ClusterPlan;
  /** Of its sources, one each; undefined where the source is not of pods. */
  readonly selections: readonly (Selection | undefined)[];
  wished: WishedCluster | undefined;
}

export class Clusters {
  readonly #inputs: Inputs;
  readonly #pods: Pods;
  readonly #clusters = new Map<string, Held>();
  /** Cluster to what its endpoints are made of: selections and Services. */
  readonly #reads = new Relation();
  readonly #stale = new Set<string>();

  constructor(inputs: Inputs, pods: Pods) {
    this.#inputs = inputs;
    this.#pods = pods;
  }

  get(name: string): WishedCluster | undefined {
    return this.#clusters.get(name)?.wished;
  }

  /** It is to be of this plan; undefined: nobody wants it any more. */
  plan(name: string, plan: ClusterPlan | undefined): void {
    const old = this.#clusters.get(name);
    if (plan && old && isDeepStrictEqual(old.plan, plan)) return;
    if (plan) this.#clusters.set(name, { plan, selections: this.#hold(plan), wished: old?.wished });
    else this.#clusters.delete(name);
    for (const selection of old?.selections ?? []) if (selection) this.#pods.release(selection);
    this.#stale.add(name);
  }

  /** Something has changed about what clusters may have been made of. */
  touch(topic: string): void {
    for (const name of this.#reads.from(topic)) this.#stale.add(name);
  }

  /** Makes anew what must be; returns the names of those that are others now. */
  refresh(): Set<string> {
    const changed = new Set([...this.#stale].filter((name) => this.#remake(name)));
    this.#stale.clear();
    return changed;
  }

  // ------------------------------------------------------------------ own

  #hold({ endpoints }: ClusterPlan): (Selection | undefined)[] {
    return endpoints.map((source) => (source.from === 'pods' ? this.#pods.hold(source.query) : undefined));
  }

  #remake(name: string): boolean {
    const held = this.#clusters.get(name);
    if (!held) {
      this.#reads.remove(name);
      return true;
    }
    const { plan, selections, wished: old } = held;
    const reader = new Reader(this.#inputs);
    const endpoints = new EndpointTable(name, plan, old?.endpoints);
    endpoints.fill(selections, reader);
    this.#reads.replace(name, [...reader.topics, ...selections.flatMap((one) => one?.key ?? [])]);
    const isSame = old && isSameMap(old.endpoints, endpoints.table);
    const definition = keep(old?.definition, plan.definition);
    if (isSame && old.definition === definition) return false;
    held.wished = { definition, endpoints: isSame ? old.endpoints : endpoints.table };
    return true;
  }
}

type Row = readonly [name: string, address: string, port: number | undefined, weight: number];

/** In the order of the sources, and by name in each. */
class EndpointTable {
  readonly table = new Map<string, Definition>();
  readonly #cluster: string;
  readonly #plan: ClusterPlan;
  readonly #old: ReadonlyMap<string, Definition> | undefined;
  readonly #port: unknown;

  constructor(cluster: string, plan: ClusterPlan, old: ReadonlyMap<string, Definition> | undefined) {
    this.#cluster = cluster;
    this.#plan = plan;
    this.#old = old;
    this.#port = lowest(plan.definition.spec as Spec).port;
  }

  fill(selections: readonly (Selection | undefined)[], reader: Reader): void {
    for (const [n, source] of this.#plan.endpoints.entries()) {
      if (source.from === 'text') this.#addText(source);
      else if (source.from === 'pods') this.#addRows(this.#ofPods(selections[n], source.weight));
      else this.#addRows(this.#ofService(source, reader));
    }
  }

  #addText({ name, definition }: EndpointSource & { from: 'text' }): void {
    let free = name;
    for (let n = 1; this.table.has(free); n++) free = `${name}_${n}`;
    this.#set(free, definition);
  }

  #addRows(rows: readonly Row[]): void {
    // Pods of a node's network share its address: one of them that is ready is enough.
    const sorted = [...rows].sort(([a, , , weight], [b, , , other]) => (a < b ? -1 : a > b ? 1 : other - weight));
    for (const [name, address, port, weight] of sorted) {
      // A pod that two sources mean is one endpoint, as the first one says.
      if (!this.table.has(name)) this.#set(name, defineEndpoint({ address, port }, weight));
    }
  }

  #set(name: string, definition: Definition): void {
    this.table.set(name, keep(this.#old?.get(name), definition));
  }

  #ofPods(selection: Selection | undefined, weight: number): Row[] {
    return [...(selection?.pods ?? [])].flatMap(({ address, ready }): Row[] => {
      if (address === undefined) return [];
      return [[endpointName(this.#cluster, { address }), address, undefined, ready ? weight : 0]];
    });
  }

  #ofService(source: EndpointSource & { from: 'service' }, reader: Reader): Row[] {
    const { namespace, name } = source;
    const service = reader.object('Service', namespace, name);
    const wanted = service?.spec.ports?.find(({ port, protocol = 'TCP' }) => {
      return port === source.port && protocol === source.protocol;
    });
    if (!service || !wanted) return [];
    return addressesOf(service, wanted, reader.slices(namespace, name)).map(({ address, port, taking }): Row => {
      const own = port === this.#port ? undefined : port;
      return [endpointName(this.#cluster, { address, port: own }), address, own, taking ? 1 : 0];
    });
  }
}
