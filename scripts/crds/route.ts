/** Rules and routes. */
import { RetrySchema, RewriteSchema } from '../../src/config/schema.ts';
import type { Registry } from '../../src/core/registry.ts';
import { Name } from '../../src/core/schema.ts';
import { DEFAULT_RETRY } from '../../src/model/retry.ts';
import { clusterSchema } from './cluster.ts';
import { structural } from './convert.ts';
import { predicateSchema } from './predicate.ts';
import { reference } from './references.ts';
import { atMostOne, type Check, exactly, FREE, only, outline, plainOr, type Schema } from './schema.ts';

/** To what a stream is sent. */
const toCluster = (description: string): Schema =>
  reference(
    ['Target', 'VirtualService'],
    `${description} A bare name is that of a Target, else of a VirtualService, else of a Service.`,
    true,
  );

/** CEL does not see `destination`: that there is too much is told as a reference that is too long. */
const ONE_DESTINATION: Check = {
  message: 'destination or destinationRef must be given, and not both',
  schema: {
    anyOf: [
      { required: ['destination'], properties: { destinationRef: { maxLength: 0 } } },
      { required: ['destinationRef'], not: { required: ['destination'] } },
    ],
  },
};

export function routeSchema(registry: Registry, description: string): Schema {
  const retry = structural(RetrySchema);
  const defaults: Readonly<Record<string, unknown>> = { ...DEFAULT_RETRY };
  return {
    type: 'object',
    description,
    part: 'route',
    properties: {
      destination: {
        ...plainOr(
          toCluster(''),
          inlineCluster(registry),
          'Where sessions end: a cluster, or a reference as in destinationRef.',
        ),
        part: 'cluster-or-name',
      },
      destinationRef: toCluster('Where sessions end, by reference.'),
      // What a cluster is like is said once, at the destination: see `outline`.
      ingress: chain(registry, 'What sessions go through from the listener to the destination, in this order.'),
      egress: chain(registry, 'What sessions go through on the way back, in this order.'),
      retry: {
        ...retry,
        description: 'What is done about connections that cannot be made, or break.',
        part: 'retry',
        properties: Object.fromEntries(
          Object.entries(retry.properties ?? {}).map(([name, field]) => [name, { ...field, default: defaults[name] }]),
        ),
      },
    },
    checks: [ONE_DESTINATION],
  };
}

function inlineCluster(registry: Registry): Schema {
  return { ...clusterSchema(registry, 'A cluster of this route.'), required: ['spec'] };
}

/** The longer way to write a cluster of a chain, whose fields the proxies check: it would stand four times in a definition. */
const NESTED_CLUSTER: Schema = {
  type: 'object',
  description: 'A cluster, with the fields that may stand here, too.',
  properties: { spec: { type: 'object', minProperties: 1, maxProperties: 1, ...FREE } },
  required: ['spec'],
  ...FREE,
};

/** Its items: a cluster, `{cluster}`, `{clusterRef}` or a name. */
function chain(registry: Registry, description: string): Schema {
  const cluster = outline(inlineCluster(registry));
  const {
    properties = {},
    anyOf = [],
    ...item
  } = plainOr(
    toCluster(''),
    cluster,
    'A cluster, or {cluster: …}, or {clusterRef: …}, or a reference as in clusterRef.',
  );
  return {
    type: 'array',
    description,
    maxItems: 64,
    items: {
      ...item,
      part: 'cluster-use',
      properties: {
        ...properties,
        cluster: NESTED_CLUSTER,
        clusterRef: toCluster('A cluster by reference.'),
      },
      anyOf: [...anyOf, exactly(['cluster']), exactly(['clusterRef'])],
    },
  };
}

// -------------------------------------------------------------------- rules

export function ruleSchema(registry: Registry): Schema {
  return {
    type: 'object',
    description: 'Which sessions, and what becomes of them.',
    part: 'rule',
    properties: {
      name: structural({ ...Name, description: 'A name for the rule on the proxies.' }),
      match: predicateSchema(),
      action: actionSchema(registry),
    },
    required: ['action'],
  };
}

export function rulesSchema(registry: Registry): Schema {
  return {
    type: 'array',
    description: 'The first rule that matches a session decides. A session that none matches is refused.',
    maxItems: 1024,
    items: ruleSchema(registry),
  };
}

function actionSchema(registry: Registry): Schema {
  return {
    type: 'object',
    description: 'What becomes of the sessions.',
    properties: {
      rewrite: {
        type: 'array',
        description: 'What is written into the metadata, in this order, before anything else.',
        maxItems: 64,
        items: rewriteSchema(),
      },
      route: routeSchema(registry, 'Where the session goes.'),
      routeRef: reference(['Route'], 'Where the session goes, by reference to a Route.'),
      apply: reference(['RuleList'], 'A RuleList in which to go on; the route is for what nothing there takes.'),
    },
    checks: [
      atMostOne(['route', 'routeRef'], 'route and routeRef must not both be given'),
      {
        rule: 'has(self.route) || has(self.routeRef) || has(self.apply)',
        message: 'route, routeRef or apply must be given',
      },
    ],
  };
}

/** Keys that lead to an object's prototype: the proxies write none of them. */
const UNSAFE = '(^|/)(__proto__|constructor|prototype)(/|$)';

function rewriteSchema(): Schema {
  const { properties = {}, ...rewrite } = structural(RewriteSchema);
  return {
    ...rewrite,
    description: 'A value, and where it is written to.',
    properties: {
      path: { ...properties.path, not: { pattern: UNSAFE } },
      value: properties.value as Schema,
      valueStr: { type: 'string', description: 'A text, in place of `value`.', maxLength: 4096 },
      from: properties.from as Schema,
    },
    required: ['path'],
    // CEL does not see `value`. At the root, it must be an object.
    oneOf: [{ required: ['value'] }, { required: ['valueStr'] }, { required: ['from'] }],
    anyOf: [
      { properties: { path: { pattern: '[^/]' } } },
      { required: ['value'], properties: { value: only('object') } },
      { required: ['from'] },
    ],
  };
}
