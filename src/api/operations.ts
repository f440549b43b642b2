/**
 * The operations of the REST API, in one table: what serves them and what the OpenAPI document says of them. A new
 * operation is a row.
 */
import Type, { type TSchema } from 'typebox';
import { AdminSchema } from '../config/admin-schema.ts';
import { check } from '../config/check.ts';
import { ConfigSchema, EndpointSchema, InlineRuleSchema, SCHEMAS } from '../config/schema.ts';
import { collect } from '../core/arrays.ts';
import { L7mpError } from '../core/errors.ts';
import { Name, strict } from '../core/schema.ts';
import type { Kind } from '../model/definitions.ts';
import type { ListedKind } from '../model/kinds.ts';
import type { Configuration, Outcome, Terms } from '../reconcile/configuration.ts';
import type { SessionView } from '../session/answer.ts';
import {
  AdminAnswer,
  type AdminView,
  ANSWERS,
  ChangedAnswer,
  ConfigAnswer,
  EndpointAnswer,
  HealthAnswer,
  RuleAnswer,
  SessionAnswer,
} from './answers.ts';
import { LISTING, type ParameterName, type Query } from './parameters.ts';
import type { SessionList } from './session-list.ts';
import { type ViewContext, Views } from './views.ts';

/** What the API works on. */
export interface ApiContext extends ViewContext {
  readonly configuration: Configuration;
  /** Checks and loads a configuration; what only the start-up file may say is refused. */
  load(config: unknown, terms: Terms): Promise<Outcome>;
  /** Checks a configuration, and makes it so; likewise. */
  replace(config: unknown, terms: Terms): Promise<Outcome>;
  /** The configuration as one would write it. */
  applyForm(): unknown;
  admin(): Promise<AdminView>;
  sessions(query: Query): Promise<SessionList>;
  /** Rejects with E_UNKNOWN. */
  session(name: string): Promise<SessionView>;
  endSession(name: string): Promise<void>;
  openapi(): unknown;
  /** Takes nothing new; after `timeout` milliseconds what is left is ended. */
  drain(timeout: number | undefined): Promise<void>;
  /** Rejects with E_BIND, and drains on, where an address cannot be had again. */
  takeBackDrain(): Promise<void>;
  /** Whether sessions are taken, or why not yet, or not any more. */
  state(): 'ready' | 'starting' | 'draining' | 'stopping';
}

/** A request, taken apart. */
export interface Call {
  /** The variable parts of the path, decoded, in order. */
  readonly params: readonly string[];
  readonly query: Query;
  /** As the client wrote it. */
  readonly url: string;
  readonly body: unknown;
  /** How a change is asked for. */
  readonly terms: Terms;
}

/** What an operation answers that has more to say than a value. */
export class Reply {
  /** JSON; undefined for none. A list may be one that is made while it is read. */
  readonly body: unknown;
  readonly headers: Readonly<Record<string, string>>;
  readonly status: number;
  /** Of the configuration that it is about, where that is not the present one by now. */
  readonly revision: number | undefined;

  constructor(body: unknown, headers: Readonly<Record<string, string>> = {}, status = 200, revision?: number) {
    this.body = body;
    this.headers = headers;
    this.status = status;
    this.revision = revision;
  }
}

export interface Operation {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** Below /api/v1; `{x}` is a variable part. */
  readonly path: string;
  readonly id: string;
  readonly summary: string;
  /** The body: an object with one key, or the schema's own value where the key is empty. None is as good as `{}` if it is optional. */
  readonly body?: { readonly key: string; readonly schema: TSchema; readonly optional?: true };
  /** Whether `?recursive` says something. */
  readonly recursive?: boolean;
  /** The other parameters that its query may have, beside `format`. */
  readonly query?: readonly ParameterName[];
  /** Nobody is asked who they are. It is served at the root of the listener, too. */
  readonly open?: true;
  /** The operation may create what it names: then the status is 201. */
  readonly creates?: true;
  /** The operation has only begun when it is answered: then the status is 202. */
  readonly accepts?: true;
  /** What a read answers with; a change answers OK. */
  readonly answer?: TSchema;
  /** The operation reads the configuration, and so waits for the changes that came before it; who has that already is told so. */
  readonly settled?: true;
  run(context: ApiContext, call: Call): unknown;
}

/** Names of the parameters that an operation takes. `recursive` is no mistake where it makes no difference. */
export function parametersOf({ method, query = [] }: Operation): readonly ParameterName[] {
  return method === 'POST' || method === 'PUT' ? ['format', ...query] : ['recursive', 'format', ...query];
}

