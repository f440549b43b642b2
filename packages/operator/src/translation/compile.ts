/** Makes a unit of an object. It reads what the object refers to, and nothing else. */
import type { L7mpKind } from '../resources/kinds.ts';
import type { ClusterSpec, Rule, RuleSpec, Target, VirtualService } from '../resources/objects.ts';
import { NO_PODS, type Query } from '../resources/selectors.ts';
import { Builder } from './builder.ts';
import { planListenersCluster } from './cluster-plans.ts';
import type { DerivedTarget } from './derived.ts';
import type { Reader } from './inputs.ts';
import { InvalidObject } from './invalid.ts';
import { claimOf } from './ports.ts';
import { withField } from './protocols.ts';
import { Scope } from './scope.ts';
import { findSource, type Source } from './source.ts';
import type { Unit } from './unit.ts';

/** Undefined: there is no object of that name. `open`: nothing needs a ReferenceGrant. */
export function compile(name: string, reader: Reader, open: boolean): Unit | undefined {
  const source = findSource(name, reader);
  if (!source) return undefined;
  const { identity, object, isDerived } = source;
  const place = { kind: object.kind, namespace: identity.key.namespace, trusted: isDerived, open };
  const scope = new Scope(reader, place);
  try {
    return make(source, scope);
  } catch (error) {
    // Whatever is wrong with this object is its own affair: all others are translated.
    const why = error instanceof InvalidObject ? error.message : `the object is malformed: ${error}`;
    return { ...EMPTY, identity, invalid: why, problems: [], placement: NO_PODS };
  }
}

const EMPTY = {
  listeners: new Map(),
  rulelists: new Map(),
  rules: new Map(),
  routes: new Map(),
  clusters: new Map(),
  uses: new Set<string>(),
};

function make({ identity, object }: Source, scope: Scope): Unit {
  const { name } = identity;
  const builder = new Builder(scope);
  const { selector } = object.spec;
  const placement: { placement?: Query } = selector ? { placement: scope.select(selector) } : {};
  const own = fill(object, name, builder, scope);
  const { rulelists, rules, routes, clusters, uses } = builder;
  return {
    ...EMPTY,
    identity,
    problems: scope.problems,
    ...placement,
    rulelists,
    rules,
    routes,
    clusters,
    uses,
    ...own,
  };
}

function fill(object: Source['object'], name: string, builder: Builder, scope: Scope): Partial<Unit> {
  const make: { [K in L7mpKind]: (spec: never) => Partial<Unit> | undefined } = {
    VirtualService: (spec: VirtualService['spec']) => makeListener(spec, name, builder),
    Target: (spec: Target['spec'] | DerivedTarget['spec']) => makeTarget(spec, name, builder, scope),
    Route: ({ route }) => void builder.addRoute(name, route),
    RuleList: ({ rules }) => void builder.addRuleList(name, rules, name),
    Rule: (spec: Rule['spec']) => makeRule(spec, name, builder),
  };
  return make[object.kind](object.spec as never) ?? {};
}

function makeListener(spec: VirtualService['spec'], name: string, builder: Builder): Partial<Unit> {
  const { listener, selector } = spec;
  if (!selector) throw new InvalidObject('selector: it must be given');
  const given = [spec.rules, spec.rulesRef, listener.rules, listener.rulesRef].filter((one) => one !== undefined);
  const [rules = []] = given as (readonly RuleSpec[] | string)[];
  if (given.length > 1)
    throw new InvalidObject('listener: rules or a rulesRef must stand in one place, or beside it, not in both');
  const proxySpec = withField(listener.spec, 'listener/spec');
  const claim = claimOf(proxySpec);
  const list =
    typeof rules === 'string' ? builder.ruleListOf(rules) : builder.addRuleList(`${name}/rules`, rules, name);
  const { options } = listener;
  const definition = { spec: proxySpec, rules: list, ...(options && { options }) };
  return { listeners: new Map([[name, definition]]), ...(claim && { claim }) };
}

function makeTarget(
  spec: Target['spec'] | DerivedTarget['spec'],
  name: string,
  builder: Builder,
  scope: Scope,
): undefined {
  const { cluster } = spec;
  const link = 'linkedVirtualService' in spec ? spec.linkedVirtualService : undefined;
  if (link === undefined) {
    if (!cluster?.spec) throw new InvalidObject('cluster: it, or linkedVirtualService, must be given');
    builder.addCluster(name, { ...cluster, spec: cluster.spec });
    return;
  }
  const found = scope.find(link, ['VirtualService']);
  if ('reason' in found) return;
  const plan = planListenersCluster(found, scope, { ...cluster, name } as Partial<ClusterSpec> & { name: string });
  if (!('reason' in plan)) builder.clusters.set(name, plan);
}

function makeRule({ rulelist, position = 0, rule }: Rule['spec'], name: string, builder: Builder): Partial<Unit> {
  builder.addRule(name, rule);
  return { insertion: { list: builder.ruleListOf(rulelist), position } };
}
