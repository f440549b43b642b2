/** The REST API: from a request to an answer. Routes are looked up in the table of operations. */
import { asL7mpError, errorBody, L7mpError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import type { ApiRequest, ApiResponse } from '../core/protocol.ts';
import type { Terms } from '../reconcile/configuration.ts';
import { Audit } from './audit.ts';
import { readBody } from './body.ts';
import { challenge, type Door, NOBODY } from './door.ts';
import { EntityTags } from './etag.ts';
import { formatInParts, type Style } from './format.ts';
import { type ApiContext, type Call, OPERATIONS, type Operation, parametersOf, Reply } from './operations.ts';
import { type Query, readQuery, styleOf } from './parameters.ts';

export const PREFIX = '/api/v1';

interface Compiled {
  readonly operation: Operation;
  readonly parts: readonly string[];
}

const COMPILED: readonly Compiled[] = OPERATIONS.map((operation) => ({
  operation,
  parts: operation.path.split('/').slice(1),
}));

/** Operations that need no token, also at the root of the listener: where orchestrators look. */
const OPEN = new Set(OPERATIONS.filter(({ open }) => open).map(({ path }) => path));

export class Api {
  readonly #context: ApiContext;
  readonly #door: Door;
  readonly #log: Log;
  readonly #tags = new EntityTags();

  constructor(context: ApiContext, door: Door, log: Log) {
    this.#context = context;
    this.#door = door;
    this.#log = log;
  }

  /** Never rejects: what goes wrong is the answer. */
  async handle(request: ApiRequest): Promise<ApiResponse> {
    const { origins } = this.#door;
    const question = request.url.indexOf('?');
    const path = question < 0 ? request.url : request.url.slice(0, question);
    const query = new URLSearchParams(question < 0 ? '' : request.url.slice(question));
    const audit = new Audit(this.#log, request);
    let reply: Reply;
    let style = styleOf(query);
    try {
      origins.check(request.headers);
      const preflight = origins.preflight(request);
      if (preflight) reply = new Reply(undefined, preflight, 204);
      else reply = await this.#serve(request, path, query, audit);
      audit.done(reply.status);
    } catch (thrown) {
      const error = asL7mpError(thrown);
      audit.failed(error);
      reply = new Reply(errorBody(error.status, error.message), this.#headersOf(error, request), error.status);
      // What a request may not have is not laid out at the request's expense.
      if (error.status === 401) style = 'plain';
    }
    return answer(reply, style, origins.headersFor(request));
  }

  async #serve(request: ApiRequest, path: string, given: URLSearchParams, audit: Audit): Promise<Reply> {
    const local = path.startsWith(`${PREFIX}/`) ? path.slice(PREFIX.length) : undefined;
    const open = OPEN.has(path) ? path : local !== undefined && OPEN.has(local) ? local : undefined;
    audit.who = NOBODY;
    if (open === undefined) {
      audit.who = await this.#door.identify(request);
      this.#door.permit(audit.who, request);
    }
    const { operation, params } = find(request.method, path, open ?? local);
    const query = readQuery(given, parametersOf(operation));
    const body = readBody(request, operation);
    audit.about(operation, body);
    const terms = this.#terms(request, query);
    return this.#run(operation, { params, query, url: request.url, body, terms }, request);
  }

  /** Entity tags are of what was read, or of what a change has led to: others may have changed more since. */
  async #run(operation: Operation, call: Call, { headers }: ApiRequest): Promise<Reply> {
    const { configuration } = this.#context;
    const run = async (): Promise<Reply> => {
      const { revision } = configuration;
      const known = operation.settled && this.#tags.names(headers['if-none-match'], revision);
      const unchanged = new Reply(undefined, { etag: this.#tags.of(revision) }, 304);
      // What names an object has to be looked for: one that is not there is not unchanged (RFC 9110 section 13.2.1).
      if (known && call.params.length === 0) return unchanged;
      const result = await operation.run(this.#context, call);
      if (known) return unchanged;
      const reply = result instanceof Reply ? result : new Reply(operation.method === 'GET' ? result : OK);
      const etag = this.#tags.of(reply.revision ?? revision);
      return new Reply(reply.body, { ...reply.headers, etag }, reply.status);
    };
    return operation.settled ? configuration.read(run) : run();
  }

  #terms({ headers, peer }: ApiRequest, query: Query): Terms {
    const ifMatch = this.#tags.condition(headers['if-match']);
    return {
      ...(ifMatch && { ifMatch }),
      dryRun: query.dry_run,
      endSessions: query.sessions === 'end',
      ...(!query.force && { keepListener: peer.listener }),
    };
  }

  #headersOf({ code }: L7mpError, request: ApiRequest): Record<string, string> {
    if (code === 'E_UNAUTHORIZED') return challenge(request);
    return code === 'E_PRECONDITION' ? { etag: this.#tags.of(this.#context.configuration.revision) } : {};
  }
}

const OK = { status: 200, message: 'OK' };

function answer({ status, headers, body }: Reply, style: Style, more: Record<string, string>): ApiResponse {
  if (body === undefined) return { status, headers: { ...headers, ...more }, body: '' };
  const text = formatInParts(body, style);
  return {
    status,
    headers: { 'content-type': 'application/json', ...headers, ...more },
    body: typeof text === 'string' ? `${text}\n` : withNewline(text),
  };
}

async function* withNewline(text: AsyncIterable<string>): AsyncIterable<string> {
  yield* text;
  yield '\n';
}

// -------------------------------------------------------------------- finding the operation

/** `local`: the path below /api/v1, if it is there. */
function find(method: string, path: string, local: string | undefined): { operation: Operation; params: string[] } {
  const wanted = method === 'HEAD' ? 'GET' : method;
  const parts = local === undefined ? [] : local.slice(1).replace(/\/$/, '').split('/');
  const allowed = new Set<string>();
  for (const { operation, parts: pattern } of COMPILED) {
    const params = matchPath(pattern, parts);
    if (!params) continue;
    if (operation.method === wanted) return { operation, params };
    allowed.add(operation.method);
  }
  const hint = allowed.size > 0 ? `; there is ${[...allowed].join(', ')}` : '';
  throw new L7mpError('E_NOT_FOUND', `there is no operation ${method} ${path}${hint}`);
}

function matchPath(pattern: readonly string[], parts: readonly string[]): string[] | undefined {
  if (pattern.length !== parts.length) return undefined;
  const params: string[] = [];
  for (const [n, expected] of pattern.entries()) {
    const part = parts[n] as string;
    if (expected.startsWith('{')) params.push(decode(part));
    else if (expected !== part) return undefined;
  }
  return params;
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw new L7mpError('E_NOT_FOUND', `${JSON.stringify(part)} is not well encoded`);
  }
}
