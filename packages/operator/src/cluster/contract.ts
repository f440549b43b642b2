/** What the rest of the operator knows of the cluster: a cache of objects, and what changed in it. */
import type { Kind } from '../resources/kinds.ts';
import type { ObjectOf } from '../resources/objects.ts';

export interface Key {
  readonly kind: Kind;
  readonly namespace: string;
  readonly name: string;
}

/** A synchronous view. Lists cost in proportion to what they give. */
export interface Snapshot {
  get<K extends Kind>(kind: K, namespace: string, name: string): ObjectOf<K> | undefined;
  /** Of one namespace, or of all. In no order. */
  list<K extends Kind>(kind: K, namespace?: string): Iterable<ObjectOf<K>>;
}
