import type { Agent } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { AnswerError, ApiError, UnreachableError } from './errors.ts';
import type { Config, Operations, SessionRead } from './openapi.ts';
import { keepAlive, protocolOf, type RawAnswer, type TlsSource, Transport } from './transport.ts';
import type {
  Answer,
  AnswerTo,
  ConditionalPath,
  Method,
  PathOf,
  RawBody,
  RequestOptions,
  Sent,
  Unchanged,
} from './types.ts';

export interface ClientOptions {
  /** `http://<host>[:<port>]`, `https://<host>[:<port>]`, or `unix:<path of a socket>`. */
  readonly base: string;
  /**
   * The bearer token, without "Bearer"; or a function that is asked at each request, so that one which was exchanged is taken
   * up. Undefined for none.
   */
  readonly token?: string | (() => string | undefined | Promise<string | undefined>) | undefined;
  /** Milliseconds for a request, repetitions included. Default 10,000. */
  readonly timeout?: number;
  /**
   * How often a request is repeated after a failure. Default 2. Only what cannot do harm is: what has not arrived, and a GET,
   * PUT or DELETE without `ifMatch` whose connection broke. An answer is an answer, whatever its status.
   */
  readonly retries?: number;
  /** Bytes of an answer at most. Default 64 MiB. */
  readonly maxAnswer?: number;
  /** Of an `https:` base: whom to trust, and a certificate to show, as PEM texts; or a function that is asked at each request. */
  readonly tls?: TlsSource | undefined;
  /** Of `keepAlive()`, to share connections' bookkeeping among clients. The client does not close it. */
  readonly agent?: Agent;
}

type ConfigOptions = Pick<RequestOptions<'GET', '/config'>, 'signal' | 'timeout' | 'retries'>;

const PREFIX = '/api/v1';
const DEFAULTS = { timeout: 10_000, retries: 2, maxAnswer: 64 << 20 };

/** Milliseconds before the first repetition, and at most before a later one; half of each is chance. */
const BACKOFF = { first: 100, most: 2000 };

/**
 * A client of one proxy's REST API. Each operation of openapi.yaml is a method and a path, with what it takes and answers.
 *
 * @example
 * const client = new Client({ base: 'http://127.0.0.1:1234' });
 * await client.put('/clusters/{name}', { params: { name: 'web' }, body: { cluster: { spec: { protocol: 'TCP', port: 80 } } } });
 * const { body } = await client.get('/clusters/{name}', { params: { name: 'web' } });
 * client.close();
 */
export class Client {
  readonly #options: ClientOptions & typeof DEFAULTS;
  readonly #transport: Transport;
  readonly #ownAgent: Agent | undefined;

