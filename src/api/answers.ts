/**
 * What reads answer, as schemas: the static types of the views and the OpenAPI document are made of them. Where an
 * object refers to others there are their names or, in a recursive read, they themselves.
 */
import Type, { type Static, type TSchema } from 'typebox';
import { LoadBalancerSchema, RetrySchema, RewriteSchema, Spec } from '../config/schema.ts';
import { ALL_KINDS, type ListedKind } from '../model/kinds.ts';

const Options = Type.Object({});

const EndpointSpec = Type.Object({ address: Type.String(), port: Type.Optional(Type.Integer()) });

export const EndpointAnswer = Type.Object({
  name: Type.String(),
  spec: EndpointSpec,
  weight: Type.Integer(),
});

export const ListedEndpointAnswer = Type.Object({ ...EndpointAnswer.properties, cluster: Type.String() });

export const ClusterAnswer = Type.Object({
  name: Type.String(),
  spec: Spec,
  endpoints: Type.Union([Type.Integer({ description: 'Their number.' }), Type.Array(EndpointAnswer)]),
  loadbalancer: LoadBalancerSchema,
  options: Options,
});

const StaleOrName = Type.String({
  description: 'A name; in a recursive read `<name>:<STALE>`, where nothing is there.',
});

const ClusterRefAnswer = Type.Union([StaleOrName, ClusterAnswer]);

export const RouteAnswer = Type.Object({
  name: Type.String(),
  destination: ClusterRefAnswer,
  ingress: Type.Array(ClusterRefAnswer),
  egress: Type.Array(ClusterRefAnswer),
  retry: RetrySchema,
});

export const RuleAnswer = Type.Object({
  name: Type.String(),
  match: Type.Union([
    Type.Object({ op: Type.String() }, { description: 'A JSON Predicate.' }),
    Type.Object({ match: Type.String() }, { description: '`*`: everything.' }),
  ]),
  action: Type.Object({
    rewrite: Type.Optional(Type.Array(RewriteSchema)),
    route: Type.Optional(Type.Union([StaleOrName, RouteAnswer])),
    apply: Type.Optional(Type.String()),
  }),
});

const RuleRefAnswers = Type.Array(Type.Union([StaleOrName, RuleAnswer]));

export const RuleListAnswer = Type.Object({ name: Type.String(), rules: RuleRefAnswers });

export const ListenerAnswer = Type.Object({
  name: Type.String(),
  spec: Spec,
  rules: Type.Union([StaleOrName, RuleRefAnswers]),
  options: Options,
});

const StageStatus = Type.Enum(['INIT', 'READY', 'DISCONNECTED', 'RETRYING', 'END']);

const Traffic = {
  bytes: Type.Object(
    { in: Type.Integer(), out: Type.Integer() },
    { description: 'in has come from the peer, out has gone to it.' },
  ),
  messages: Type.Object({ in: Type.Integer(), out: Type.Integer() }),
  drops: Type.Record(Type.String(), Type.Integer(), { description: 'Messages that were lost, by reason.' }),
};

const StageAnswer = Type.Object({
  origin: Type.String({ description: 'The name of the cluster.' }),
  endpoint: Type.Union([Type.Null(), Type.Object({ name: Type.String(), spec: EndpointSpec })]),
  status: StageStatus,
  ...Traffic,
});

export const SessionAnswer = Type.Object({
  name: Type.String(),
  worker: Type.Integer({ minimum: 0, description: 'The number of the worker in which it lives.' }),
  metadata: Type.Object({}, { description: 'Values of fields that hold credentials read `<redacted>`.' }),
  metadata_cut: Type.Optional(Type.Literal(true, { description: 'In a list: more metadata than 4 KiB are left out.' })),
  source: Type.Object({
    origin: Type.String({ description: 'The name of the listener.' }),
    listener: Spec,
    status: StageStatus,
    ...Traffic,
  }),
  destination: Type.Union([Type.Null(), StageAnswer]),
  ingress: Type.Array(StageAnswer),
  egress: Type.Array(StageAnswer),
  status: Type.Enum(['INIT', 'CONNECTED', 'DISCONNECTED', 'FINALIZING', 'DESTROYED']),
  route: Type.Union([Type.Null(), Type.String()]),
  pipes: Type.Array(Type.Enum(['kernel', 'native', 'userspace']), {
    description: 'Where each pipe runs: in the order of the stages, the way back last.',
  }),
  events: Type.Array(
    Type.Object({
      event: Type.String(),
      timestamp: Type.String({ format: 'date-time' }),
      message: Type.String(),
      content: Type.String(),
    }),
  ),
});

/** Objects by their kind, as they are read. */
export const ANSWERS: Readonly<Record<ListedKind, TSchema>> = {
  listener: ListenerAnswer,
  cluster: ClusterAnswer,
  rulelist: RuleListAnswer,
  rule: RuleAnswer,
  route: RouteAnswer,
};

export const AdminAnswer = Type.Object({
  log_level: Type.String(),
  log_file: Type.String(),
  strict: Type.Boolean(),
  offload: Type.String(),
  version: Type.String(),
});

export const ConfigAnswer = Type.Object({
  admin: AdminAnswer,
  listeners: Type.Array(ListenerAnswer),
  clusters: Type.Array(ClusterAnswer),
  rulelists: Type.Array(RuleListAnswer),
  rules: Type.Array(RuleAnswer),
  routes: Type.Array(RouteAnswer),
  endpoints: Type.Array(ListedEndpointAnswer),
  sessions: Type.Array(SessionAnswer),
});

export const HealthAnswer = Type.Object({
  status: Type.Enum(['ok', 'starting', 'stopping'], { description: 'With 503, if it is not `ok`.' }),
});

const Changes = Type.Array(
  Type.Object({
    kind: Type.Enum(['admin', ...ALL_KINDS]),
    name: Type.String(),
    action: Type.Enum(['create', 'update', 'restart', 'delete']),
    fields: Type.Array(Type.String(), { description: 'JSON pointers to what differs, of an object that stays.' }),
  }),
  { description: 'What became of each object, in the order of the steps; what is equal is not listed.' },
);

export const OkAnswer = Type.Object({
  status: Type.Enum([200, 201]),
  message: Type.Enum(['OK', 'Created']),
  changes: Type.Optional(Changes),
});

export const ChangedAnswer = Type.Object({ status: Type.Literal(200), message: Type.Literal('OK'), changes: Changes });

export const ErrorAnswer = Type.Object({
  status: Type.Integer(),
  message: Type.String({ description: 'The text of the HTTP status.' }),
  content: Type.String({ description: 'What is wrong, and in which field.' }),
});

export type ClusterView = Static<typeof ClusterAnswer>;
export type EndpointView = Static<typeof EndpointAnswer>;
export type ListedEndpointView = Static<typeof ListedEndpointAnswer>;
export type ListenerView = Static<typeof ListenerAnswer>;
export type RouteView = Static<typeof RouteAnswer>;
export type RuleView = Static<typeof RuleAnswer>;
export type RuleListView = Static<typeof RuleListAnswer>;
