/** The REST API: from a request to an answer. Routes are looked up in the table of operations. */
import { asL7mpError, errorBody, L7mpError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import type { ApiRequest, ApiResponse } from '../core/protocol.ts';
import { Audit } from './audit.ts';
import { readBody } from './body.ts';
import { challenge, type Door, NOBODY } from './door.ts';
import { format, type Style } from './format.ts';
import { type ApiContext, type Call, OPERATIONS, type Operation, parametersOf, Reply } from './operations.ts';
import { readQuery, styleOf } from './parameters.ts';

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
      const headers = error.code === 'E_UNAUTHORIZED' ? challenge(request) : {};
      reply = new Reply(errorBody(error.status, error.message), headers, error.status);
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
    const result = await this.#run(operation, { params, query, url: request.url, body });
    if (result instanceof Reply) return result;
    return new Reply(operation.method === 'GET' ? result : { status: 200, message: 'OK' });
  }

  #run(operation: Operation, call: Call): unknown {
    const context = this.#context;
    if (operation.settled) return context.configuration.read(() => operation.run(context, call));
    return operation.run(context, call);
  }
}

function answer({ status, headers, body }: Reply, style: Style, more: Record<string, string>): ApiResponse {
  if (body === undefined) return { status, headers: { ...headers, ...more }, body: '' };
  return {
    status,
    headers: { 'content-type': 'application/json', ...headers, ...more },
    body: `${format(body, style)}\n`,
  };
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
