/** The schemas of the OpenAPI document: every one that has a name there, with references between them. */

import type { TProperties } from 'typebox';
import { AdminSchema, LimitsSchema } from '../config/admin-schema.ts';
import {
  ClusterSchema,
  ConfigSchema,
  clusterOptions,
  EndpointSchema,
  InlineClusterSchema,
  InlineRouteSchema,
  InlineRuleListSchema,
  InlineRuleSchema,
  ListedClusterSchema,
  ListedEndpointSchema,
  ListenerSchema,
  LoadBalancerSchema,
  listenerOptions,
  MatchSchema,
  RetrySchema,
  RewriteSchema,
  RouteSchema,
  RuleListSchema,
  RuleSchema,
} from '../config/schema.ts';
import { optionsOf, schemaOf } from '../config/side-schema.ts';
import { ownValue } from '../core/own-value.ts';
import type { ClusterSide, ListenerSide, Protocol } from '../core/protocol.ts';
import type { Registry } from '../core/registry.ts';
import { Name, strict } from '../core/schema.ts';
import type { StandsOn } from '../core/stands-on.ts';
import * as answers from './answers.ts';

/** A JSON Schema, as it stands in the document. */
export type Json = { readonly [key: string]: unknown };

/** The schemas that get a name in the document; wherever one of them is used, there is a reference to it. */
const NAMED: Readonly<Record<string, object>> = {
  Name,
  Admin: AdminSchema,
  Limits: LimitsSchema,
  Config: ConfigSchema,
  ConfigCluster: ListedClusterSchema,
  ConfigEndPoint: ListedEndpointSchema,
  Listener: ListenerSchema,
  RuleList: RuleListSchema,
  InlineRuleList: InlineRuleListSchema,
  Rule: RuleSchema,
  InlineRule: InlineRuleSchema,
  Match: MatchSchema,
  Rewrite: RewriteSchema,
  Route: RouteSchema,
  InlineRoute: InlineRouteSchema,
  Retry: RetrySchema,
  Cluster: ClusterSchema,
  InlineCluster: InlineClusterSchema,
  LoadBalancer: LoadBalancerSchema,
  EndPoint: EndpointSchema,
  ListenerOptions: strict(listenerOptions),
  ClusterOptions: strict(clusterOptions),
  Ok: answers.OkAnswer,
  Error: answers.ErrorAnswer,
  ListenerRead: answers.ListenerAnswer,
  RuleListRead: answers.RuleListAnswer,
  RuleRead: answers.RuleAnswer,
  RouteRead: answers.RouteAnswer,
  ClusterRead: answers.ClusterAnswer,
  EndPointRead: answers.EndpointAnswer,
  SessionRead: answers.SessionAnswer,
  AdminRead: answers.AdminAnswer,
  ConfigRead: answers.ConfigAnswer,
};

/** Of these, `spec` and `options` depend on the protocol. */
const BY_PROTOCOL: Readonly<Record<string, Side>> = {
  Listener: 'listener',
  Cluster: 'cluster',
  InlineCluster: 'cluster',
  ConfigCluster: 'cluster',
};

type Side = 'listener' | 'cluster';

const TITLES: Readonly<Record<Side, string>> = { listener: 'Listener', cluster: 'Cluster' };

/** Schemas are the same if they say the same: what makes a field optional makes a copy. */
const names = new Map(Object.entries(NAMED).map(([name, schema]) => [JSON.stringify(schema), name]));

/** The schema, with references to those that have a name. */
export function refer(schema: object): Json {
  const name = names.get(JSON.stringify(schema));
  return name === undefined ? (referIn(schema) as Json) : reference(name);
}

function referIn(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(referAny);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, referAny(part)]));
}

function referAny(value: unknown): unknown {
  return typeof value === 'object' && value !== null ? refer(value) : value;
}

function reference(name: string): Json {
  return { $ref: `#/components/schemas/${name}` };
}

/** Everything that the document's references lead to. */
export function components(registry: Registry): Json {
  return { ...namedSchemas(registry), ...protocolSchemas(registry) };
}