  /** Throws a `TypeError` where `base` is not as it should be. */
  constructor(options: ClientOptions) {
    this.#options = { ...DEFAULTS, ...options };
    this.#ownAgent = options.agent ? undefined : keepAlive(protocolOf(options.base));
    const agent = options.agent ?? (this.#ownAgent as Agent);
    this.#transport = new Transport(options.base, agent, this.#options.maxAnswer, options.tls);
  }

  get<P extends PathOf<'GET'>>(path: P, ...options: Sent<'GET', P>): Promise<AnswerTo<'GET', P>> {
    return this.request('GET', path, ...options);
  }

  post<P extends PathOf<'POST'>>(path: P, ...options: Sent<'POST', P>): Promise<AnswerTo<'POST', P>> {
    return this.request('POST', path, ...options);
  }

  put<P extends PathOf<'PUT'>>(path: P, ...options: Sent<'PUT', P>): Promise<AnswerTo<'PUT', P>> {
    return this.request('PUT', path, ...options);
  }

  delete<P extends PathOf<'DELETE'>>(path: P, ...options: Sent<'DELETE', P>): Promise<AnswerTo<'DELETE', P>> {
    return this.request('DELETE', path, ...options);
  }

  /**
   * One request. Rejects with an `ApiError` where the proxy answers with an error, an `UnreachableError` where it does not
   * answer, an `AnswerError`, or the signal's reason.
   */
  request<M extends Method, P extends PathOf<M>>(
    method: M,
    path: P,
    ...[options]: Sent<M, P>
  ): Promise<AnswerTo<M, P>> {
    return this.#send(method, pathOf(path, options), options) as Promise<AnswerTo<M, P>>;
  }

  /** A read, or that nothing has changed since the answer that had this entity tag. */
  getIfChanged<P extends ConditionalPath>(
    path: P,
    etag: string,
    ...[options]: Sent<'GET', P>
  ): Promise<AnswerTo<'GET', P> | Unchanged> {
    return this.#send('GET', pathOf(path, options), options, etag) as Promise<AnswerTo<'GET', P> | Unchanged>;
  }

  /** The configuration as one would write it, which can be PUT back: `GET /config?form=apply`. */
  config(options?: ConfigOptions): Promise<Answer<Config>> {
    return this.#send('GET', APPLY_FORM, options) as Promise<Answer<Config>>;
  }

  /** Likewise, or that nothing has changed since the answer that had this entity tag. */
  configIfChanged(etag: string, options?: ConfigOptions): Promise<Answer<Config> | Unchanged> {
    return this.#send('GET', APPLY_FORM, options, etag) as Promise<Answer<Config> | Unchanged>;
  }

  /** All sessions that match, page by page: as many requests as there are pages, each when it is needed. */
  async *sessions(
    query: NonNullable<Operations['/sessions']['GET']['query']> = {},
    options: { readonly signal?: AbortSignal } = {},
  ): AsyncGenerator<SessionRead, void, undefined> {
    let next: string | undefined = pathOf('/sessions', { query });
    while (next !== undefined) {
      const { body, headers } = await this.#send('GET', next, options);
      yield* body as SessionRead[];
      next = /<([^>]*)>; *rel="next"/.exec(String(headers.link ?? ''))?.[1];
    }
  }

  /** Closes its connections; what is under way is rejected with an `UnreachableError`. Those of a shared agent stay. */
  close(): void {
    this.#transport.close();
    this.#ownAgent?.destroy();
  }

  async #send(
    method: string,
    path: string,
    options: Loose = {},
    ifNoneMatch?: string,
  ): Promise<Answer<unknown> | Unchanged> {
    const { timeout, retries } = { ...this.#options, ...options };
    const body = options.raw ?? (options.body === undefined ? undefined : JSON.stringify(options.body));
    const deadline = performance.now() + timeout;
    for (let attempt = 0; ; attempt++) {
      const headers = await this.#headers(options, body, ifNoneMatch);
      try {
        const exchange = { method, path, headers, body, deadline, timeout, signal: options.signal };
        return answerOf(`${method} ${path}`, await this.#transport.exchange(exchange));
      } catch (error) {
        const wait = backoff(attempt);
        const isOpen = !this.#transport.closed;
        const again =
          isOpen && attempt < retries && isHarmless(error, method, options) && performance.now() + wait < deadline;
        if (!again) throw error;
        await sleep(wait, undefined, { signal: options.signal }).catch(() => options.signal?.throwIfAborted());
      }
    }
  }

  async #headers(options: Loose, body: RawBody | undefined, ifNoneMatch: string | undefined) {
    const { token } = this.#options;
    const bearer = typeof token === 'function' ? await token() : token;
    return {
      ...(bearer !== undefined && { authorization: `Bearer ${bearer}` }),
      ...(options.ifMatch !== undefined && { 'if-match': options.ifMatch }),
      ...(ifNoneMatch !== undefined && { 'if-none-match': ifNoneMatch }),
      ...(body !== undefined && {
        'content-type': options.contentType ?? 'application/json',
        'content-length': lengthOf(body),
      }),
    };
  }
}

const APPLY_FORM = pathOf('/config', { query: { form: 'apply' } });

/** The options of any request. */
interface Loose {
  readonly params?: Readonly<Record<string, string>>;
  readonly query?: Readonly<Record<string, unknown>>;
  readonly body?: unknown;
  readonly raw?: RawBody;
  readonly contentType?: string;
  readonly ifMatch?: string;
  readonly signal?: AbortSignal;
  readonly timeout?: number;
  readonly retries?: number;
}

function pathOf(template: string, { params = {}, query = {} }: Loose = {}): string {
  const path = template.replace(/\{(\w+)\}/g, (_, name) => encodeURIComponent(String(params[name])));
  const asked = Object.entries(query).filter(([, value]) => value !== undefined);
  const search = new URLSearchParams(asked.map(([name, value]) => [name, String(value)]));
  // Nobody reads it as it comes: without indentation it is half as long.
  search.set('format', 'terse');
  return `${PREFIX}${path}?${search}`;
}

function answerOf(what: string, { status, headers, text }: RawAnswer): Answer<unknown> | Unchanged {
  const { etag } = headers;
  if (status === 304) return { status, etag, headers, body: undefined };
  const body = parsed(text);
  if (status >= 400) throw new ApiError(what, status, reasonOf(body, text), etag);
  if (body === undefined) throw new AnswerError(`${what}: the answer is no JSON`);
  return { status: status as Answer<unknown>['status'], etag, headers, body };
}

/** In bytes. */
function lengthOf(body: RawBody): number {
  if (typeof body === 'string') return Buffer.byteLength(body);
  return Array.isArray(body) ? body.reduce((sum, part) => sum + part.length, 0) : (body as Uint8Array).length;
}

function reasonOf(body: unknown, text: string): string {
  const { content, message, status } = (body ?? {}) as Record<string, unknown>;
  const said = content ?? message ?? (typeof status === 'string' ? status : undefined);
  return typeof said === 'string' ? said : text.slice(0, 200);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isHarmless(error: unknown, method: string, { ifMatch }: Loose): boolean {
  if (!(error instanceof UnreachableError)) return false;
  return error.unsent || (method !== 'POST' && ifMatch === undefined);
}

function backoff(attempt: number): number {
  const most = Math.min(BACKOFF.most, BACKOFF.first * 2 ** attempt);
  return (most * (1 + Math.random())) / 2;
}
