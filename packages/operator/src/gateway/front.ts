/**
 * The Gateway API as a second front: keeps what its objects mean in step with the snapshot, and looks again at nothing but what a
 * change concerns. The same objects give the same result, whatever the order in which they came.
 */
import { isDeepStrictEqual } from 'node:util';
import type { Key, Snapshot } from '../cluster/contract.ts';
import { Relation } from '../cluster/relation.ts';
import { Slices } from '../cluster/slices.ts';
import type { Kind } from '../resources/kinds.ts';
import type { Metadata } from '../resources/objects.ts';
import type { DerivedObject, DerivedObjects } from '../translation/derived.ts';
import { isGateway } from './attachment.ts';
import { type Backends, slicesTopic, viewBackends } from './backends.ts';
import { Certificates } from './certificates.ts';
import { deriveGateway, deriveRoute } from './derive.ts';
import { type GatewayView, type GatewayWorld, isOurs, viewGateway } from './gateway.ts';
import { grantsTopic, keyText, parseKey } from './names.ts';
import { selectsNamespaces } from './namespaces.ts';
import type { Gateway, GatewayClass, Route, RouteKind } from './objects.ts';

export interface FrontOptions {
  /** The port of the proxies' REST API, which no listener of theirs can have. */
  readonly proxyPort: number;
}

export interface RouteView {
  readonly route: Route;
  readonly backends: Backends;
  /** Gateways of ours that it refers to, by their keys. */
  readonly gateways: ReadonlySet<string>;
}

/** Keys as of `keyText`. What has gone is among them. */
export interface FrontChanges {
  /** Full names of derived objects that are others now. */
  readonly derived: ReadonlySet<string>;
  /** Of Gateways that were, or are, ours. */
  readonly gateways: ReadonlySet<string>;
  /** Of routes that have, or had, a parent of ours. */
  readonly routes: ReadonlySet<string>;
}

/** Kinds of what Gateways and routes name, or are named after. */
const NAMED: ReadonlySet<Kind> = new Set<Kind>(['GatewayClass', 'Service', 'Namespace', 'Secret']);

export class GatewayFront implements DerivedObjects {
  readonly #snapshot: Snapshot;
  readonly #options: FrontOptions;
  readonly #slices: Slices;
  readonly #certificates: Certificates;
  /** Gateways and routes on what they were made of. */
  readonly #relation = new Relation();
  /** Routes on the Gateways that they refer to, whosever these are. */
  readonly #references = new Relation();
  readonly #gateways = new Map<string, GatewayView>();
  readonly #routes = new Map<string, RouteView>();
  readonly #derived = new Map<string, DerivedObject>();
  /** By the key of the Gateway or route: full names of what it has made. */
  readonly #made = new Map<string, readonly string[]>();

  constructor(snapshot: Snapshot, options: FrontOptions) {
    this.#snapshot = snapshot;
    this.#options = options;
    this.#slices = new Slices(snapshot);
    this.#certificates = new Certificates(snapshot);
  }

  /** Those of ours, by key. */
  get gateways(): ReadonlyMap<string, GatewayView> {
    return this.#gateways;
  }

  /** Those with a parent of ours, by key. */
  get routes(): ReadonlyMap<string, RouteView> {
    return this.#routes;
  }

