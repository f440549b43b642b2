/** A cluster made of YAML, for tests of the Gateway API. */
import { parseAllDocuments } from 'yaml';
import type { Key, Snapshot } from '../cluster/contract.ts';
import type { Kind } from '../resources/kinds.ts';
import type { AnyObject, ObjectOf } from '../resources/objects.ts';
import { keyText } from './names.ts';

export class Objects implements Snapshot {
  readonly #objects = new Map<string, AnyObject>();

  set(object: AnyObject): Key {
    const key = keyOf(object);
    this.#objects.set(keyText(key.kind, key.namespace, key.name), object);
    return key;
  }

  delete({ kind, namespace, name }: Key): void {
    this.#objects.delete(keyText(kind, namespace, name));
  }

  get<K extends Kind>(kind: K, namespace: string, name: string): ObjectOf<K> | undefined {
    return this.#objects.get(keyText(kind, namespace, name)) as ObjectOf<K> | undefined;
  }

  *list<K extends Kind>(kind: K, namespace?: string): Iterable<ObjectOf<K>> {
    for (const object of this.#objects.values()) {
      if (object.kind !== kind || (namespace !== undefined && object.metadata.namespace !== namespace)) continue;
      yield object as ObjectOf<K>;
    }
  }
}

export function keyOf({ kind, metadata: { namespace, name } }: AnyObject): Key {
  return { kind, namespace, name };
}

const CLUSTER_WIDE = new Set<string>(['GatewayClass', 'Namespace']);

/** Objects as users write them, with what the API server adds: without a namespace they are in `default`, and a day old. */
export function objectsOf(yaml: string): AnyObject[] {
  return parseAllDocuments(yaml).map((document) => {
    const { apiVersion: _, metadata, ...rest } = document.toJS();
    const namespace = CLUSTER_WIDE.has(rest.kind) ? '' : (metadata.namespace ?? 'default');
    const defaults = {
      namespace,
      uid: `uid-${rest.kind}-${namespace}-${metadata.name}`,
      resourceVersion: '1',
      generation: 1,
      creationTimestamp: '2026-01-01T00:00:00Z',
      labels: {},
      annotations: {},
    };
    return { ...rest, metadata: { ...defaults, ...metadata } } as AnyObject;
  });
}