/** A day: who wants more has forgotten something. */
const LONGEST_DRAIN = 86_400_000;

const DrainSchema = strict({
  timeout: Type.Optional(
    Type.Integer({
      minimum: 0,
      maximum: LONGEST_DRAIN,
      description: 'Milliseconds that sessions have to end by themselves. Default what `--drain` says, or 5,000.',
    }),
  ),
});

/** What every change may be asked with, and those that may take something away. */
const ADDING = ['dry_run'] as const satisfies ParameterName[];
const CHANGING = ['dry_run', 'sessions'] as const satisfies ParameterName[];

/** The kinds in the order in which people think of them. */
const LISTED = Object.keys(ANSWERS) as readonly ListedKind[];

export const OPERATIONS: readonly Operation[] = [
  ...whole(),
  ...LISTED.flatMap((kind) => [...reads(kind), adds(kind), puts(kind), deletes(kind)]),
  ...endpoints(),
  ...rulesOfLists(),
  ...sessions(),
  ...draining(),
  health('/healthz', 'getHealth', 'Whether the proxy runs.', (state) => state !== 'stopping'),
  health(
    '/readyz',
    'getReadiness',
    'Whether its configuration is applied, and sessions are taken.',
    (state) => state === 'ready',
  ),
];

// -------------------------------------------------------------------- answers to changes

/** A change is answered in two words, unless it was asked for what it would do. */
function changed(outcome: Outcome, { query }: Call, status: 200 | 201 = 200): Reply {
  const changes = query.dry_run ? { changes: outcome.changes } : {};
  return new Reply({ status, message: status === 200 ? 'OK' : 'Created', ...changes }, {}, status, outcome.revision);
}

function listed({ changes, revision }: Outcome): Reply {
  return new Reply({ status: 200, message: 'OK', changes }, {}, 200, revision);
}

function put(outcome: Outcome, call: Call, kind: Kind, name: string): Reply {
  const created = outcome.changes.some((one) => one.action === 'create' && one.kind === kind && one.name === name);
  return changed(outcome, call, created ? 201 : 200);
}

// -------------------------------------------------------------------- the whole

function whole(): Operation[] {
  return [
    {
      method: 'GET',
      path: '/config',
      id: 'getConfig',
      summary: 'The whole configuration, and the first 1,000 sessions.',
      recursive: true,
      query: ['form'],
      answer: ConfigAnswer,
      settled: true,
      run: async (context, { query }) => {
        if (query.form === 'apply') return context.applyForm();
        const views = new Views(context, query.recursive);
        const objects = Object.fromEntries(LISTED.map((kind) => [`${kind}s`, views.all(kind)]));
        const endpoints = views.endpoints();
        const { sessions } = await context.sessions(query);
        const shown = await collect(sessions);
        return { admin: await context.admin(), ...objects, endpoints, sessions: shown };
      },
    },
    {
      method: 'POST',
      path: '/config',
      id: 'setConfig',
      summary: 'Adds all of a configuration to what is there, or nothing of it.',
      body: { key: '', schema: ConfigSchema },
      query: ADDING,
      run: async (context, call) => changed(await context.load(call.body, call.terms), call),
    },
    {
      method: 'PUT',
      path: '/config',
      id: 'replaceConfig',
      summary: 'Makes it so: what is equal stays untouched, what differs is changed in place, what is missing goes.',
      body: { key: '', schema: ConfigSchema },
      query: [...CHANGING, 'force'],
      answer: ChangedAnswer,
      run: async (context, call) => listed(await context.replace(call.body, call.terms)),
    },
    {
      method: 'GET',
      path: '/admin',
      id: 'getAdmin',
      summary: 'The proxy’s own settings and state.',
      answer: AdminAnswer,
      run: (context) => context.admin(),
    },
    {
      method: 'POST',
      path: '/admin',
      id: 'setAdmin',
      summary: 'Changes settings of the proxy.',
      body: { key: 'admin', schema: AdminSchema },
      query: ADDING,
      run: async ({ configuration }, call) => changed(await configuration.setAdmin(call.body, call.terms), call),
    },
    {
      method: 'GET',
      path: '/openapi.json',
      id: 'getOpenApi',
      summary: 'This description.',
      answer: Type.Object({ openapi: Type.String() }),
      run: (context) => context.openapi(),
    },
  ];
}

// -------------------------------------------------------------------- objects of one kind

