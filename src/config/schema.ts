/**
 * The schemas of the configuration objects, as users write them. Static types, validation, the OpenAPI document and
 * the reference are all made of these. What depends on the protocol (`spec`) is checked against the protocol's own.
 */
import Type, { type Static, type TSchema } from 'typebox';
import { Address, Name, Port, strict } from '../core/schema.ts';
import type { ListedKind } from '../model/kinds.ts';
import { POLICIES } from '../model/policy.ts';
import { AdminSchema } from './admin-schema.ts';

export const Spec = Type.Object(
  { protocol: Type.String({ description: 'The name of a protocol.' }) },
  { description: 'The protocol, and its own fields.' },
);

/** Limits and timeouts that every listener and cluster takes. Protocols may add their own options. */
export const commonOptions = {
  idle_timeout: Type.Optional(
    Type.Integer({
      minimum: 0,
      maximum: 2_147_483_647,
      description:
        'Milliseconds without a byte in either direction that end a session; 0 for never. Default 60,000 on UDP and JSONSocket, never on streams.',
    }),
  ),
  connect_timeout: Type.Optional(
    Type.Integer({
      minimum: 1,
      maximum: 2_147_483_647,
      description:
        'Milliseconds that one attempt to connect may take: the smaller of the listener’s and the cluster’s; default is the route’s retry.timeout.',
    }),
  ),
  half_close_timeout: Type.Optional(
    Type.Integer({
      minimum: 0,
      maximum: 2_147_483_647,
      description:
        'Milliseconds that a session waits for a last answer when one side has ended and the other cannot be told. Default 2,000.',
    }),
  ),
  queue_bytes: Type.Optional(
    Type.Integer({
      minimum: 1,
      description: 'Bytes that may wait in one direction of a session before datagrams are dropped. Default 1 MiB.',
    }),
  ),
  queue_messages: Type.Optional(
    Type.Integer({ minimum: 1, description: 'Messages that may wait, likewise. Default 1,024.' }),
  ),
};

const cidrs = (description: string) =>
  Type.Array(Type.String({ maxLength: 64, description: 'An IP address, or a CIDR.' }), {
    maxItems: 10_000,
    description,
  });

export const listenerOptions = {
  ...commonOptions,
  allow: Type.Optional(cidrs('IP addresses and CIDRs of those that are taken, and nobody else. Default: everybody.')),
  deny: Type.Optional(cidrs('Of those that are not taken, also where `allow` has them. Default: nobody.')),
  track: Type.Optional(
    Type.Number({
      minimum: 0,
      maximum: 86_400,
      description:
        'Seconds for which an ended session stays visible in the API; of all listeners’ together the latest 10,000 do.',
    }),
  ),
  verbose_errors: Type.Optional(
    Type.Boolean({
      description:
        'Clients and endpoints are told all of what went wrong, with addresses and names: for development. Default false: the code and a general word.',
    }),
  ),
  max_sessions: Type.Optional(
    Type.Integer({
      minimum: 0,
      description:
        'Live sessions at most; more are refused and counted. Default seven eighths of admin.limits.max_sessions.',
    }),
  ),
  max_sessions_per_source: Type.Optional(
    Type.Integer({
      minimum: 0,
      description:
        'Live sessions of one IP address at most, likewise. Default three quarters of what the whole proxy can have.',
    }),
  ),
  handshake_timeout: Type.Optional(
    Type.Integer({
      minimum: 1,
      maximum: 2_147_483_647,
      description:
        'Milliseconds that the handshake of a layer (JSONSocket) may take. Default the listener’s connect_timeout, or 5,000.',
    }),
  ),
};

// -------------------------------------------------------------------- clusters

export const clusterOptions = {
  ...commonOptions,
  fail_timeout: Type.Optional(
    Type.Integer({
      minimum: 0,
      maximum: 86_400_000,
      description:
        'Milliseconds for which an endpoint that could not be reached takes no new sessions while others can, and after which it is tried again; 0 for never. Default 2,000.',
    }),
  ),
};

const Weight = Type.Integer({
  minimum: 0,
  maximum: 65_535,
  description: 'Its share of new sessions; 0 takes none. Default 1.',
});

const endpointFields = {
  spec: strict({
    address: {
      ...Address,
      description: 'An IP address or a name; the path of a socket, where the protocol dials one.',
    },
    port: Type.Optional({ ...Port, description: 'In place of the port of the cluster, or of what that stands on.' }),
    weight: Type.Optional(Weight),
  }),
  weight: Type.Optional(Weight),
};

export const EndpointSchema = strict({ name: Type.Optional(Name), ...endpointFields });

export const LoadBalancerSchema = strict({
  policy: Type.Optional(
    Type.Enum(POLICIES, { description: 'How the endpoint of a session is chosen. Default Trivial, the first one.' }),
  ),
  key: Type.Optional(
    Type.String({
      description: 'A JSON pointer into the metadata, with or without its leading slash: what ConsistentHash hashes.',
    }),
  ),
});

const clusterFields = {
  spec: Spec,
  endpoints: Type.Optional(Type.Array(EndpointSchema)),
  loadbalancer: Type.Optional(LoadBalancerSchema),
  options: Type.Optional(Type.Object({})),
};

export const ClusterSchema = strict({ name: Name, ...clusterFields });
export const InlineClusterSchema = strict({ name: Type.Optional(Name), ...clusterFields });
const clusterRef = (description: string) => Type.Union([Name, InlineClusterSchema], { description });

// -------------------------------------------------------------------- routes and rules

