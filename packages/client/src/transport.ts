/** One HTTP request over node:http: TCP or a UNIX socket, connections that are kept, a bound on time and on the answer. */
import type { Agent, IncomingHttpHeaders, IncomingMessage, RequestOptions } from 'node:http';
import { AnswerError, UnreachableError } from './errors.ts';
import type { RawBody } from './types.ts';

// An import statement would evaluate all that it exports, among it a WebSocket client that loads the whole of undici.
export type { Agent };

const http = process.getBuiltinModule('node:http');

/** How an https: proxy is known, and what it is shown: PEM texts. */
export interface TlsOptions {
  /** Who has signed the proxy's certificate. Default: whom Node trusts. */
  readonly ca?: string | undefined;
  /** A certificate of the client's own, with those above it, and its key. */
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
  /** Whose certificate it must be. Default: the host of the base. */
  readonly servername?: string | undefined;
}

/** They, or a function that is asked at each request, so that certificates which were exchanged are taken up. */
export type TlsSource = TlsOptions | (() => TlsOptions | Promise<TlsOptions>);

export interface Exchange {
  readonly method: string;
  /** With the query. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string | number>>;
  readonly body: RawBody | undefined;
  /** When the answer must be whole, as `performance.now()` has it; and how many milliseconds that was from the beginning. */
  readonly deadline: number;
  readonly timeout: number;
  readonly signal: AbortSignal | undefined;
}

export interface RawAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

/** Codes of a connection that was never made. */
const NEVER_CONNECTED = new Set([
  'EACCES',
  'EADDRNOTAVAIL',
  'EAI_AGAIN',
  'ECONNREFUSED',
  'EHOSTDOWN',
  'EHOSTUNREACH',
  'ENETDOWN',
  'ENETUNREACH',
  'ENOENT',
  'ENOTFOUND',
]);

/** Codes of a connection that has ended, which the peer of a kept one may do at any time. */
const BROKEN = new Set(['ECONNRESET', 'EPIPE']);

const KEPT = { keepAlive: true, scheduling: 'lifo' } as const;

/** An agent for connections that are kept between requests; one may serve the clients of any number of proxies, of one protocol. */
export function keepAlive(protocol: 'http:' | 'https:' = 'http:'): Agent {
  return protocol === 'https:' ? new (https().Agent)(KEPT) : new http.Agent(KEPT);
}

/** Loaded by who needs it. */
function https(): typeof import('node:https') {
  return process.getBuiltinModule('node:https');
}

/** What a base is spoken to with. */
export function protocolOf(base: string): 'http:' | 'https:' {
  return base.startsWith('https:') ? 'https:' : 'http:';
}

export class Transport {
  readonly #target: RequestOptions;
  readonly #maxAnswer: number;
  readonly #tls: TlsSource | undefined;
  /** Nothing is repeated any more. */
  closed = false;

  /** `base`: see `ClientOptions`. */
  constructor(base: string, agent: Agent, maxAnswer: number, tls?: TlsSource) {
    const secure = protocolOf(base) === 'https:';
    if (tls && !secure) throw new TypeError(`tls: ${base} is no https: URL`);
    this.#target = { ...targetOf(base), agent };
    this.#maxAnswer = maxAnswer;
    this.#tls = secure ? (tls ?? {}) : undefined;
  }