  /** When the first certificate of a listener's expires, in seconds of the epoch; undefined where there is none. */
  get certificateExpiry(): number | undefined {
    const views = [...this.#gateways.values()].flatMap(({ listeners }) => listeners);
    const ends = views.flatMap(({ certificates }) => certificates.map(({ notAfter }) => notAfter));
    return ends.length > 0 ? Math.min(...ends) : undefined;
  }

  get(fullName: string): DerivedObject | undefined {
    return this.#derived.get(fullName);
  }

  /** Takes up what changed in the snapshot. Keys of other kinds, and of what has gone, are fine. */
  update(changed: Iterable<Key>): FrontChanges {
    const gateways = new Set<string>();
    const routes = new Set<string>();
    for (const key of changed) this.#spread(key, gateways, routes);
    const derived = new Set<string>();
    for (const key of gateways) {
      this.#lookAtGateway(key, derived);
      // Whether it is ours, and what it says of them, may be another thing now.
      for (const route of this.#references.from(key)) routes.add(route);
    }
    for (const key of routes) this.#lookAtRoute(key, derived);
    return { derived, gateways, routes };
  }

  // ------------------------------------------------------------------ what a change concerns

  #spread(key: Key, gateways: Set<string>, routes: Set<string>): void {
    const text = keyText(key.kind, key.namespace, key.name);
    if (key.kind === 'Gateway') gateways.add(text);
    if (key.kind === 'UDPRoute' || key.kind === 'TCPRoute') this.#spreadRoute(text, gateways, routes);
    for (const topic of this.#topics(key)) {
      for (const dependent of this.#relation.from(topic)) {
        (dependent.startsWith('Gateway/') ? gateways : routes).add(dependent);
      }
    }
  }

  /** A Gateway has to look again at a route that refers to it, or did. */
  #spreadRoute(key: string, gateways: Set<string>, routes: Set<string>): void {
    routes.add(key);
    const now = this.#route(parseKey(key));
    for (const gateway of this.#routes.get(key)?.gateways ?? []) gateways.add(gateway);
    for (const gateway of parentsOf(now)) gateways.add(gateway);
    this.#references.replace(key, parentsOf(now));
  }

  #topics(key: Key): readonly string[] {
    const { kind, namespace, name } = key;
    if (kind === 'EndpointSlice')
      return [...this.#slices.update(key)].map((service) => slicesTopic(namespace, service));
    if (kind === 'ReferenceGrant') return [grantsTopic(namespace)];
    return NAMED.has(kind) ? [keyText(kind, namespace, name)] : [];
  }

  // ------------------------------------------------------------------ looking again

  #lookAtGateway(key: string, derived: Set<string>): void {
    const { namespace, name } = parseKey(key);
    const gateway = this.#snapshot.get('Gateway', namespace, name) as Gateway | undefined;
    const className = gateway?.spec.gatewayClassName ?? '';
    const gatewayClass = this.#snapshot.get('GatewayClass', '', className) as GatewayClass | undefined;
    const topics = new Set<string>();
    // Also of one that is not ours: its class may become so.
    if (gateway) topics.add(keyText('GatewayClass', '', className));
    if (!gateway || !isOurs(gatewayClass)) {
      this.#gateways.delete(key);
      this.#make(key, [], derived);
    } else {
      const routes = this.#routesOf(key);
      if (gateway.spec.listeners?.some(selectsNamespaces)) {
        for (const { metadata } of routes) topics.add(keyText('Namespace', '', metadata.namespace));
      }
      const view = viewGateway(gateway, gatewayClass, routes, this.#world);
      for (const topic of view.topics) topics.add(topic);
      this.#gateways.set(key, view);
      this.#make(key, deriveGateway(view), derived);
    }
    this.#relation.replace(key, topics);
  }

  #lookAtRoute(key: string, derived: Set<string>): void {
    const route = this.#route(parseKey(key));
    const gateways = new Set(parentsOf(route).filter((gateway) => this.#gateways.has(gateway)));
    if (!route || gateways.size === 0) {
      this.#routes.delete(key);
      this.#relation.remove(key);
      this.#make(key, [], derived);
      return;
    }
    const backends = viewBackends(route, this.#snapshot, (namespace, service) => this.#slices.of(namespace, service));
    this.#routes.set(key, { route, backends, gateways });
    this.#relation.replace(key, backends.topics);
    this.#make(key, deriveRoute(route, backends), derived);
  }

  get #world(): GatewayWorld {
    const { proxyPort } = this.#options;
    return { snapshot: this.#snapshot, certificates: this.#certificates, proxyPort };
  }

  #routesOf(gateway: string): Route[] {
    return [...this.#references.from(gateway)].flatMap((key) => this.#route(parseKey(key)) ?? []);
  }

  #route({ kind, namespace, name }: Key): Route | undefined {
    return this.#snapshot.get(kind as RouteKind, namespace, name) as Route | undefined;
  }

  /** Replaces what a Gateway or a route has made; what is the same stays the same object. */
  #make(maker: string, objects: readonly DerivedObject[], derived: Set<string>): void {
    const names = objects.map(({ fullName }) => fullName);
    for (const name of this.#made.get(maker) ?? []) {
      if (!names.includes(name) && this.#derived.delete(name)) derived.add(name);
    }
    if (names.length) this.#made.set(maker, names);
    else this.#made.delete(maker);
    for (const object of objects) {
      const before = this.#derived.get(object.fullName);
      if (before && isSame(before, object)) continue;
      this.#derived.set(object.fullName, object);
      derived.add(object.fullName);
    }
  }
}

/** What is written into an object's status makes it no other one. */
function isSame(a: DerivedObject, b: DerivedObject): boolean {
  const same = (field: keyof Metadata): boolean => a.metadata[field] === b.metadata[field];
  return same('uid') && same('generation') && same('creationTimestamp') && isDeepStrictEqual(a.spec, b.spec);
}

/** Keys of the Gateways that it refers to. */
function parentsOf(route: Route | undefined): string[] {
  const own = route?.metadata.namespace ?? '';
  const gateways = (route?.spec.parentRefs ?? []).filter(({ group, kind }) => isGateway(group, kind));
  return gateways.map(({ namespace, name }) => keyText('Gateway', namespace ?? own, name));
}
