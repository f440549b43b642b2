/**
 * How another front (the Gateway API) says what it means in terms of ours: it makes objects of the same shapes, under names
 * below those of the objects that they come from, and the translation treats them as if somebody had written them. What such
 * an object may refer to is for its maker to decide: no ReferenceGrant is asked for, and nobody but another one of them can
 * refer to it.
 */
import type { Kind } from '../resources/kinds.ts';
import type { ClusterSpec, Metadata, Route, RuleList, Target, VirtualService } from '../resources/objects.ts';

interface Derived<K extends string, S> {
  readonly kind: K;
  /**
   * `/gateway.networking.k8s.io/v1/<Kind>/<namespace>/<name>` of the object that it comes from, and more behind a slash where
   * that one makes several: `/gateway.networking.k8s.io/v1/Gateway/default/edge/dns`. References to it are this name, whole.
   */
  readonly fullName: string;
  /** The kind of the object that it comes from. */
  readonly source: Kind;
  /** Of the object that it comes from: its namespace is where selectors look, its age settles conflicts. */
  readonly metadata: Metadata;
  readonly spec: S;
}

/**
 * The maker finds endpoints by itself: they are addresses with ports and weights (0 to 65,535). The name is unique in its cluster;
 * on the proxies it stands below the cluster's.
 */
export interface DerivedEndpoint {
  readonly name: string;
  readonly spec: { readonly address: string; readonly port?: number };
  readonly weight: number;
}

/** The port of its spec counts only where an endpoint has none of its own. */
export interface DerivedCluster extends Omit<ClusterSpec, 'endpoints'> {
  readonly endpoints: readonly DerivedEndpoint[];
}

export type DerivedVirtualService = Derived<'VirtualService', VirtualService['spec']>;
export type DerivedTarget = Derived<
  'Target',
  { readonly cluster: DerivedCluster; readonly selector?: Target['spec']['selector'] }
>;
export type DerivedRoute = Derived<'Route', Route['spec']>;
export type DerivedRuleList = Derived<'RuleList', RuleList['spec']>;

export type DerivedObject = DerivedVirtualService | DerivedTarget | DerivedRoute | DerivedRuleList;

/** A live view of what a front has made, by full name. An object is never changed, only replaced by another one. */
export interface DerivedObjects {
  get(fullName: string): DerivedObject | undefined;
}