  /** Rejects with an `UnreachableError`, an `AnswerError` or the signal's reason. */
  async exchange(exchange: Exchange): Promise<RawAnswer> {
    const tls = typeof this.#tls === 'function' ? await this.#tls() : this.#tls;
    try {
      return await this.#attempt(exchange, tls);
    } catch (error) {
      const isLast = this.closed || exchange.method === 'POST';
      if (!(error instanceof StaleConnection) || isLast) throw unwrapped(error);
      return this.#attempt(exchange, tls).catch((again) => {
        throw unwrapped(again);
      });
    }
  }

  close(): void {
    this.closed = true;
  }

  #attempt(
    { method, path, headers, body, deadline, timeout, signal }: Exchange,
    tls: TlsOptions | undefined,
  ): Promise<RawAnswer> {
    return new Promise((resolve, reject) => {
      signal?.throwIfAborted();
      const asked = { ...this.#target, method, path, headers };
      const request = tls ? https().request({ ...asked, ...given(tls) }) : http.request(asked);
      const what = `${method} ${path}`;
      const settle = (end: () => void) => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', abort);
        end();
      };
      const fail = (error: unknown) => {
        settle(() => reject(error));
        request.destroy();
      };
      const abort = () => fail(signal?.reason);
      const timer = setTimeout(
        () => fail(new UnreachableError(what, 'ETIMEDOUT', `no answer within ${timeout} ms`, false)),
        Math.max(1, deadline - performance.now()),
      );
      signal?.addEventListener('abort', abort, { once: true });
      request.on('error', (error: NodeJS.ErrnoException) => {
        const unreachable = unreachableOf(what, error);
        fail(request.reusedSocket && BROKEN.has(unreachable.code) ? new StaleConnection(unreachable) : unreachable);
      });
      request.on('response', (response) => {
        this.#collect(response, what).then((answer) => settle(() => resolve(answer)), fail);
      });
      const parts = Array.isArray(body) ? (body as readonly Uint8Array[]) : [body as string | Uint8Array | undefined];
      for (const part of parts) if (part) request.write(part);
      request.end();
    });
  }

  #collect(response: IncomingMessage, what: string): Promise<RawAnswer> {
    return new Promise((resolve, reject) => {
      const parts: Buffer[] = [];
      let length = 0;
      response.on('data', (part: Buffer) => {
        length += part.length;
        if (length > this.#maxAnswer) {
          reject(new AnswerError(`${what}: the answer is longer than ${this.#maxAnswer} bytes`));
          return;
        }
        parts.push(part);
      });
      response.on('error', (error) => reject(unreachableOf(what, error)));
      response.on('end', () => {
        const { statusCode = 0, headers } = response;
        resolve({ status: statusCode, headers, text: Buffer.concat(parts, length).toString() });
      });
    });
  }
}

/** A kept connection that the peer had ended before it saw the request, as far as one can tell. */
class StaleConnection extends Error {
  override readonly cause: UnreachableError;

  constructor(cause: UnreachableError) {
    super(cause.message);
    this.cause = cause;
  }
}

function unwrapped(error: unknown): unknown {
  return error instanceof StaleConnection ? error.cause : error;
}

function unreachableOf(what: string, { code = 'ECONNRESET', message }: NodeJS.ErrnoException): UnreachableError {
  return new UnreachableError(what, code, message || code, NEVER_CONNECTED.has(code));
}

/** Where a base leads. Throws a `TypeError` that names what is wrong with it. */
function targetOf(base: string): RequestOptions {
  if (base.startsWith('unix:')) {
    const socketPath = base.slice('unix:'.length);
    if (socketPath === '') throw new TypeError(`base: ${base} names no socket`);
    // A Host that is no name of the machine's own would be refused: see "hosts" in the reference of the REST API.
    return { socketPath, host: 'localhost' };
  }
  const url = URL.parse(base);
  if (url?.protocol !== 'http:' && url?.protocol !== 'https:')
    throw new TypeError(`base: ${base} is neither an http: or https: URL nor unix:<path>`);
  if (url.pathname !== '/' || url.search || url.hash || url.username || url.password)
    throw new TypeError(`base: ${base} has more than a host and a port`);
  return { host: url.hostname.replace(/^\[(.*)\]$/, '$1'), port: url.port || (url.protocol === 'https:' ? 443 : 80) };
}

/** Without what is undefined, which node would take for a value. */
function given(tls: TlsOptions): TlsOptions {
  return Object.fromEntries(Object.entries(tls).filter(([, value]) => value !== undefined));
}
