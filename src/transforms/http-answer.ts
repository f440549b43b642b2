/** The destinations of HTTP sessions that answer by themselves: they read the request, and give one answer. */
import { Channel, type QueueLimits } from '../core/channel.ts';
import { asL7mpError, errorBody, L7mpError } from '../core/errors.ts';
import type { Json, Metadata } from '../core/metadata.ts';
import type { ApiRequest, ApiResponse, Attempt, ClusterHost, Dialer } from '../core/protocol.ts';

type RequestHead = Omit<ApiRequest, 'body'>;
type Answer = (request: ApiRequest) => Promise<ApiResponse>;

/** Answers each session's request by `answer`. */
export function httpAnswerer({ limits, services }: ClusterHost, answer: Answer): Dialer {
  return {
    dial: ({ session }) => new AnswerChannel(requestHead(session), answer, services.bodyLimit(), limits),
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

/** Takes a request's body, and gives the answer when it is complete, or at once when it is too large. */
class AnswerChannel extends Channel {
  readonly kind = 'stream';
  readonly #request: RequestHead;
  readonly #answer: Answer;
  readonly #bodyLimit: number;
  #body: Uint8Array[] = [];
  #size = 0;
  #answered = false;

  constructor(request: RequestHead, answer: Answer, bodyLimit: number, limits: QueueLimits) {
    super(limits);
    this.#request = request;
    this.#answer = answer;
    this.#bodyLimit = bodyLimit;
  }

  override get halfClose(): boolean {
    return true;
  }

  protected override send(bytes: Uint8Array): boolean {
    if (this.#answered) return true;
    this.#size += bytes.length;
    if (this.#size <= this.#bodyLimit) this.#body.push(bytes);
    else this.#give(errorOf(new L7mpError('E_BODY_SIZE', `the request body is larger than ${this.#bodyLimit} bytes`)));
    return true;
  }

  protected override sendEnd(): void {
    if (!this.#answered) void this.#respond(Buffer.concat(this.#body));
  }

  protected override shut(): void {
    this.#body = [];
  }

  async #respond(body: Uint8Array): Promise<void> {
    this.#body = [];
    let answer: ApiResponse;
    try {
      answer = await this.#answer({ ...this.#request, body });
    } catch (error) {
      answer = errorOf(asL7mpError(error));
    }
    this.#give(answer);
  }

  #give({ status, headers, body }: ApiResponse): void {
    if (!this.open) return;
    this.#answered = true;
    this.#body = [];
    const bytes = typeof body === 'string' ? Buffer.from(body) : body;
    // RFC 9110 section 8.6: a 204 has no length.
    const length = status === 204 ? {} : { 'content-length': String(bytes.length) };
    try {
      this.owner?.head?.({ status, headers: { ...headers, ...length } });
    } catch (error) {
      this.deliverClose({ kind: 'error', message: (error as Error).message });
      return;
    }
    // RFC 9110 section 9.3.2: the head of an answer to HEAD is that of GET's, without the body.
    if (bytes.length > 0 && this.#request.method !== 'HEAD') this.deliver(bytes);
    this.deliverEnd();
  }
}

function errorOf(error: L7mpError): ApiResponse {
  return errorAnswer(error.status, error.message);
}

// -------------------------------------------------------------------- the request, out of the metadata

/** @throws L7mpError E_NO_ROUTE where the session is no HTTP request */
function requestHead({ name, metadata, listener }: Attempt['session']): RequestHead {
  const { HTTP: http } = metadata;
  if (!isObject(http)) throw notHttp();
  const url = targetOf(http.url);
  const { method } = http;
  const headers = headersOf(http.headers);
  // A WebSocket's metadata is that of its handshake, but what follows are its messages.
  const isWebSocket = String(headers.upgrade).toLowerCase() === 'websocket';
  if (typeof method !== 'string' || url === undefined || isWebSocket) throw notHttp();
  return { method, url, headers, peer: { from: fromOf(metadata) ?? name, listener: listener?.name } };
}

function fromOf({ IP: ip, TCP: tcp }: Metadata): string | undefined {
  if (!isObject(ip) || !isObject(tcp)) return undefined;
  const { src_addr: address } = ip;
  const { src_port: port } = tcp;
  if (typeof address !== 'string' || typeof port !== 'number') return undefined;
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
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

function isObject(value: Json | undefined): value is { [key: string]: Json } {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
