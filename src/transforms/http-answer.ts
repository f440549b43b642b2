/** The destinations of HTTP sessions that answer by themselves: they read the request, and give one answer. */

import { hostPort } from '../core/address.ts';
import { sessionOf } from '../core/attempt.ts';
import { Channel, type QueueLimits } from '../core/channel.ts';
import { asL7mpError, errorBody, L7mpError } from '../core/errors.ts';
import { Gathering, type GatheringLimit } from '../core/gathering.ts';
import { isObject, type Json, type Metadata } from '../core/metadata.ts';
import type { ApiRequest, ApiResponse, ClusterHost, Dialer, DiallingSession } from '../core/protocol.ts';

type RequestHead = Omit<ApiRequest, 'body'>;
type Answer = (request: ApiRequest) => Promise<ApiResponse>;

/** Milliseconds in which a body must be complete once it has begun: it is small, and nothing is done before. */
const BODY_TIME = 30_000;

/** Answers each session's request by `answer`. */
export function httpAnswerer({ limits, services, gathering }: ClusterHost, answer: Answer): Dialer {
  return {
    dial: (attempt) => {
      const request = requestHead(sessionOf(attempt));
      return new AnswerChannel(request, answer, { size: services.bodyLimit(), gathering }, limits);
    },
  };
}

/** The JSON that an error is answered with. */
export function errorAnswer(status: number, content: string, headers: Record<string, string> = {}): ApiResponse {
  return {
    status,
    headers: { 'content-type': 'application/json', ...headers },
    body: `${JSON.stringify(errorBody(status, content), null, 4)}\n`,
  };
}

/** What bounds a request's body: its own bytes, and those of all together. */
interface BodyBounds {
  readonly size: number;
  readonly gathering: GatheringLimit;
}

/** Takes a request's body, and gives the answer when it is complete, or at once when it is too large or too late. */
class AnswerChannel extends Channel {
  readonly kind = 'stream';
  readonly #request: RequestHead;
  readonly #answer: Answer;
  readonly #most: number;
  readonly #body: Gathering;
  #timer: NodeJS.Timeout | undefined;
  #answered = false;
  /** Has the next part of an answer read, where nobody took the last one. */
  #goOn: (() => void) | undefined;

  constructor(request: RequestHead, answer: Answer, { size, gathering }: BodyBounds, limits: QueueLimits) {
    super(limits);
    this.#request = request;
    this.#answer = answer;
    this.#most = size;
    this.#body = new Gathering(gathering, () => this.#fail(crowded()));
  }

  override get halfClose(): boolean {
    return true;
  }

  /** What is written is copied into the body. */
  protected override get retains(): boolean {
    return false;
  }