function namedSchemas(registry: Registry): Record<string, Json> {
  const entries = Object.entries(NAMED).map(([name, schema]): [string, Json] => {
    const side = ownValue(BY_PROTOCOL, name);
    const own = referIn(schema) as Json;
    return [name, side ? { allOf: [own, anyOfProtocols(registry, side)] } : own];
  });
  return Object.fromEntries(entries);
}

function anyOfProtocols(registry: Registry, side: Side): Json {
  const able = registry.all().filter((protocol) => protocol[side]);
  return { oneOf: able.map(({ name }) => reference(nameOf(name, side, ''))) };
}

function anyTransport(registry: Registry, side: Side, needs: StandsOn): Json {
  return { oneOf: registry.carriers(side, needs).map((name) => reference(nameOf(name, side, 'Spec'))) };
}

/** As OpenAPI wants the names of components. */
function nameOf(name: string, side: Side, part: '' | 'Spec'): string {
  return `${name.replace(/[^\w.-]/g, '_')}${TITLES[side]}${part}`;
}

/** For each protocol and side: its specification, and what `spec` and `options` of its listeners or clusters are. */
function protocolSchemas(registry: Registry): Record<string, Json> {
  const all = registry.all().flatMap((protocol): [string, Json][] => {
    const { listener, cluster } = protocol;
    return [
      ...(listener ? sideSchemas(registry, protocol, 'listener', listener) : []),
      ...(cluster ? sideSchemas(registry, protocol, 'cluster', cluster) : []),
    ];
  });
  return Object.fromEntries(all);
}

function sideSchemas(
  registry: Registry,
  protocol: Protocol,
  side: Side,
  found: ListenerSide | ClusterSide,
): [string, Json][] {
  const spec = nameOf(protocol.name, side, 'Spec');
  const options = { ...(side === 'listener' ? listenerOptions : clusterOptions), ...optionsOf(found) };
  return [
    [spec, specSchema(registry, protocol.name, side)],
    [
      nameOf(protocol.name, side, ''),
      {
        description: protocol.title,
        type: 'object',
        properties: { spec: reference(spec), options: refer(strict(options)) },
      },
    ],
  ];
}

/** The protocol's own fields, also by their other names, and the protocol's name. */
function specSchema(registry: Registry, name: string, role: Side): Json {
  const side: ListenerSide | ClusterSide = registry[role](name);
  const { standsOn, aliases = {} } = side;
  const { properties, required } = fieldsOf(side);
  const fields: Record<string, Json> = Object.fromEntries(
    Object.entries(properties).map(([field, schema]) => [
      field,
      field === standsOn?.field ? anyTransport(registry, role, standsOn) : refer(schema),
    ]),
  );
  const others = Object.entries(aliases).map(([alias, field]): [string, Json] => [alias, fields[field] as Json]);
  const renamed = Object.entries(aliases).filter(([, field]) => required.includes(field));
  const choices = [...renamed, ...placesOf(registry, role, standsOn)];
  return {
    type: 'object',
    properties: { protocol: { const: name }, ...fields, ...Object.fromEntries(others) },
    required: ['protocol', ...required.filter((field) => !renamed.some(([, one]) => one === field))],
    ...(choices.length > 0 && {
      allOf: choices.map(([other, field]) => ({ oneOf: [{ required: [field] }, { required: [other] }] })),
    }),
    additionalProperties: false,
  };
}

/** The field that must be there where that with what it stands on is not. */
function placesOf(registry: Registry, role: Side, standsOn: StandsOn | undefined): [string, string][] {
  const { field = '', otherwise } = standsOn ?? {};
  if (!otherwise) return [];
  const { required } = fieldsOf(registry[role](otherwise.protocol));
  return otherwise.fields.filter((name) => required.includes(name)).map((name) => [field, name]);
}

function fieldsOf(side: ListenerSide | ClusterSide): { properties: TProperties; required: readonly string[] } {
  const { properties, required = [] } = schemaOf(side) as unknown as { properties: TProperties; required?: string[] };
  return { properties, required };
}
