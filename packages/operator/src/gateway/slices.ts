/** The EndpointSlices of each Service. */
import type { Key, Snapshot } from '../cluster/contract.ts';
import type { EndpointSlice } from '../resources/objects.ts';
import { serviceOf } from './endpoints.ts';
import { Relation } from './relation.ts';

export class Slices {
  readonly #snapshot: Snapshot;
  /** Names of slices on those of their services, both with the namespace in front. */
  readonly #services = new Relation();
  readonly #serviceOf = new Map<string, string>();

  constructor(snapshot: Snapshot) {
    this.#snapshot = snapshot;
  }

  /** Takes up a slice that changed, came or went. Gives the names of the services that it was and is of. */
  update({ namespace, name }: Key): string[] {
    const slice = this.#snapshot.get('EndpointSlice', namespace, name);
    const text = `${namespace}/${name}`;
    const before = this.#serviceOf.get(text);
    const now = slice && serviceOf(slice);
    if (now === undefined) this.#serviceOf.delete(text);
    else this.#serviceOf.set(text, now);
    this.#services.set(text, new Set(now === undefined ? [] : [`${namespace}/${now}`]));
    return [...new Set([before, now])].filter((service) => service !== undefined);
  }

  /** In the order of their names, so that what is made of them has one, too. */
  of(namespace: string, service: string): EndpointSlice[] {
    const texts = [...this.#services.of(`${namespace}/${service}`)].sort();
    return texts.flatMap(
      (text) => this.#snapshot.get('EndpointSlice', namespace, text.slice(namespace.length + 1)) ?? [],
    );
  }
}
