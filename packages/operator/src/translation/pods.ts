/** The pods, and for each query in use those that it means. A pod that changes is asked about by the queries alone that may mean it. */
import { isDeepStrictEqual } from 'node:util';
import type { Pod } from '../resources/objects.ts';
import { apiPort, containerId, hasEnded, hasTlsApi, isReady, proxyContainer } from '../resources/pods.ts';
import { matches, type Query, queryKey } from '../resources/selectors.ts';
import type { ProxyPod } from './contract.ts';
import { Index } from './pod-index.ts';

/** A query in use, and the pods that it means. */
export interface Selection {
  readonly query: Query;
  readonly key: string;
  readonly pods: ReadonlySet<PodRecord>;
}

interface HeldSelection extends Selection {
  readonly pods: Set<HeldPod>;
  holders: number;
}

export interface PodRecord {
  readonly uid: string;
  /** `<namespace>/<name>` */
  readonly id: string;
  /** Those that mean it; live. */
  readonly selections: ReadonlySet<Selection>;
  /** Undefined while it has none, and when it has ended. */
  readonly address: string | undefined;
  readonly ready: boolean;
  /** If it is one. */
  readonly proxy: ProxyPod | undefined;
}

interface HeldPod extends PodRecord {
  pod: Pod;
  address: string | undefined;
  ready: boolean;
  proxy: ProxyPod | undefined;
  readonly selections: Set<HeldSelection>;
}

/** What changes of pods have to do with others; gathered over a batch. */
export class PodChanges {
  /** Selections whose pods, or what counts of these as endpoints, are others now: their keys. */
  readonly selections = new Set<string>();
  /** Pods that are meant by other selections now, or became a proxy. */
  readonly moved = new Set<PodRecord>();
  readonly gone = new Set<PodRecord>();
  /** Pods with another address or incarnation. */
  readonly proxies = new Set<PodRecord>();
}

export class Pods {
  readonly #proxyPort: number;
  readonly #pods = new Map<string, HeldPod>();
  readonly #selections = new Map<string, HeldSelection>();
  readonly #index = new Index<HeldPod, HeldSelection>();

  constructor(proxyPort: number) {
    this.#proxyPort = proxyPort;
  }

  /** Takes a pod up as it is now; undefined when it has gone. */
  update(namespace: string, name: string, pod: Pod | undefined, changes: PodChanges): void {
    const id = `${namespace}/${name}`;
    const before = this.#pods.get(id);
    if (before && pod?.metadata.uid !== before.uid) this.#remove(before, changes);
    if (!pod) return;
    const held = this.#pods.get(id) ?? this.#add(id, pod);
    this.#take(held, pod, changes);
  }

  /** The pods that a query means, kept up to date until it is released. */
  hold(query: Query): Selection {
    const key = queryKey(query);
    const selection = this.#selections.get(key) ?? this.#select(key, query);
    selection.holders++;
    return selection;
  }

  release({ key }: Selection): void {
    const selection = this.#selections.get(key);
    if (!selection || --selection.holders > 0) return;
    for (const pod of selection.pods) pod.selections.delete(selection);
    this.#selections.delete(key);
    this.#index.removeQuery(selection.query, selection);
  }

  // ------------------------------------------------------------------ own

  #select(key: string, query: Query): HeldSelection {
    const pods = [...this.#index.podsFor(query)].filter(({ pod }) => matches(query, pod));
    const selection: HeldSelection = { query, key, pods: new Set(pods), holders: 0 };
    for (const pod of pods) pod.selections.add(selection);
    this.#selections.set(key, selection);
    this.#index.addQuery(query, selection);
    return selection;
  }

  #add(id: string, pod: Pod): HeldPod {
    const { uid } = pod.metadata;
    const held: HeldPod = { uid, id, pod, selections: new Set(), address: undefined, ready: false, proxy: undefined };
    this.#pods.set(id, held);
    this.#index.addPod(pod, held);
    return held;
  }

  #remove(held: HeldPod, changes: PodChanges): void {
    for (const selection of held.selections) {
      selection.pods.delete(held);
      changes.selections.add(selection.key);
    }
    held.selections.clear();
    this.#pods.delete(held.id);
    this.#index.removePod(held.pod, held);
    changes.moved.delete(held);
    changes.proxies.delete(held);
    changes.gone.add(held);
  }

  #take(held: HeldPod, pod: Pod, changes: PodChanges): void {
    const old = held.pod;
    held.pod = pod;
    if (!isDeepStrictEqual(old.metadata.labels, pod.metadata.labels)) {
      this.#index.removePod(old, held);
      this.#index.addPod(pod, held);
    }
    this.#reselect(held, changes);
    this.#takeEndpoint(held, changes);
    this.#takeProxy(held, changes);
  }

  #reselect(held: HeldPod, changes: PodChanges): void {
    const next = new Set<HeldSelection>();
    for (const selection of this.#index.queriesFor(held.pod)) {
      if (matches(selection.query, held.pod)) next.add(selection);
    }
    for (const selection of held.selections) {
      if (!next.has(selection)) this.#toggle(held, selection, changes);
    }
    for (const selection of next) {
      if (!held.selections.has(selection)) this.#toggle(held, selection, changes);
    }
  }

  #toggle(held: HeldPod, selection: HeldSelection, changes: PodChanges): void {
    if (held.selections.delete(selection)) selection.pods.delete(held);
    else {
      held.selections.add(selection);
      selection.pods.add(held);
    }
    changes.selections.add(selection.key);
    changes.moved.add(held);
  }

  #takeEndpoint(held: HeldPod, changes: PodChanges): void {
    const address = hasEnded(held.pod) ? undefined : held.pod.status.podIP || undefined;
    const ready = isReady(held.pod);
    if (address === held.address && ready === held.ready) return;
    held.address = address;
    held.ready = ready;
    for (const { key } of held.selections) changes.selections.add(key);
  }

  #takeProxy(held: HeldPod, changes: PodChanges): void {
    const old = held.proxy;
    const proxy = this.#proxyOf(held.pod);
    if (isSame(old, proxy)) return;
    held.proxy = proxy;
    if (old && proxy) changes.proxies.add(held);
    else changes.moved.add(held);
  }

  #proxyOf(pod: Pod): ProxyPod | undefined {
    const port = apiPort(pod, this.#proxyPort);
    const container = hasEnded(pod) ? undefined : proxyContainer(pod, port);
    if (container === undefined) return undefined;
    const { uid, namespace, name } = pod.metadata;
    const address = pod.status.podIP || undefined;
    const incarnation = containerId(pod, container);
    return {
      uid,
      namespace,
      name,
      ...(address !== undefined && { address }),
      ...(incarnation !== undefined && { incarnation }),
      ...(port !== this.#proxyPort && { port }),
      ...(hasTlsApi(pod) && { tls: true }),
    };
  }
}

function isSame(a: ProxyPod | undefined, b: ProxyPod | undefined): boolean {
  if (!a || !b) return a === b;
  return a.address === b.address && a.incarnation === b.incarnation && a.port === b.port && a.tls === b.tls;
}
