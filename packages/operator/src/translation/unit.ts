/** What comes from one object: definitions by the names that they have on a proxy, and what these want besides. */
import type { Key } from '../cluster/contract.ts';
import type { OwnerReference } from '../resources/objects.ts';
import type { Query } from '../resources/selectors.ts';
import type { Definition } from './contract.ts';
import type { Claim } from './ports.ts';
import type { Problem } from './scope.ts';

/** Where a cluster's endpoints come from. */
export type EndpointSource =
  | { readonly from: 'text'; readonly name: string; readonly definition: Definition }
  | { readonly from: 'pods'; readonly query: Query; readonly weight: number }
  | {
      readonly from: 'service';
      readonly namespace: string;
      readonly name: string;
      readonly port: number;
      readonly protocol: string;
    };

export interface ClusterPlan {
  /** Without endpoints. */
  readonly definition: Definition;
  readonly endpoints: readonly EndpointSource[];
}

/** Whose it is, as the status says. */
export interface Identity {
  /** The full name. */
  readonly name: string;
  readonly key: Key;
  readonly uid: string;
  readonly generation: number;
  /** Sorts the older one first; of two of one age, by namespace and name. */
  readonly age: string;
  readonly owners: readonly OwnerReference[];
}

export interface Unit {
  readonly identity: Identity;
  /** Why nothing can be made of it. */
  readonly invalid?: string;
  readonly problems: readonly Problem[];
  /** The pods that have it; undefined: those that have something that refers to it. */
  readonly placement?: Query;
  readonly listeners: ReadonlyMap<string, Definition>;
  /** The names of their own rules. */
  readonly rulelists: ReadonlyMap<string, readonly string[]>;
  readonly rules: ReadonlyMap<string, Definition>;
  readonly routes: ReadonlyMap<string, Definition>;
  readonly clusters: ReadonlyMap<string, ClusterPlan>;
  /** Full names of the units that it refers to. */
  readonly uses: ReadonlySet<string>;
  /** What its listener listens on. */
  readonly claim?: Claim;
  /** Of a Rule: where it goes. */
  readonly insertion?: { readonly list: string; readonly position: number };
}

/** The older one first. */
export function byAge({ identity: a }: Unit, { identity: b }: Unit): number {
  return a.age < b.age ? -1 : 1;
}
