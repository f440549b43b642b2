/**
 * Checks what users write, against the schemas and against what a schema cannot say. Every failure is E_INVALID and
 * begins with the field's path. What comes out has its aliases renamed and can be normalized as it is.
 */
import type { TObject, TProperties } from 'typebox';
import { VIRTUAL } from '../cluster/endpoint.ts';
import { checkCidrs } from '../core/cidr.ts';
import { invalid, type L7mpError, MAX_PROBLEMS, type Problem } from '../core/errors.ts';
import { parsePointer } from '../core/pointer.ts';
import type { ClusterSide, ListenerOptions, ListenerSide, Spec, Transport } from '../core/protocol.ts';
import type { Registry, Role } from '../core/registry.ts';
import { strict } from '../core/schema.ts';
import type { StandsOn } from '../core/stands-on.ts';
import type { Match } from '../model/match.ts';
import type { Rewrite } from '../model/rewrite.ts';
import { OPERATIONS } from '../routing/operations.ts';
import { MAX_INSTRUCTIONS, Patterns } from '../routing/patterns.ts';
import { compilePredicate } from '../routing/predicate.ts';
import { compileRewrite } from '../routing/rewrite.ts';
import { type AdminInput, AdminSchema } from './admin-schema.ts';
import { checkAuth } from './auth.ts';
import { attempt, below, check, gather, problemsOf } from './check.ts';
import { NOTHING, Normalizer } from './normalize.ts';
import {
  type ClusterInput,
  ClusterSchema,
  type ConfigInput,
  ConfigSchema,
  clusterOptions,
  type EndpointInput,
  EndpointSchema,
  InlineRuleSchema,
  type ListedClusterInput,
  type ListenerInput,
  ListenerSchema,
  listenerOptions,
  type RouteInput,
  RouteSchema,
  type RuleInput,
  type RuleListInput,
  RuleListSchema,
  RuleSchema,
} from './schema.ts';
import { hasPort, optionsOf, schemaOf } from './side-schema.ts';

type Side = ListenerSide | ClusterSide;

export class Validator {
  readonly #registry: Registry;
  /** What the regular expressions of one check may cost together. */
  #patterns = new Patterns(MAX_INSTRUCTIONS);
  /** The schema of a side's options, made once. */
  readonly #options = new WeakMap<Side, TObject>();

  constructor(registry: Registry) {
    this.#registry = registry;
  }

  // ------------------------------------------------------------------ objects

