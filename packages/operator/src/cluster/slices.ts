/** The EndpointSlices of each Service. */
import { serviceOf } from '../resources/endpoints.ts';
import type { EndpointSlice } from '../resources/objects.ts';
import type { Key, Snapshot } from './contract.ts';
import { Relation } from './relation.ts';

export class Slices {
  readonly #snapshot: Snapshot;
  /** Slices to their Services: both as `<namespace>/<name>`. */
  readonly #services = new Relation();

  constructor(snapshot: Snapshot) {
    this.#snapshot = snapshot;
  }

  /** Takes up a slice that changed, came or went. Gives the names of the Services that it was and is of. */
  update({ namespace, name }: Key): Set<string> {
    const id = `${namespace}/${name}`;
    const before = this.#services.to(id);
    const slice = this.#snapshot.get('EndpointSlice', namespace, name);
    const service = slice && serviceOf(slice);
    this.#services.replace(id, service === undefined ? [] : [`${namespace}/${service}`]);
    return new Set([...before, ...this.#services.to(id)].map((one) => one.slice(namespace.length + 1)));
  }

  /** In the order of their names, so that what is made of them has one, too. */
  of(namespace: string, service: string): EndpointSlice[] {
    const ids = [...this.#services.from(`${namespace}/${service}`)].sort();
    return ids.flatMap((id) => this.#snapshot.get('EndpointSlice', namespace, id.slice(namespace.length + 1)) ?? []);
  }
}
