/**
 * From objects of the cluster to what each proxy should have. A pure function of the snapshot: the same objects give the same
 * result, whatever the order in which they came. It knows of no network and no clock.
 */
import type { Key, Snapshot } from '../cluster/contract.ts';
import type { Condition, OwnerReference } from '../resources/objects.ts';
import type { DerivedObjects } from './derived.ts';

/** One object as the proxy's REST API takes it, without its name. It is shared among proxies, and never changed. */
export type Definition = Readonly<Record<string, unknown>>;

/** A cluster's endpoints apart from itself: they change more often, one by one. */
export interface WishedCluster {
  /** Without `endpoints`. */
  readonly definition: Definition;
  /** By name; the definition of each has no name. Their order is the order on the proxy. */
  readonly endpoints: ReadonlyMap<string, Definition>;
}

/**
 * What one proxy should have of ours, by full name (`/l7mp.io/v1/Target/default/web`). Two values that are the same object are
 * equal, so that a comparison of two wishes of one proxy need not look into what has not changed; proxies that should have the
 * same share one wish.
 *
 * Nothing is inline: rules, routes and clusters that were written in another object stand by themselves, under its name and
 * where they were written (`/l7mp.io/v1/VirtualService/default/web/rules/0/route/destination`). A reference that leads nowhere
 * stays in the definition, as a name that nothing has: the proxy looks it up when a session is made, and that session fails.
 */
export interface Wish {
  readonly clusters: ReadonlyMap<string, WishedCluster>;
  readonly routes: ReadonlyMap<string, Definition>;
  readonly rules: ReadonlyMap<string, Definition>;
  readonly rulelists: ReadonlyMap<string, Definition>;
  readonly listeners: ReadonlyMap<string, Definition>;
}

/** A pod whose proxy is programmed. */
export interface ProxyPod {
  readonly uid: string;
  readonly namespace: string;
  readonly name: string;
  /** Absent while the pod has none; the proxy cannot be reached then. */
  readonly address?: string;
  /** Changes when the proxy was started again: the container's id. */
  readonly incarnation?: string;
  /** Of its REST API, where the pod says that it is another one than that of the options. */
  readonly port?: number;
  /** Its REST API is served by https. */
  readonly tls?: boolean;
}

/** What can be said of an object without asking a proxy: one of ours, or one that a front has derived. */
export interface Verdict {
  /** Of a derived object, the one that it comes from. */
  readonly key: Key;
  readonly uid: string;
  readonly generation: number;
  /** Accepted, ResolvedRefs; without observedGeneration and time, which who writes them adds. */
  readonly conditions: readonly Condition[];
  /** Uids of the pods whose proxies should have it. Those in `conflicts` are not among them; both together are selected. */
  readonly proxies: ReadonlySet<string>;
  /** Its full name on the proxies. */
  readonly fullName: string;
  /** Pods on which it gives way, with why: two VirtualServices on one port, or the API's own port. */
  readonly conflicts: ReadonlyMap<string, string>;
  /** With `updateOwners`: its metadata's owners, whose `status.children.applied` tells of its generation. Else empty. */
  readonly owners: readonly OwnerReference[];
}

/** What an update concerned. */
export interface Concerned {
  /** Uids of pods whose wish is another one now, that have come, or whose address or incarnation changed, or that have gone. */
  readonly proxies: ReadonlySet<string>;
  /** Full names of objects whose verdict is another one now, or that have gone. */
  readonly objects: ReadonlySet<string>;
}

export interface TranslationOptions {
  /** The port of the proxies' REST API: a container that declares it is a proxy. */
  readonly proxyPort: number;
  /** References and selectors across namespaces need no ReferenceGrant. */
  readonly allowCrossNamespace: boolean;
}

export interface Translation {
  /**
   * Takes up what changed in the snapshot since, at a cost in proportion to what it concerns. A key of what has gone is fine.
   * `derived`: full names of what changed among the derived objects.
   */
  update(changed: Iterable<Key>, derived?: Iterable<string>): Concerned;
  readonly proxies: ReadonlyMap<string, ProxyPod>;
  /** Of a pod that is a proxy. */
  wish(uid: string): Wish | undefined;
  /** By full name. */
  readonly verdicts: ReadonlyMap<string, Verdict>;
}

export type MakeTranslation = (
  snapshot: Snapshot,
  options: TranslationOptions,
  derived?: DerivedObjects,
) => Translation;