function title(kind: string): string {
  return `${kind[0]?.toUpperCase()}${kind.slice(1)}`;
}

function reads(kind: ListedKind): Operation[] {
  return [
    {
      method: 'GET',
      path: `/${kind}s`,
      id: `get${title(kind)}s`,
      summary: `Every ${kind}, in the order of creation.`,
      recursive: true,
      answer: Type.Array(ANSWERS[kind]),
      settled: true,
      run: (context, { query }) => new Views(context, query.recursive).all(kind),
    },
    readOne(kind, ANSWERS[kind]),
  ];
}

function readOne(kind: Kind, answer: TSchema): Operation {
  return {
    method: 'GET',
    path: `/${kind}s/{name}`,
    id: `get${title(kind)}`,
    summary: `One ${kind}.`,
    recursive: true,
    answer,
    settled: true,
    run: (context, { params, query }) => new Views(context, query.recursive).one(kind, params[0] as string),
  };
}

function adds(kind: ListedKind): Operation {
  return {
    method: 'POST',
    path: `/${kind}s`,
    id: `add${title(kind)}`,
    summary: `Adds a ${kind}.`,
    body: { key: kind, schema: SCHEMAS[kind] },
    query: ADDING,
    run: async ({ configuration }, call) => changed(await configuration.add(kind, call.body, call.terms), call),
  };
}

function puts(kind: ListedKind): Operation {
  return {
    method: 'PUT',
    path: `/${kind}s/{name}`,
    id: `put${title(kind)}`,
    summary: `Replaces a ${kind} in place, with what was written inline in it, or creates it.`,
    body: { key: kind, schema: nameless(SCHEMAS[kind]) },
    query: CHANGING,
    creates: true,
    run: async ({ configuration }, call) => {
      const [name] = call.params as [string];
      return put(await configuration.put(kind, name, call.body, call.terms), call, kind, name);
    },
  };
}

/** The name is in the path. */
function nameless(schema: TSchema): TSchema {
  const { required = [], ...others } = schema as TSchema & { required?: string[] };
  return { ...others, required: required.filter((field) => field !== 'name') } as TSchema;
}

function deletes(kind: Kind): Operation {
  return {
    method: 'DELETE',
    path: `/${kind}s/{name}`,
    id: `delete${title(kind)}`,
    summary: `Deletes a ${kind}; with recursive=true also what was written inline in it, and its sessions.`,
    recursive: true,
    query: CHANGING,
    run: async ({ configuration }, call) => {
      const { params, query, terms } = call;
      return changed(await configuration.delete(kind, params[0] as string, query.recursive, terms), call);
    },
  };
}

function endpoints(): Operation[] {
  return [
    {
      method: 'GET',
      path: '/clusters/{name}/endpoints',
      id: 'getEndpoints',
      summary: 'The endpoints of a cluster.',
      answer: Type.Array(EndpointAnswer),
      settled: true,
      run: (context, { params }) => new Views(context, false).endpointsOf(params[0] as string),
    },
    {
      method: 'POST',
      path: '/clusters/{name}/endpoints',
      id: 'addEndpoint',
      summary: 'Adds an endpoint to a cluster.',
      body: { key: 'endpoint', schema: EndpointSchema },
      query: ADDING,
      run: async ({ configuration }, call) => {
        const { params, body, terms } = call;
        return changed(await configuration.addEndpoint(params[0] as string, body, terms), call);
      },
    },
    {
      method: 'PUT',
      path: '/clusters/{name}/endpoints/{endpoint}',
      id: 'putEndpointOfCluster',
      summary: 'Replaces an endpoint of a cluster in place, or creates it.',
      body: { key: 'endpoint', schema: EndpointSchema },
      query: CHANGING,
      creates: true,
      run: async ({ configuration }, call) => {
        const [cluster, name] = call.params as [string, string];
        return put(await configuration.putEndpoint(name, cluster, call.body, call.terms), call, 'endpoint', name);
      },
    },
    {
      method: 'PUT',
      path: '/endpoints/{name}',
      id: 'putEndpoint',
      summary: 'Replaces an endpoint in place.',
      body: { key: 'endpoint', schema: EndpointSchema },
      query: CHANGING,
      run: async ({ configuration }, call) => {
        const [name] = call.params as [string];
        return changed(await configuration.putEndpoint(name, undefined, call.body, call.terms), call);
      },
    },
    readOne('endpoint', EndpointAnswer),
    deletes('endpoint'),
  ];
}