export const RetrySchema = strict({
  retry_on: Type.Optional(
    Type.Enum(['never', 'connect-failure', 'disconnect', 'always'], {
      description: 'What is mended: a connection that cannot be made, one that breaks, or both. Default never.',
    }),
  ),
  num_retries: Type.Optional(
    Type.Integer({ minimum: 0, maximum: 1_000_000, description: 'Attempts after the first. Default 1.' }),
  ),
  timeout: Type.Optional(
    Type.Integer({
      minimum: 1,
      maximum: 2_147_483_647,
      description:
        'Milliseconds: the time of one attempt, and the wait before endpoints are tried once more. Default 2,000.',
    }),
  ),
});

const chain = (description: string) =>
  Type.Array(clusterRef('A cluster, or the name of one.'), { maxItems: 64, description });

const routeFields = {
  destination: Type.Optional(clusterRef('Where sessions end. It, or `cluster`, must be given.')),
  cluster: Type.Optional(clusterRef('Another name of `destination`.')),
  ingress: Type.Optional(chain('What sessions go through from the listener to the destination, in this order.')),
  egress: Type.Optional(chain('What sessions go through on the way back, in this order.')),
  retry: Type.Optional(RetrySchema),
};

export const RouteSchema = strict({ name: Name, ...routeFields });
export const InlineRouteSchema = strict({ name: Type.Optional(Name), ...routeFields });

export const RewriteSchema = strict({
  path: Type.String({ description: 'A JSON pointer into the metadata; what is missing on the way is made.' }),
  value: Type.Optional(Type.Unknown({ description: 'Any JSON value; or `from`.' })),
  from: Type.Optional(
    Type.String({
      description: 'A JSON pointer into the metadata: what is there is copied; nothing happens where nothing is.',
    }),
  ),
});

export const MatchSchema = Type.Union([
  Type.Object({ op: Type.String() }, { description: 'A JSON Predicate (draft-snell-json-test-07) over the metadata.' }),
  Type.String({ description: 'Any text, as `*`: matches everything.' }),
  strict({ match: Type.String() }, { description: 'The same, as the API shows it.' }),
]);

const ruleFields = {
  match: Type.Optional(MatchSchema),
  action: strict({
    rewrite: Type.Optional(
      Type.Array(RewriteSchema, {
        description: 'What is written into the metadata, in this order, before anything else.',
      }),
    ),
    route: Type.Optional(
      Type.Union([Name, InlineRouteSchema], { description: 'Where the session goes. It, or `apply`, must be given.' }),
    ),
    apply: Type.Optional({
      ...Name,
      description: 'The name of a rulelist in which to go on; `route` is for what nothing there takes.',
    }),
  }),
};

export const RuleSchema = strict({ name: Name, ...ruleFields });
export const InlineRuleSchema = strict({ name: Type.Optional(Name), ...ruleFields });

const RuleRefs = Type.Array(Type.Union([Name, InlineRuleSchema]));
export const RuleListSchema = strict({ name: Name, rules: RuleRefs });
export const InlineRuleListSchema = strict({ name: Type.Optional(Name), rules: RuleRefs });

// -------------------------------------------------------------------- listeners

export const ListenerSchema = strict({
  name: Name,
  spec: Spec,
  rules: Type.Union([Name, RuleRefs, InlineRuleListSchema], {
    description: 'The name of a rulelist, its rules, or itself. The first rule that matches a session decides.',
  }),
  options: Type.Optional(Type.Object({})),
});

/** Objects by their kind, as they are added by themselves. */
export const SCHEMAS: Readonly<Record<ListedKind, TSchema>> = {
  listener: ListenerSchema,
  cluster: ClusterSchema,
  rulelist: RuleListSchema,
  rule: RuleSchema,
  route: RouteSchema,
};

// -------------------------------------------------------------------- the whole

/** As `GET /config` shows them: the endpoints of all clusters in one list, and their number in the cluster. */
export const ListedEndpointSchema = strict({ name: Type.Optional(Name), cluster: Name, ...endpointFields });

export const ListedClusterSchema = strict({
  name: Name,
  ...clusterFields,
  endpoints: Type.Optional(
    Type.Union([
      Type.Array(EndpointSchema),
      Type.Integer({ minimum: 0, description: 'How many of the configuration’s `endpoints` name this cluster.' }),
    ]),
  ),
});

export const ConfigSchema = strict({
  admin: Type.Optional(AdminSchema),
  plugins: Type.Optional(
    Type.Array(Type.String({ minLength: 1 }), { description: 'As `plugins` of `admin`, and in front of those.' }),
  ),
  listeners: Type.Optional(Type.Array(ListenerSchema)),
  clusters: Type.Optional(Type.Array(ListedClusterSchema)),
  rulelists: Type.Optional(Type.Array(RuleListSchema)),
  rules: Type.Optional(Type.Array(RuleSchema)),
  routes: Type.Optional(Type.Array(RouteSchema)),
  endpoints: Type.Optional(
    Type.Array(ListedEndpointSchema, {
      description: 'Endpoints of the configuration’s clusters, beside those in them.',
    }),
  ),
  sessions: Type.Optional(Type.Array(Type.Object({}), { description: 'Read only.' })),
});

export type EndpointInput = Static<typeof EndpointSchema>;
export type ListedEndpointInput = Static<typeof ListedEndpointSchema>;
export type ListedClusterInput = Static<typeof ListedClusterSchema>;
export type ClusterInput = Static<typeof InlineClusterSchema>;
export type RouteInput = Static<typeof InlineRouteSchema>;
export type RuleInput = Static<typeof InlineRuleSchema>;
export type RuleListInput = Static<typeof InlineRuleListSchema>;
export type ListenerInput = Static<typeof ListenerSchema>;
export type ConfigInput = Static<typeof ConfigSchema>;
