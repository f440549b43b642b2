import type { Cluster } from '../cluster/cluster.ts';
import { asL7mpError, L7mpError } from '../core/errors.ts';
import type { Metadata } from '../core/metadata.ts';
import type { RouteDefinition } from '../reconcile/definitions.ts';
import type { Store } from '../reconcile/store.ts';
import type { Rule } from './objects.ts';

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
 * after the rule. Throws E_NO_ROUTE where no rule matches or a reference leads nowhere.
 */
export function findRoute(store: Store, rulelist: string, session: Routed): RouteDefinition {
  let list = rulelist;
  for (let hop = 0; hop < MAX_HOPS; hop++) {
    const { definition } = firstMatch(store, list, session);
    if (definition.route !== undefined) return routeNamed(store, definition.route);
    if (definition.apply === undefined) throw new L7mpError('E_NO_ROUTE', `rule ${definition.name} has no route`);
    list = definition.apply;
  }
  throw new L7mpError('E_NO_ROUTE', `more than ${MAX_HOPS} rulelists apply one another, from ${rulelist} on`);
}

/** A rule that is gone matches nothing. */
function firstMatch(store: Store, name: string, session: Routed): Rule {
  const list = store.rulelists.get(name);
  if (!list) throw new L7mpError('E_NO_ROUTE', `there is no rulelist ${name}`);
  // Made at most once for a list: there may be a thousand rules.
  let metadata: Metadata | undefined;
  for (const ruleName of list.definition.rules) {
    const rule = store.rules.get(ruleName);
    if (!rule) continue;
    if (rule.matches) {
      metadata ??= session.metadata;
      if (!rule.matches(metadata)) continue;
    }
    rewrite(rule, session);
    return rule;
  }
  throw new L7mpError('E_NO_ROUTE', `no rule of ${name} matches`);
}

function rewrite(rule: Rule, session: Routed): void {
  try {
    rule.rewrite?.(session.ownMetadata());
  } catch (error) {
    const { message } = asL7mpError(error);
    throw new L7mpError('E_NO_ROUTE', `rule ${rule.definition.name} cannot rewrite: ${message}`, { cause: error });
  }
}

function routeNamed(store: Store, name: string): RouteDefinition {
  const route = store.routes.get(name);
  if (!route) throw new L7mpError('E_NO_ROUTE', `there is no route ${name}`);
  return route.definition;
}

/** A cluster that a route names. Throws E_NO_ROUTE where there is none. */
export function clusterOf(store: Store, name: string, route: RouteDefinition): Cluster {
  const cluster = store.clusters.get(name);
  if (!cluster) throw new L7mpError('E_NO_ROUTE', `route ${route.name}: there is no cluster ${name}`);
  return cluster;
}
