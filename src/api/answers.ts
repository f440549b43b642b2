/**
 * What reads answer, as schemas: the static types of the views and the OpenAPI document are made of them. Where an
 * object refers to others there are their names or, in a recursive read, they themselves.
 */
import Type, { type Static, type TSchema } from 'typebox';
import { AdminSchema, LimitsSchema } from '../config/admin-schema.ts';
import { LoadBalancerSchema, RetrySchema, RewriteSchema, Spec } from '../config/schema.ts';
import { strict } from '../core/schema.ts';
import { ALL_KINDS, type ListedKind } from '../model/kinds.ts';
import { EndpointSpec, SessionAnswer } from '../session/answer.ts';

const Options = Type.Object({});

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

/** Objects by their kind, as they are read. */
export const ANSWERS: Readonly<Record<ListedKind, TSchema>> = {
  listener: ListenerAnswer,
  cluster: ClusterAnswer,
  rulelist: RuleListAnswer,
  rule: RuleAnswer,
  route: RouteAnswer,
};

const { access_log_path, auth, state, limits, ...settings } = AdminSchema.properties;

export const AdminAnswer = strict({
  ...Type.Required(Type.Object(settings)).properties,
  access_log_path,
  auth,
  state,
  limits: Type.Required(LimitsSchema),
  io_status: strict({
    engine: Type.String({ description: 'The I/O engine that is used.' }),
    why: Type.Optional(Type.String({ description: 'Why it is not something faster.' })),
    threads: Type.Optional(Type.Integer({ description: 'Workers.' })),
  }),
  draining: Type.Union([
    Type.Null(),
    strict({
      since: Type.String({ format: 'date-time' }),
      until: Type.String({ format: 'date-time', description: 'When what is left is ended.' }),
      sessions: Type.Integer({ description: 'Those that are left.' }),
    }),
  ]),
  offload_status: strict({
    on: Type.Boolean({ description: 'Whether the kernel moves packets.' }),
    why: Type.Optional(Type.String({ description: 'Why not.' })),
    interfaces: Type.Array(
      Type.Object({
        name: Type.String(),
        attached: Type.Optional(
          Type.String({ description: 'By what means packets that come in there are seen; without it, they are not.' }),
        ),
        why: Type.Optional(Type.String()),
      }),
    ),
    flows: Type.Integer(),
    capacity: Type.Integer({ description: 'Flows at most.' }),
  }),
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
  status: Type.Enum(['ok', 'starting', 'draining', 'stopping'], { description: 'With 503, if it is not `ok`.' }),
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
  status: Type.Enum([200, 201, 202]),
  message: Type.Enum(['OK', 'Created', 'Accepted']),
  changes: Type.Optional(Changes),
});

export const ChangedAnswer = Type.Object({ status: Type.Literal(200), message: Type.Literal('OK'), changes: Changes });

export const ErrorAnswer = Type.Object({
  status: Type.Integer(),
  message: Type.String({ description: 'The text of the HTTP status.' }),
  content: Type.String({ description: 'What is wrong, and in which field.' }),
});

export { SessionAnswer };

/** What is shown is not changed. */
type Shown<T> = T extends readonly (infer I)[]
  ? readonly Shown<I>[]
  : T extends object
    ? { readonly [K in keyof T]: Shown<T[K]> }
    : T;

export type AdminView = Shown<Static<typeof AdminAnswer>>;
export type ClusterView = Static<typeof ClusterAnswer>;
export type EndpointView = Static<typeof EndpointAnswer>;
export type ListedEndpointView = Static<typeof ListedEndpointAnswer>;
export type ListenerView = Static<typeof ListenerAnswer>;
export type RouteView = Static<typeof RouteAnswer>;
export type RuleView = Static<typeof RuleAnswer>;
export type RuleListView = Static<typeof RuleListAnswer>;
