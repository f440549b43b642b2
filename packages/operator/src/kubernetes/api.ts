/** Requests to the API server. */
import http, { type IncomingMessage } from 'node:http';
import https from 'node:https';
import type { Access } from './access.ts';
import { apiError } from './errors.ts';

export interface RequestOptions {
  readonly query?: Readonly<Record<string, string | number | boolean | undefined>>;
  /** Sent as JSON. */
  readonly body?: unknown;
  /** `application/json` where there is a body. */
  readonly contentType?: string;
  /** Milliseconds for the whole; the answer's body included. */
  readonly timeout?: number;
  readonly signal?: AbortSignal | undefined;
}

export const MERGE_PATCH = 'application/merge-patch+json';

const TIMEOUT = 30_000;

/** Largest answer in bytes: a page of 500 objects, each as large as etcd takes them, does not come. */
const MAX_BODY = 256 << 20;

/** After how many milliseconds of silence the kernel asks whether the other host is still there; libuv then asks each second. */
const KEEP_ALIVE = 30_000;

export class ApiClient {
  readonly #access: Access;
  readonly #agent: http.Agent;
  readonly #userAgent: string;

  constructor(access: Access, userAgent: string) {
    this.#access = access;
    this.#userAgent = userAgent;
    const { Agent } = access.server.protocol === 'http:' ? http : https;
    this.#agent = new Agent({ keepAlive: true });
  }

  /**
   * The answer, parsed. Throws an ApiError for one that is no success, and node's errors for what happens on the way,
   * among them an AbortError.
   */
  async request<T>(method: string, path: string, options: RequestOptions = {}): Promise<T> {
    const { timeout = TIMEOUT } = options;
    const late = new AbortController();
    const timer = setTimeout(() => late.abort(new Error(`no answer to ${method} ${path} in ${timeout} ms`)), timeout);
    const signal = options.signal ? AbortSignal.any([options.signal, late.signal]) : late.signal;
    try {
      const answer = await this.open(method, path, { ...options, signal });
      return JSON.parse(await textOf(answer, signal)) as T;
    } catch (error) {
      throw late.signal.aborted ? late.signal.reason : error;
    } finally {
      clearTimeout(timer);
    }
  }

  /** The answer once its head is there, and a success; who asked reads or destroys it. */
  async open(method: string, path: string, options: RequestOptions = {}): Promise<IncomingMessage> {
    const answer = await this.#attempt(method, path, options, true);
    const { statusCode = 0 } = answer;
    if (statusCode >= 200 && statusCode < 300) return answer;
    if (statusCode === 401) this.#access.refused();
    throw apiError(statusCode, await textOf(answer, options.signal), answer.headers['retry-after']);
  }

  /** Ends connections that nobody uses; requests under way are ended by their signals. */
  close(): void {
    this.#agent.destroy();
  }

  async #attempt(method: string, path: string, options: RequestOptions, again: boolean): Promise<IncomingMessage> {
    const { server } = this.#access;
    const { headers, ...rest } = await this.#access.options();
    const { body, contentType = 'application/json', query = {}, signal } = options;
    const url = new URL(server.href.replace(/\/$/, '') + path);
    for (const [name, value] of Object.entries(query))
      if (value !== undefined) url.searchParams.set(name, String(value));
    const text = body === undefined ? undefined : JSON.stringify(body);
    const send = url.protocol === 'http:' ? http.request : https.request;
    return new Promise((resolve, reject) => {
      const request = send(url, {
        agent: this.#agent,
        ...rest,
        method,
        headers: {
          ...(headers as http.OutgoingHttpHeaders | undefined),
          accept: 'application/json',
          'user-agent': this.#userAgent,
          ...(text !== undefined && { 'content-type': contentType, 'content-length': Buffer.byteLength(text) }),
        },
        ...(signal && { signal }),
      });
      let answered = false;
      request.on('socket', (socket) => socket.setKeepAlive(true, KEEP_ALIVE));
      request.on('response', (answer) => {
        answered = true;
        resolve(answer);
      });
      request.on('error', (error: NodeJS.ErrnoException) => {
        // The server had closed a kept connection while we wrote: https://nodejs.org/api/http.html#requestreusedsocket
        const isStale = again && !answered && request.reusedSocket && error.code === 'ECONNRESET';
        if (isStale && !signal?.aborted) resolve(this.#attempt(method, path, options, false));
        else reject(error);
      });
      request.end(text);
    });
  }
}

async function textOf(answer: IncomingMessage, signal: AbortSignal | undefined): Promise<string> {
  const parts: Buffer[] = [];
  let length = 0;
  for await (const part of answer as AsyncIterable<Buffer>) {
    length += part.length;
    if (length > MAX_BODY) throw new Error(`the API server's answer has more than ${MAX_BODY} bytes`);
    parts.push(part);
  }
  signal?.throwIfAborted();
  return Buffer.concat(parts).toString();
}
