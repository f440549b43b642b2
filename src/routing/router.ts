import type { Cluster } from '../cluster/cluster.ts';
import { asL7mpError, L7mpError } from '../core/errors.ts';
import type { Metadata } from '../core/metadata.ts';
import type { RouteDefinition } from '../model/definitions.ts';
import type { Route, Rule, RuleList } from './objects.ts';

/** Where objects are found by their names, as they are now. */
export interface Lookup {
  readonly rulelists: ReadonlyMap<string, RuleList>;
  readonly rules: ReadonlyMap<string, Rule>;
  readonly routes: ReadonlyMap<string, Route>;
  readonly clusters: ReadonlyMap<string, Cluster>;
}

/** What the rules are asked about. */
export interface Routed {
  readonly metadata: Metadata;
  /** The metadata, for rules that rewrite it. */
  ownMetadata(): Metadata;
}

/** Rulelists that may follow one another by `apply`: a circle of them must end. */
const MAX_HOPS = 32;

/**
 * Where the rules send a session: references are looked up now, so that they may be to objects that came, or went,
 * after the rule. A rule that has both a route and another rulelist asks that one first: its route is for what nothing
 * there leads anywhere. Throws E_NO_ROUTE where no rule matches or a reference leads nowhere.
 */
export function findRoute(lookup: Lookup, rulelist: string, session: Routed): RouteDefinition {
  let list = rulelist;
  let otherwise: string | undefined;
  for (let hop = 0; hop < MAX_HOPS; hop++) {
    const { route, apply } = firstMatch(lookup, list, session, otherwise);
    otherwise = route ?? otherwise;
    if (apply === undefined) return routeNamed(lookup, route as string);
    list = apply;
  }
  throw new L7mpError('E_NO_ROUTE', `more than ${MAX_HOPS} rulelists apply one another, from ${rulelist} on`);
}

interface Decision {
  readonly route: string | undefined;
  readonly apply: string | undefined;
}

/** The action of the first rule that matches; else the route `otherwise`. A rule that is gone matches nothing. */
function firstMatch(lookup: Lookup, name: string, session: Routed, otherwise: string | undefined): Decision {
  const list = lookup.rulelists.get(name);
  // Made at most once for a list: there may be a thousand rules.
  let metadata: Metadata | undefined;
  for (const ruleName of list?.definition.rules ?? []) {
    const rule = lookup.rules.get(ruleName);
    if (!rule) continue;
    if (rule.matches) {
      metadata ??= session.metadata;
      if (!rule.matches(metadata)) continue;
    }
    rewrite(rule, session);
    return rule.definition;
  }
  if (otherwise !== undefined) return { route: otherwise, apply: undefined };
  throw new L7mpError('E_NO_ROUTE', list ? `no rule of ${name} matches` : `there is no rulelist ${name}`);
}

function rewrite(rule: Rule, session: Routed): void {
  try {
    rule.rewrite?.(session.ownMetadata());
  } catch (error) {
    const { message } = asL7mpError(error);
    throw new L7mpError('E_NO_ROUTE', `rule ${rule.definition.name} cannot rewrite: ${message}`, { cause: error });
  }
}

function routeNamed(lookup: Lookup, name: string): RouteDefinition {
  const route = lookup.routes.get(name);
  if (!route) throw new L7mpError('E_NO_ROUTE', `there is no route ${name}`);
  return route.definition;
}

/** A cluster that a route names. Throws E_NO_ROUTE where there is none. */
export function clusterOf(lookup: Lookup, name: string, route: RouteDefinition): Cluster {
  const cluster = lookup.clusters.get(name);
  if (!cluster) throw new L7mpError('E_NO_ROUTE', `route ${route.name}: there is no cluster ${name}`);
  return cluster;
}
