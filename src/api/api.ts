/** The REST API: from a request to an answer. Routes are looked up in the table of operations. */
import { asL7mpError, errorBody, L7mpError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import type { ApiRequest, ApiResponse } from '../core/protocol.ts';
import { readBody } from './body.ts';
import { format } from './format.ts';
import { type ApiContext, type Call, OPERATIONS, type Operation } from './operations.ts';

export const PREFIX = '/api/v1';

interface Compiled {
  readonly operation: Operation;
  readonly parts: readonly string[];
}

const COMPILED: readonly Compiled[] = OPERATIONS.map((operation) => ({
  operation,
  parts: operation.path.split('/').slice(1),
}));

export class Api {
  readonly #context: ApiContext;
  readonly #log: Log;

  constructor(context: ApiContext, log: Log) {
    this.#context = context;
    this.#log = log;
  }

  /** Never rejects: what goes wrong is the answer. */
  async handle(request: ApiRequest): Promise<ApiResponse> {
    const question = request.url.indexOf('?');
    const path = question < 0 ? request.url : request.url.slice(0, question);
    const query = new URLSearchParams(question < 0 ? '' : request.url.slice(question));
    const style = query.get('format');
    try {
      const { operation, params } = find(request.method, path);
      const body = readBody(request, operation);
      const result = await this.#run(operation, { params, recursive: recursiveOf(query), body });
      this.#say(request, 200);
      return answer(200, operation.method === 'GET' ? result : { status: 200, message: 'OK' }, style);
    } catch (thrown) {
      const error = asL7mpError(thrown);
      this.#say(request, error.status, error);
      return answer(error.status, errorBody(error.status, error.message), style);
    }
  }

  #run(operation: Operation, call: Call): unknown {
    const context = this.#context;
    if (operation.settled) return context.configuration.read(() => operation.run(context, call));
    return operation.run(context, call);
  }

  #say({ method, url }: ApiRequest, status: number, error?: L7mpError): void {
    const level = error ? (error.code === 'E_INTERNAL' ? 'error' : 'info') : 'verbose';
    if (!this.#log.enabled(level)) return;
    this.#log.write(level, 'api', `${method} ${url} ${status}${error ? ` ${error.message}` : ''}`);
    if (error?.code === 'E_INTERNAL')
      this.#log.write('error', 'api', String((error.cause as Error)?.stack ?? error.stack));
  }
}

/** A misspelt one would delete less, or more, than was meant. */
function recursiveOf(query: URLSearchParams): boolean {
  const text = query.get('recursive') ?? 'false';
  if (text !== 'true' && text !== 'false') {
    throw new L7mpError('E_INVALID', `?recursive: must be true or false, not ${JSON.stringify(text)}`);
  }
  return text === 'true';
}

function answer(status: number, body: unknown, style: string | null): ApiResponse {
  return { status, headers: { 'content-type': 'application/json' }, body: `${format(body, style)}\n` };
}

// -------------------------------------------------------------------- finding the operation

function find(method: string, path: string): { operation: Operation; params: string[] } {
  const wanted = method === 'HEAD' ? 'GET' : method;
  const parts = path.startsWith(`${PREFIX}/`)
    ? path
        .slice(PREFIX.length + 1)
        .replace(/\/$/, '')
        .split('/')
    : [];
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