function rulesOfLists(): Operation[] {
  return [
    {
      method: 'GET',
      path: '/rulelists/{name}/rules/{position}',
      id: 'getRuleAt',
      summary: 'The rule at a position of a rulelist, or the one of that name in it.',
      recursive: true,
      answer: RuleAnswer,
      settled: true,
      run: (context, { params, query }) => {
        const [list, place] = params as [string, string];
        const { rules } = context.store.definition('rulelist', list);
        const name = isPosition(place) ? rules[Number(place)] : rules.find((rule) => rule === place);
        if (name === undefined) throw new L7mpError('E_UNKNOWN', `rulelist ${list} has no rule at ${place}`);
        return new Views(context, query.recursive).one('rule', name);
      },
    },
    {
      method: 'POST',
      path: '/rulelists/{name}/rules/{position}',
      id: 'addRuleAt',
      summary: 'Inserts a rule, or the name of one, into a rulelist.',
      body: { key: 'rule', schema: Type.Union([Name, InlineRuleSchema]) },
      query: ADDING,
      run: async ({ configuration }, call) => {
        const [list, place] = call.params as [string, string];
        if (!isPosition(place)) throw new L7mpError('E_POSITION', `${JSON.stringify(place)} is no position`);
        return changed(await configuration.insertRule(list, Number(place), call.body, call.terms), call);
      },
    },
    {
      method: 'DELETE',
      path: '/rulelists/{name}/rules/{position}',
      id: 'deleteRuleAt',
      summary: 'Takes the rule at a position, or of a name, out of a rulelist, and deletes it.',
      recursive: true,
      query: CHANGING,
      run: async ({ configuration }, call) => {
        const { params, query, terms } = call;
        const [list, place] = params as [string, string];
        const position = isPosition(place) ? Number(place) : place;
        return changed(await configuration.removeRule(list, position, query.recursive, terms), call);
      },
    },
  ];
}

function isPosition(text: string): boolean {
  return /^\d{1,9}$/.test(text);
}

function sessions(): Operation[] {
  return [
    {
      method: 'GET',
      path: '/sessions',
      id: 'getSessions',
      summary: 'The live sessions, and the ended ones that are tracked, in the order in which they began.',
      query: LISTING,
      answer: Type.Array(SessionAnswer),
      run: async (context, { query, url }) => {
        const { sessions, total, next } = await context.sessions(query);
        const link = next === undefined ? {} : { link: `<${nextPage(url, next)}>; rel="next"` };
        return new Reply(sessions, { ...link, 'x-total-count': String(total) });
      },
    },
    {
      method: 'GET',
      path: '/sessions/{name}',
      id: 'getSession',
      summary: 'One session.',
      answer: SessionAnswer,
      run: (context, { params }) => context.session(params[0] as string),
    },
    {
      method: 'DELETE',
      path: '/sessions/{name}',
      id: 'deleteSession',
      summary: 'Ends a session.',
      run: (context, { params }) => context.endSession(params[0] as string),
    },
  ];
}

function draining(): Operation[] {
  return [
    {
      method: 'POST',
      path: '/drain',
      id: 'drain',
      summary: 'Takes no new sessions; those that are left when the time is over are ended. The API stays.',
      body: { key: '', schema: DrainSchema, optional: true },
      accepts: true,
      run: async (context, { body }) => {
        await context.drain(check(DrainSchema, body, '').timeout);
        return new Reply({ status: 202, message: 'Accepted' }, {}, 202);
      },
    },
    {
      method: 'DELETE',
      path: '/drain',
      id: 'takeBackDrain',
      summary: 'Takes sessions again.',
      run: (context) => context.takeBackDrain(),
    },
  ];
}

/** The same query, from the next page on; a reference that is relative to the request's own (RFC 8288, RFC 3986). */
function nextPage(url: string, next: number): string {
  const [path = ''] = url.split('?', 1);
  const parameters = new URLSearchParams(url.slice(path.length));
  parameters.set('after', String(next));
  return `${path}?${parameters}`;
}

// -------------------------------------------------------------------- the state

type State = ReturnType<ApiContext['state']>;

function health(path: string, id: string, summary: string, isGood: (state: State) => boolean): Operation {
  return {
    method: 'GET',
    path,
    id,
    summary,
    open: true,
    answer: HealthAnswer,
    run: (context) => {
      const state = context.state();
      const good = isGood(state);
      return new Reply({ status: good ? 'ok' : state }, {}, good ? 200 : 503);
    },
  };
}
