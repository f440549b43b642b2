/**
 * The configuration as the proxy keeps it: every object by itself, referring to others by name. What a user wrote
 * inline has become an object of its own that knows its owner: the owner's recursive deletion takes it along.
 */
import type { ClusterOptions, ListenerOptions, Spec } from '../core/protocol.ts';
import type { Match } from './match.ts';
import type { Policy } from './policy.ts';
import type { Retry } from './retry.ts';
import type { Rewrite } from './rewrite.ts';

interface Named {
  readonly name: string;
}

/** What opens files or sockets. */
interface Opening {
  /** The API named them: they are opened below `admin.files` only, without following links. */
  readonly confined?: boolean;
}

interface Owned extends Named {
  /**
   * The name of the object in whose text it stands: a rulelist's listener, a rule's rulelist, a route's rule, a
   * cluster's route. Undefined where it stands by itself, or has outlived its owner.
   */
  readonly owner: string | undefined;
}

export interface EndpointDefinition extends Named {
  readonly kind: 'endpoint';
  /** The cluster that it belongs to. */
  readonly cluster: string;
  readonly address: string;
  /** In place of the cluster's. */
  readonly port: number | undefined;
  readonly weight: number;
}

export interface ClusterDefinition extends Owned, Opening {
  readonly kind: 'cluster';
  readonly spec: Spec;
  readonly loadbalancer: { readonly policy: Policy; readonly key?: string };
  readonly options: ClusterOptions;
}

export interface RouteDefinition extends Owned {
  readonly kind: 'route';
  readonly destination: string;
  readonly ingress: readonly string[];
  readonly egress: readonly string[];
  readonly retry: Retry;
}

export interface RuleDefinition extends Owned {
  readonly kind: 'rule';
  readonly match: Match | undefined;
  readonly rewrite: readonly Rewrite[] | undefined;
  readonly route: string | undefined;
  readonly apply: string | undefined;
}

export interface RuleListDefinition extends Owned {
  readonly kind: 'rulelist';
  readonly rules: readonly string[];
}

export interface ListenerDefinition extends Named, Opening {
  readonly kind: 'listener';
  readonly spec: Spec;
  /** The name of its rulelist. */
  readonly rules: string;
  readonly options: ListenerOptions;
}

export type Definition =
  | EndpointDefinition
  | ClusterDefinition
  | RouteDefinition
  | RuleDefinition
  | RuleListDefinition
  | ListenerDefinition;

export type Kind = Definition['kind'];

/** What tells an object from all others, of whichever kind: `<kind> <name>`. */
export function keyOf({ kind, name }: { readonly kind: Kind; readonly name: string }): string {
  return `${kind} ${name}`;
}

export type DefinitionOf<K extends Kind> = Extract<Definition, { readonly kind: K }>;

/** Objects by kind and name: those that run, or those of a text that has not been taken up yet. */
export interface Objects {
  of<K extends Kind>(kind: K): ReadonlyMap<string, { readonly definition: DefinitionOf<K> }>;
}
