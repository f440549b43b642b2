/** For tests: a cluster in memory, and objects as one writes them. */
import { randomBytes } from 'node:crypto';
import { parseAllDocuments } from 'yaml';
import type { Key, Snapshot } from '../cluster/contract.ts';
import type { Kind } from '../resources/kinds.ts';
import type { AnyObject, Metadata, ObjectOf } from '../resources/objects.ts';
import type { Translation, Wish } from './contract.ts';

/** As one writes it: what the API server would add may be missing. */
export interface Written {
  readonly kind: Kind;
  readonly metadata: Partial<Metadata> & { readonly name: string };
  readonly [field: string]: unknown;
}

export class FakeCluster implements Snapshot {
  readonly #objects = new Map<string, AnyObject>();

  get<K extends Kind>(kind: K, namespace: string, name: string): ObjectOf<K> | undefined {
    return this.#objects.get(`${kind}/${namespace}/${name}`) as ObjectOf<K> | undefined;
  }

  list<K extends Kind>(kind: K, namespace?: string): Iterable<ObjectOf<K>> {
    const all = [...this.#objects.values()].filter((object) => object.kind === kind);
    return all.filter(({ metadata }) => namespace === undefined || metadata.namespace === namespace) as ObjectOf<K>[];
  }

  put(...objects: readonly AnyObject[]): Key[] {
    return objects.map((object) => {
      const key = keyOf(object);
      this.#objects.set(`${key.kind}/${key.namespace}/${key.name}`, object);
      return key;
    });
  }

  remove(key: Key): Key {
    this.#objects.delete(`${key.kind}/${key.namespace}/${key.name}`);
    return key;
  }

  keys(): Key[] {
    return [...this.#objects.values()].map(keyOf);
  }
}

export function keyOf({ kind, metadata: { namespace, name } }: AnyObject): Key {
  return { kind, namespace, name };
}

/** What the API server adds; the uid is the object's name, so that it can be read in a golden file. */
export function complete(written: Written): AnyObject {
  const { metadata } = written;
  const namespace = metadata.namespace ?? 'default';
  const added = {
    namespace,
    uid: `${written.kind}/${namespace}/${metadata.name}`,
    resourceVersion: randomBytes(4).toString('hex'),
    generation: 1,
    creationTimestamp: '2026-01-01T00:00:00Z',
    labels: {},
    annotations: {},
  };
  return { ...written, metadata: { ...added, ...metadata } } as unknown as AnyObject;
}

export function parseObjects(yaml: string): AnyObject[] {
  return parseAllDocuments(yaml).map((document) => complete(document.toJS() as Written));
}

/** A pod with a proxy, unless its containers say something else. */
export function pod(
  name: string,
  labels: Readonly<Record<string, string>>,
  address: string,
  more: Partial<Written> = {},
): AnyObject {
  return complete({
    kind: 'Pod',
    metadata: { name, labels },
    spec: { containers: [{ name: 'l7mp', ports: [{ containerPort: 1234 }] }] },
    status: {
      phase: 'Running',
      podIP: address,
      conditions: [{ type: 'Ready', status: 'True' }],
      containerStatuses: [{ name: 'l7mp', ready: true, containerID: `containerd://${name}-1` }],
    },
    ...more,
  });
}

/** As a configuration file of the proxy. */
export function configurationOf(wish: Wish): Record<string, unknown> {
  const list = (part: ReadonlyMap<string, object>): object[] => [...part].map(([name, one]) => ({ name, ...one }));
  const clusters = [...wish.clusters].map(([name, { definition, endpoints }]) => {
    return { name, ...definition, ...(endpoints.size > 0 && { endpoints: list(endpoints) }) };
  });
  const { listeners, rulelists, rules, routes } = wish;
  return { listeners: list(listeners), rulelists: list(rulelists), rules: list(rules), routes: list(routes), clusters };
}

/** All that a translation says, as plain data in a fixed order. */
export function resultOf(translation: Translation): Record<string, unknown> {
  const { proxies, verdicts } = translation;
  const sorted = <V>(entries: Iterable<readonly [string, V]>): Record<string, V> =>
    Object.fromEntries([...entries].sort(([a], [b]) => (a < b ? -1 : 1)));
  return {
    proxies: sorted(
      [...proxies].map(([uid, proxy]) => [uid, { ...proxy, wish: configurationOf(translation.wish(uid) as Wish) }]),
    ),
    verdicts: sorted(
      [...verdicts].map(([name, { proxies: on, conflicts, ...verdict }]) => {
        return [name, { ...verdict, proxies: [...on].sort(), conflicts: sorted(conflicts) }];
      }),
    ),
  };
}