  /** Also that no name is given twice: E_DUPLICATE. `instructions`: of all regular expressions together, at most. */
  config(value: unknown, path = '', instructions = MAX_INSTRUCTIONS): ConfigInput {
    this.#patterns = new Patterns(instructions);
    const config = (value ?? {}) as ConfigInput;
    const problems = problemsOf(ConfigSchema, config, path);
    const each = <T>(key: keyof ConfigInput, items: readonly T[] | undefined, run: (item: T, at: string) => T): T[] =>
      this.#each(items, `${path}/${key}`, problems, run);
    const checked: ConfigInput = {
      ...config,
      clusters: each('clusters', config.clusters, (cluster, at) => this.#cluster(cluster, at)),
      routes: each('routes', config.routes, (route, at) => this.#route(route, at)),
      rules: each('rules', config.rules, (rule, at) => this.#rule(rule, at)),
      rulelists: each('rulelists', config.rulelists, (rulelist, at) => this.#rulelist(rulelist, at)),
      listeners: each('listeners', config.listeners, (listener, at) => this.#listener(listener, at)),
    };
    if (fits(problems, `${path}/admin`)) attempt(problems, () => checkAuth(config.admin ?? {}, `${path}/admin`));
    if (problems.length > 0) throw invalid(...problems);
    this.#listed(checked, path);
    new Normalizer(NOTHING, this.#registry).config(checked);
    return checked;
  }

  /** Checks those that fit the schema, so that what is wrong with them is told together with what is wrong with others. */
  #each<T>(items: readonly T[] | undefined, path: string, problems: Problem[], run: (item: T, at: string) => T): T[] {
    if (!Array.isArray(items)) return [];
    return items.flatMap((item: T, n) => {
      const at = `${path}/${n}`;
      if (problems.length >= MAX_PROBLEMS || !fits(problems, at)) return [];
      return attempt(problems, () => run(item, at)) ?? [];
    });
  }

  admin(value: unknown, path: string): AdminInput {
    const admin = check(AdminSchema, value, path);
    checkAuth(admin, path);
    return admin;
  }

  listener(value: unknown, path: string): ListenerInput {
    this.#patterns = new Patterns(MAX_INSTRUCTIONS);
    return this.#listener(check(ListenerSchema, value, path), path);
  }

  cluster(value: unknown, path: string): ClusterInput {
    return this.#cluster(check(ClusterSchema, value, path), path);
  }

  endpoint(value: unknown, path: string, cluster: { readonly spec: Spec }): EndpointInput {
    const endpoint = check(EndpointSchema, value, path);
    this.#endpoint(endpoint, cluster.spec, path);
    return endpoint;
  }

  rulelist(value: unknown, path: string): RuleListInput {
    this.#patterns = new Patterns(MAX_INSTRUCTIONS);
    return this.#rulelist(check(RuleListSchema, value, path), path);
  }

  rule(value: unknown, path: string): RuleInput {
    this.#patterns = new Patterns(MAX_INSTRUCTIONS);
    return this.#rule(check(RuleSchema, value, path), path);
  }

  /** A rule that may leave its name to the proxy. */
  inlineRule(value: unknown, path: string): RuleInput {
    this.#patterns = new Patterns(MAX_INSTRUCTIONS);
    return this.#rule(check(InlineRuleSchema, value, path), path);
  }

  route(value: unknown, path: string): RouteInput {
    return this.#route(check(RouteSchema, value, path), path);
  }

  // ------------------------------------------------------------------ what the schemas cannot say

  #listener(listener: ListenerInput, path: string): ListenerInput {
    const side = below(`${path}/spec/protocol`, () => this.#registry.listener(listener.spec.protocol));
    const [spec, options, rules] = gather([
      () => this.#spec('listener', listener.spec, `${path}/spec`),
      () => this.#listenerOptions(side, listener.options, path),
      () => this.#ruleRefs(listener.rules, `${path}/rules`),
    ]);
    return { ...listener, spec, options, rules };
  }

  #listenerOptions(side: ListenerSide, given: object | undefined, path: string): ListenerOptions {
    const options: ListenerOptions = { ...this.#checkOptions(side, listenerOptions, given, path) };
    below(`${path}/options`, () => {
      checkCidrs(options.allow, '/allow');
      checkCidrs(options.deny, '/deny');
    });
    return options;
  }

  #ruleRefs(rules: ListenerInput['rules'], path: string): ListenerInput['rules'] {
    if (typeof rules === 'string') return rules;
    if (Array.isArray(rules)) return this.#rules(rules, path);
    return this.#rulelist(rules, path);
  }

  #rulelist<T extends RuleListInput>(rulelist: T, path: string): T {
    return { ...rulelist, rules: this.#rules(rulelist.rules, `${path}/rules`) };
  }

  #rules(rules: RuleListInput['rules'], path: string): RuleListInput['rules'] {
    return gather(rules.map((rule, n) => () => (typeof rule === 'string' ? rule : this.#rule(rule, `${path}/${n}`))));
  }

  #rule<T extends RuleInput>(rule: T, path: string): T {
    const { match, action } = rule;
    const [, , , route] = gather([
      () => below(`${path}/match`, () => compilePredicate(match as Match, OPERATIONS, this.#patterns)),
      () => below(`${path}/action/rewrite`, () => compileRewrite((action.rewrite ?? []) as Rewrite[])),
      () => {
        if (action.route === undefined && action.apply === undefined) throw bad(`${path}/action/route`, 'missing');
      },
      () => (typeof action.route === 'object' ? this.#route(action.route, `${path}/action/route`) : action.route),
    ]);
    return route === action.route ? rule : { ...rule, action: { ...action, route } };
  }

  #route<T extends RouteInput>(route: T, path: string): T {
    const { cluster, destination = cluster, ...rest } = route;
    if (destination === undefined) throw bad(`${path}/destination`, 'missing');
    if (cluster !== undefined && route.destination !== undefined) {
      throw bad(`${path}/cluster`, 'is another name of destination; only one of them can be given');
    }
    const chain = (key: 'ingress' | 'egress') =>
      gather((route[key] ?? []).map((c, n) => () => this.#clusterRef(c, `${path}/${key}/${n}`)));
    const [found, ingress, egress] = gather([
      () => this.#clusterRef(destination, `${path}/${cluster === undefined ? 'destination' : 'cluster'}`),
      () => chain('ingress'),
      () => chain('egress'),
    ]);
    return { ...rest, destination: found, ingress, egress } as unknown as T;
  }

  #clusterRef(ref: string | ClusterInput, path: string): string | ClusterInput {
    return typeof ref === 'string' ? ref : this.#cluster(ref, path);
  }

  /** The endpoints that do not stand in their clusters. */
  #listed({ clusters = [], endpoints = [] }: ConfigInput, path: string): void {
    const specs = new Map(clusters.map(({ name, spec }) => [name, spec]));
    for (const [n, endpoint] of endpoints.entries()) {
      const at = `${path}/endpoints/${n}`;
      const spec = specs.get(endpoint.cluster);
      if (!spec)
        throw bad(`${at}/cluster`, `no cluster of the configuration is named ${JSON.stringify(endpoint.cluster)}`);
      this.#endpoint(endpoint, spec, at);
    }
    const counts = countBy(endpoints, ({ cluster }) => cluster);
    for (const [n, { name, endpoints: said }] of clusters.entries()) {
      const there = counts.get(name) ?? 0;
      if (typeof said !== 'number' || said === there) continue;
      throw bad(`${path}/clusters/${n}/endpoints`, `is ${said}, but ${there} of ${path}/endpoints name the cluster`);
    }
  }

  #cluster<T extends ClusterInput | ListedClusterInput>(cluster: T, path: string): T {
    const side = below(`${path}/spec/protocol`, () => this.#registry.cluster(cluster.spec.protocol));
    const key = cluster.loadbalancer?.key;
    const [spec, options] = gather([
      () => this.#spec('cluster', cluster.spec, `${path}/spec`),
      () => this.#checkOptions(side, clusterOptions, cluster.options, path),
      () => key !== undefined && below(`${path}/loadbalancer/key`, () => parsePointer(key)),
    ]);
    if (!Array.isArray(cluster.endpoints)) return { ...cluster, spec, options } as T;
    // A virtual cluster shows one of its own, which may be sent back.
    const isOwn = ({ spec: { address } }: EndpointInput): boolean => side.virtual === true && address === VIRTUAL;
    const endpoints = cluster.endpoints as EndpointInput[];
    gather(endpoints.map((one, n) => () => isOwn(one) || this.#endpoint(one, spec, `${path}/endpoints/${n}`)));
    return { ...cluster, spec, options, endpoints: endpoints.filter((one) => !isOwn(one)) } as T;
  }

  /** `cluster`: the checked specification of the cluster. */
  #endpoint(endpoint: EndpointInput, cluster: Spec, path: string): void {
    const { address, port } = endpoint.spec;
    const { virtual } = this.#registry.cluster(cluster.protocol);
    if (virtual) throw bad(path, 'a cluster without a network has no endpoints');
    if (port !== undefined && !hasPort(this.#registry, cluster)) {
      throw bad(`${path}/spec/port`, `endpoints of ${cluster.protocol} have no port`);
    }
    below(`${path}/spec/address`, () => this.#registry.checkAddress(cluster, address));
    if (
      endpoint.weight !== undefined &&
      endpoint.spec.weight !== undefined &&
      endpoint.weight !== endpoint.spec.weight
    ) {
      throw bad(`${path}/spec/weight`, 'differs from the weight beside spec');
    }
  }

  // ------------------------------------------------------------------ what depends on the protocol

  /** The specification with its aliases renamed, checked against the protocol's schema and those it stands on. */
  #spec(role: Role, spec: Spec, path: string): Spec {
    const side: Side = below(`${path}/protocol`, () => this.#registry[role](spec.protocol));
    const { protocol, ...fields } = rename(spec, side.aliases ?? {}, path);
    check(schemaOf(side), fields, path);
    const checked: Spec = { protocol, ...fields, ...this.#below(role, { protocol, ...fields }, path) };
    const under = this.#registry.under(role, checked);
    below(path, () => side.check?.(checked, under && this.#registry.transport(role, under)));
    return checked;
  }

  /** The field with the specification of what a protocol stands on, checked: also that it can stand on it. */
  #below(role: Role, spec: Spec, path: string): { [field: string]: Spec } {
    const registry = this.#registry;
    const { standsOn } = registry[role](spec.protocol);
    const under = registry.under(role, spec);
    if (!standsOn || !under) return {};
    const { field, otherwise } = standsOn;
    if (spec[field] === undefined) {
      this.#spec(role, under, path);
      return {};
    }
    const instead = otherwise?.fields.find((name) => Object.hasOwn(spec, name));
    if (instead !== undefined) throw bad(`${path}/${instead}`, `has no place beside ${field}`);
    return { [field]: this.#carrier(role, spec.protocol, under, `${path}/${field}`) };
  }

  /** The specification of what carries a protocol, checked. */
  #carrier(role: Role, protocol: string, spec: Spec, at: string): Spec {
    const registry = this.#registry;
    const { standsOn = { field: '' } } = registry[role](protocol);
    const side = below(`${at}/protocol`, () => registry[role](spec.protocol));
    if (!side.transport) throw bad(`${at}/protocol`, `${spec.protocol} cannot carry another protocol`);
    const checked = this.#spec(role, spec, at);
    const why = unsuitable(registry.transport(role, checked), standsOn);
    if (why === undefined) return checked;
    const others = registry.carriers(role, standsOn).join(', ');
    throw bad(`${at}/protocol`, `${spec.protocol} cannot carry ${protocol}: ${why}; there are ${others}`);
  }

  #checkOptions(side: Side, common: TProperties, options: object | undefined, path: string): object {
    let schema = this.#options.get(side);
    if (!schema) {
      schema = strict({ ...common, ...optionsOf(side) });
      this.#options.set(side, schema);
    }
    const checked = check(schema, options ?? {}, `${path}/options`);
    below(`${path}/options`, () => side.checkOptions?.(checked));
    return checked;
  }
}

/** Why a protocol cannot stand on such a transport. */
function unsuitable(transport: Transport, needs: StandsOn): string | undefined {
  if (needs.kind !== undefined && transport.kind !== needs.kind) {
    return `it is a ${transport.kind} transport, and a ${needs.kind} one is needed`;
  }
  return needs.lossy === false && transport.lossy ? 'it loses messages' : undefined;
}

function countBy<T>(items: readonly T[], keyOf: (item: T) => string): Map<string, number> {
  const counts = new Map<string, number>();
  for (const item of items) counts.set(keyOf(item), (counts.get(keyOf(item)) ?? 0) + 1);
  return counts;
}

function rename(spec: Spec, aliases: Readonly<Record<string, string>>, path: string): Spec {
  const entries = Object.entries(spec).map(([key, value]) => {
    const name = Object.hasOwn(aliases, key) ? (aliases[key] as string) : key;
    if (name !== key && Object.hasOwn(spec, name)) throw bad(`${path}/${key}`, `is another name of ${name}`);
    return [name, value];
  });
  return Object.fromEntries(entries) as Spec;
}

function bad(path: string, message: string): L7mpError {
  return invalid({ path, message });
}

/** Whether nothing is wrong at a path, or below it. */
function fits(problems: readonly Problem[], path: string): boolean {
  return !problems.some((problem) => `${problem.path}/`.startsWith(`${path}/`));
}