  protected override send(bytes: Uint8Array): boolean {
    if (this.#answered) return true;
    if (this.#body.length + bytes.length > this.#most) {
      this.#fail(new L7mpError('E_BODY_SIZE', `the request body is larger than ${this.#most} bytes`));
    } else if (!this.#body.push(bytes)) this.#fail(crowded());
    else this.#timer ??= setTimeout(() => this.#fail(late()), BODY_TIME);
    return true;
  }

  protected override sendEnd(): void {
    clearTimeout(this.#timer);
    if (!this.#answered) void this.#respond(this.#body.take());
  }

  protected override shut(): void {
    clearTimeout(this.#timer);
    this.#body.clear();
    this.#goOn?.();
  }

  protected override releaseSource(): void {
    this.#goOn?.();
  }

  async #respond(body: Uint8Array): Promise<void> {
    let answer: ApiResponse;
    try {
      answer = await this.#answer({ ...this.#request, body });
    } catch (error) {
      answer = errorOf(asL7mpError(error));
    }
    this.#give(answer);
  }

  #fail(error: L7mpError): void {
    this.#give(errorOf(error));
  }

  #give({ status, headers, body }: ApiResponse): void {
    if (!this.open) return;
    this.#answered = true;
    clearTimeout(this.#timer);
    this.#body.clear();
    const whole = typeof body === 'string' ? Buffer.from(body) : body instanceof Uint8Array ? body : undefined;
    // RFC 9110 section 8.6: a 204 has no length.
    const length = whole && status !== 204 ? { 'content-length': String(whole.length) } : {};
    try {
      this.owner?.head?.({ status, headers: { ...headers, ...length } });
    } catch (error) {
      this.deliverClose({ kind: 'error', message: (error as Error).message });
      return;
    }
    // RFC 9110 section 9.3.2: the head of an answer to HEAD is that of GET's, without the body.
    if (this.#request.method === 'HEAD') this.deliverEnd();
    else if (whole) {
      if (whole.length > 0) this.deliver(whole);
      this.deliverEnd();
    } else void this.#giveParts(body as AsyncIterable<string | Uint8Array>);
  }

  /** One after the other, as they are taken. Half of an answer must not look like a whole one. */
  async #giveParts(parts: AsyncIterable<string | Uint8Array>): Promise<void> {
    try {
      for await (const part of parts) {
        if (this.open) this.deliver(typeof part === 'string' ? Buffer.from(part) : part);
        if (this.open && this.held) await new Promise<void>((resolve) => (this.#goOn = resolve));
        if (!this.open) return;
      }
      if (this.open) this.deliverEnd();
    } catch (error) {
      if (this.open) this.deliverClose({ kind: 'reset', message: asL7mpError(error).message });
    }
  }
}

function crowded(): L7mpError {
  return new L7mpError('E_LIMIT', 'too much is being received at once');
}

function late(): L7mpError {
  return new L7mpError('E_REQUEST_TIMEOUT', `the request body was not complete within ${BODY_TIME} ms`);
}

function errorOf(error: L7mpError): ApiResponse {
  return errorAnswer(error.status, error.message);
}

// -------------------------------------------------------------------- the request, out of the metadata

/** @throws L7mpError E_NO_ROUTE where the session is no HTTP request */
function requestHead({ name, metadata, listener }: DiallingSession): RequestHead {
  const { HTTP: http } = metadata;
  if (!isObject(http)) throw notHttp();
  const url = targetOf(http.url);
  const { method } = http;
  const headers = headersOf(http.headers);
  // A WebSocket's metadata is that of its handshake, but what follows are its messages.
  const isWebSocket = String(headers.upgrade).toLowerCase() === 'websocket';
  if (typeof method !== 'string' || url === undefined || isWebSocket) throw notHttp();
  return {
    method,
    url,
    headers,
    peer: {
      from: fromOf(metadata) ?? name,
      listener: listener?.name,
      certificate: certificateIn(metadata),
    },
  };
}

function fromOf({ IP: ip, TCP: tcp }: Metadata): string | undefined {
  if (!isObject(ip) || !isObject(tcp)) return undefined;
  const { src_addr: address } = ip;
  const { src_port: port } = tcp;
  if (typeof address !== 'string' || typeof port !== 'number') return undefined;
  return hostPort(address, port);
}

function notHttp(): L7mpError {
  return new L7mpError('E_NO_ROUTE', 'serves HTTP sessions only');
}

/** Path and query, as the rules have left them: an absolute target's (RFC 9112 section 3.2.2) are there in `path` too. */
function targetOf(url: Json | undefined): string | undefined {
  const target = isObject(url) ? (url.path ?? url.url) : url;
  return typeof target === 'string' ? target : undefined;
}

/** Those that are headers indeed: rules may write anything there. */
function headersOf(headers: Json | undefined): Record<string, string | string[]> {
  if (!isObject(headers)) return {};
  return Object.fromEntries(
    Object.entries(headers).filter((entry): entry is [string, string | string[]] => isHeader(entry[1])),
  );
}

function isHeader(value: Json): value is string | string[] {
  return typeof value === 'string' || (Array.isArray(value) && value.every((one) => typeof one === 'string'));
}

/** One that was not verified is not in the metadata. */
function certificateIn({ TLS: tls }: Metadata): Metadata | undefined {
  const { authorized, peer } = isObject(tls) ? tls : {};
  return authorized === true && isObject(peer) ? peer : undefined;
}
