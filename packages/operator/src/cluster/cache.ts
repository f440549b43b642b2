/** All objects, by kind, namespace and name. */
import { isDeepStrictEqual } from 'node:util';
import { KINDS, type Kind, type L7mpKind } from '../resources/kinds.ts';
import type { AnyObject, ObjectOf } from '../resources/objects.ts';
import type { Key, Snapshot } from './contract.ts';

export interface CacheObserver {
  /** It came, went, or is another one in what is looked at. */
  changed(key: Key): void;
  /** Its status alone is another one: of kinds whose status is ours to write. */
  statusChanged(key: Key): void;
}

type Names = Map<string, AnyObject>;

export class Cache implements Snapshot {
  readonly #observer: CacheObserver;
  readonly #kinds = new Map<Kind, Map<string, Names>>();

  constructor(observer: CacheObserver) {
    this.#observer = observer;
    for (const kind of Object.keys(KINDS) as Kind[]) this.#kinds.set(kind, new Map());
  }

  get<K extends Kind>(kind: K, namespace: string, name: string): ObjectOf<K> | undefined {
    return this.#kinds.get(kind)?.get(namespace)?.get(name) as ObjectOf<K> | undefined;
  }

  *list<K extends Kind>(kind: K, namespace?: string): Iterable<ObjectOf<K>> {
    const namespaces = this.#kinds.get(kind);
    const all = namespace === undefined ? namespaces?.values() : [namespaces?.get(namespace) ?? new Map()];
    for (const names of all ?? []) yield* names.values() as Iterable<ObjectOf<K>>;
  }

  count(kind: Kind): number {
    let count = 0;
    for (const names of this.#kinds.get(kind)?.values() ?? []) count += names.size;
    return count;
  }

  set(object: AnyObject): void {
    const { kind, metadata } = object;
    const before = this.get(kind, metadata.namespace, metadata.name);
    const change = before ? compare(before, object) : 'object';
    // Its version alone may be another one: who writes it has to know.
    this.#names(kind, metadata.namespace).set(metadata.name, object);
    if (change === 'object') this.#observer.changed(keyOf(object));
    else if (change === 'status') this.#observer.statusChanged(keyOf(object));
  }

  remove(object: AnyObject): void {
    const { kind, metadata } = object;
    const names = this.#kinds.get(kind)?.get(metadata.namespace);
    if (!names?.delete(metadata.name)) return;
    if (names.size === 0) this.#kinds.get(kind)?.delete(metadata.namespace);
    this.#observer.changed(keyOf(object));
  }

  /** These are all there are: in one namespace, or in all. */
  replace<K extends Kind>(kind: K, namespace: string | undefined, objects: readonly ObjectOf<K>[]): void {
    const gone = new Set<AnyObject>(this.list(kind, namespace));
    for (const object of objects) {
      const { metadata } = object;
      const before = this.get(kind, metadata.namespace, metadata.name);
      if (before) gone.delete(before);
      this.set(object);
    }
    for (const object of gone) this.remove(object);
  }

  #names(kind: Kind, namespace: string): Names {
    const namespaces = this.#kinds.get(kind) ?? new Map<string, Names>();
    const names = namespaces.get(namespace) ?? new Map<string, AnyObject>();
    namespaces.set(namespace, names);
    return names;
  }
}

export function keyOf({ kind, metadata: { namespace, name } }: AnyObject): Key {
  return { kind, namespace, name };
}

/** Kinds whose status we write: what it says is nobody's reason to do something. */
const OWN_STATUS: Readonly<Record<L7mpKind | 'GatewayClass' | 'Gateway' | 'UDPRoute' | 'TCPRoute', true>> = {
  Target: true,
  Route: true,
  Rule: true,
  RuleList: true,
  VirtualService: true,
  GatewayClass: true,
  Gateway: true,
  UDPRoute: true,
  TCPRoute: true,
};

function compare(before: AnyObject, after: AnyObject): 'none' | 'status' | 'object' {
  const hasOwnStatus = before.kind in OWN_STATUS;
  if (!isDeepStrictEqual(comparable(before, !hasOwnStatus), comparable(after, !hasOwnStatus))) return 'object';
  if (!hasOwnStatus) return 'none';
  return isDeepStrictEqual(statusOf(before), statusOf(after)) ? 'none' : 'status';
}

/** Its version alone makes nothing another one. */
function comparable(object: AnyObject, withStatus: boolean): unknown {
  const { metadata, ...rest } = object;
  return { ...rest, metadata: { ...metadata, resourceVersion: '' }, ...(!withStatus && { status: undefined }) };
}

function statusOf(object: AnyObject): unknown {
  return (object as { status?: unknown }).status;
}
