/** What the translation reads, and who has read what: so that a change is taken up by those alone whom it concerns. */
import type { Key, Snapshot } from '../cluster/contract.ts';
import { Slices } from '../cluster/slices.ts';
import type { Kind } from '../resources/kinds.ts';
import type { EndpointSlice, ObjectOf, ReferenceGrant } from '../resources/objects.ts';
import type { DerivedObject, DerivedObjects } from './derived.ts';

const topic = {
  object: (kind: Kind, namespace: string, name: string) => `${kind}/${namespace}/${name}`,
  grants: (namespace: string) => `grants/${namespace}`,
  slices: (namespace: string, service: string) => `slices/${namespace}/${service}`,
};

export class Inputs {
  readonly #snapshot: Snapshot;
  readonly #derived: DerivedObjects | undefined;
  readonly #slices: Slices;

  constructor(snapshot: Snapshot, derived: DerivedObjects | undefined) {
    this.#snapshot = snapshot;
    this.#derived = derived;
    this.#slices = new Slices(snapshot);
  }

  /** What those that have read about it would have asked for. */
  topicsOf({ kind, namespace, name }: Key): Iterable<string> {
    if (kind === 'ReferenceGrant') return [topic.grants(namespace)];
    if (kind === 'EndpointSlice') {
      return [...this.#slices.update({ kind, namespace, name })].map((service) => topic.slices(namespace, service));
    }
    return [topic.object(kind, namespace, name)];
  }

  object<K extends Kind>(kind: K, namespace: string, name: string): ObjectOf<K> | undefined {
    return this.#snapshot.get(kind, namespace, name);
  }

  derived(fullName: string): DerivedObject | undefined {
    return this.#derived?.get(fullName);
  }

  grants(namespace: string): Iterable<ReferenceGrant> {
    return this.#snapshot.list('ReferenceGrant', namespace);
  }

  slices(namespace: string, service: string): EndpointSlice[] {
    return this.#slices.of(namespace, service);
  }
}

/** Reads on behalf of somebody, and keeps what about. */
export class Reader {
  readonly topics = new Set<string>();
  readonly #inputs: Inputs;

  constructor(inputs: Inputs) {
    this.#inputs = inputs;
  }

  object<K extends Kind>(kind: K, namespace: string, name: string): ObjectOf<K> | undefined {
    this.topics.add(topic.object(kind, namespace, name));
    return this.#inputs.object(kind, namespace, name);
  }

  derived(fullName: string): DerivedObject | undefined {
    this.topics.add(fullName);
    return this.#inputs.derived(fullName);
  }

  grants(namespace: string): Iterable<ReferenceGrant> {
    this.topics.add(topic.grants(namespace));
    return this.#inputs.grants(namespace);
  }

  slices(namespace: string, service: string): EndpointSlice[] {
    this.topics.add(topic.slices(namespace, service));
    return this.#inputs.slices(namespace, service);
  }
}
