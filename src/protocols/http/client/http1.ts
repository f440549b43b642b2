/** A connection to an upstream on which HTTP/1.1 is spoken, by node's own client: one request at a time, kept alive between. */
import * as http from 'node:http';
import type { Channel, Headers, Tail } from '../../../core/channel.ts';
import { type ByteStream, streamOf } from '../../../core/channel-duplex.ts';
import { L7mpError } from '../../../core/errors.ts';
import { plainHeaders, tokens } from '../headers.ts';
import { LINGER } from '../linger.ts';
import { Tunnel } from '../tunnel.ts';
import type { AnswerReader, ConnectionOwner, RequestHead, UpstreamConnection, UpstreamExchange } from './upstream.ts';

/** Methods of which node sends no body where nothing says that there is one: of others it must be told that there is none. */
const WITHOUT_BODY: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'DELETE']);

/** Milliseconds by which an upstream's word on how long it keeps a connection is taken for less: a request takes its way. */
const EARLY = 1000;

/** A connection of HTTP/1.1. */
export class Http1Connection implements UpstreamConnection {
  used = false;
  /** Milliseconds that the upstream keeps an idle connection, where it has said so. */
  patience = Number.POSITIVE_INFINITY;
  readonly #stream: ByteStream;
  readonly #owner: ConnectionOwner;
  /** As node's client sees it. */
  readonly #agent: http.Agent;
  #exchange: Http1Exchange | undefined;
  #closing = false;
  #gone = false;

  constructor(lower: Channel, owner: ConnectionOwner) {
    const stream = streamOf(lower);
    this.#stream = stream;
    this.#owner = owner;
    this.#agent = agentOf(stream);
    stream.on('data', this.#heard);
    stream.on('free', () => this.#over());
    stream.on('end', () => this.#ended());
    // What has happened is told to the exchange by node's client.
    stream.on('error', () => {});
    stream.on('close', () => this.#closed());
    stream.resume();
  }

  get room(): number {
    return this.#exchange || this.#closing || this.#gone ? 0 : 1;
  }

  get busy(): number {
    return this.#exchange ? 1 : 0;
  }

  request(head: RequestHead, bodiless: boolean, reader: AnswerReader): UpstreamExchange {
    const req = requestOn(this.#agent, head, bodiless);
    if (head.upgrade) req.once('upgrade', (answer, _stream, early) => exchange.switched(answer, early));
    const exchange = new Http1Exchange(req, this.#stream, reader, (answer) => this.#answered(answer));
    this.#exchange = exchange;
    this.used = true;
    if (bodiless) exchange.end();
    else req.flushHeaders();
    return exchange;
  }

  close(): void {
    this.#closing = true;
    if (!this.#exchange) this.#stream.destroy();
  }

  #answered(answer: http.IncomingMessage): void {
    const [, seconds] = /(?:^|[,\s])timeout=(\d+)/.exec(String(answer.headers['keep-alive'] ?? '')) ?? [];
    if (seconds !== undefined) this.patience = Math.max(0, Number(seconds) * 1000 - EARLY);
  }

  /** Node's client has done with a request and its answer, and the connection can be used again. */
  #over(): void {
    this.#exchange = undefined;
    if (this.#closing || this.#gone || this.#stream.destroyed) this.#stream.destroy();
    else this.#owner.free(this);
  }

  #heard = (): void => {
    // What nobody has asked for would be taken for the answer to the next request.
    if (this.#exchange) this.#exchange.heard = true;
    else this.#stream.destroy();
  };

  #ended(): void {
    this.#closing = true;
    if (!this.#exchange) this.#stream.destroy();
  }

  #closed(): void {
    this.#gone = true;
    this.#exchange = undefined;
    this.#owner.gone(this);
  }
}

class Http1Exchange implements UpstreamExchange {
  /** Something has come from the upstream. */
  heard = false;
  readonly #req: http.ClientRequest;
  readonly #stream: ByteStream;
  #reader: AnswerReader | undefined;
  #res: http.IncomingMessage | undefined;

  constructor(
    req: http.ClientRequest,
    stream: ByteStream,
    reader: AnswerReader,
    answered: (answer: http.IncomingMessage) => void,
  ) {
    this.#req = req;
    this.#stream = stream;
    this.#reader = reader;
    req.on('information', ({ statusCode, headers }) => this.#reader?.informed(statusCode, plainHeaders(headers)));
    req.on('response', (res) => {
      answered(res);
      this.#answered(res);
    });
    req.on('drain', () => this.#reader?.drained());
    req.on('error', (error) => this.#failed(error));
    // An error costs more than all else here.
    req.on(
      'close',
      () => this.#reader && this.#failed(new Error('the connection was closed before the answer was complete')),
    );
  }

  write(bytes: Uint8Array): boolean {
    try {
      return this.#req.write(bytes);
    } catch (error) {
      this.#req.destroy(error as Error);
      return false;
    }
  }

  end(trailers?: Tail): void {
    if (trailers) this.#addTrailers(trailers);
    try {
      this.#req.end();
    } catch (error) {
      this.#req.destroy(error as Error);
    }
  }

  hold(): void {
    this.#res?.pause();
  }

  release(): void {
    this.#res?.resume();
  }

  abort(): void {
    this.#reader = undefined;
    if (!this.#over) this.#req.destroy();
  }

  breakOff(): void {
    this.#reader = undefined;
    if (this.#over) return;
    // What was written waits until node's client has its socket, a tick after the request was made.
    process.nextTick(() => {
      this.#stream.end();
      this.#discard();
    });
  }

  forget(): void {
    this.#reader = undefined;
    if (!this.#over) this.#discard();
  }

  /** The upstream has answered 101, as was asked for; `early` came behind that. */
  switched(answer: http.IncomingMessage, early: Buffer): void {
    const reader = this.#reader;
    if (tokens(answer.headers.upgrade).join() !== 'websocket') {
      this.#failed(new L7mpError('E_HANDSHAKE', 'the answer is of another protocol than was asked for'));
    } else if (reader) {
      this.#reader = undefined;
      reader.switched(headersOf(answer), new Tunnel(this.#stream, reader));
      if (early.length > 0) reader.received(early);
    } else this.#stream.destroy();
  }

  /** A whole answer to a whole request leaves the connection as it was. */
  get #over(): boolean {
    return this.#res?.readableEnded === true && this.#req.writableFinished;
  }

  // Linux answers data that nobody has read with a reset, which destroys what the upstream has not read yet.
  #discard(): void {
    const timer = setTimeout(() => this.#req.destroy(), LINGER).unref();
    this.#req.once('close', () => clearTimeout(timer));
    this.#res?.resume();
  }

  /** Those that cannot be sent are left out: the head has gone. */
  #addTrailers(trailers: Tail): void {
    try {
      this.#req.addTrailers(Object.entries(trailers) as [string, string][]);
    } catch {
      // The request is whole without them.
    }
  }

  #answered(res: http.IncomingMessage): void {
    this.#res = res;
    res.on('error', (error) => this.#failed(error));
    const wrong = wrongFraming(res);
    if (wrong !== undefined) {
      this.#req.destroy(new L7mpError('E_HANDSHAKE', wrong));
      return;
    }
    // What else has come in one piece with the head is parsed by then: where that is no HTTP, the answer is none.
    process.nextTick(() => {
      this.#reader?.answered(res.statusCode as number, headersOf(res));
      res.on('data', (bytes: Buffer) => this.#reader?.received(bytes));
      res.on('end', () => this.#ended(res));
    });
  }

  #ended(res: http.IncomingMessage): void {
    const reader = this.#reader;
    // An upstream may answer before it has the whole request, and break off then.
    if (this.#req.writableEnded) this.#reader = undefined;
    const { trailers } = res;
    reader?.ended(Object.keys(trailers).length > 0 ? plainHeaders(trailers) : undefined);
  }

  #failed(error: NodeJS.ErrnoException): void {
    const reader = this.#reader;
    if (!reader) return;
    this.#reader = undefined;
    this.#stream.destroy();
    const { code = '', message } = error;
    const malformed = code.startsWith('HPE_');
    reader.failed({
      kind: malformed || error instanceof L7mpError ? 'error' : 'reset',
      message: malformed ? `the answer is not valid HTTP (${code})` : message,
      unanswered: !this.heard,
    });
  }
}

/** An agent that has one connection, which is idle whenever it is asked. */
function agentOf(stream: ByteStream): http.Agent {
  const agent = {
    defaultPort: 80,
    protocol: 'http:',
    keepAlive: true,
    maxSockets: 1,
    options: {},
    addRequest: (req: http.ClientRequest) => req.onSocket(stream as Parameters<typeof req.onSocket>[0]),
  };
  return agent as unknown as http.Agent;
}

/** Throws E_HANDSHAKE where the head cannot be sent. */
function requestOn(agent: http.Agent, head: RequestHead, bodiless: boolean): http.ClientRequest {
  const { method, target, authority } = head;
  try {
    const req = http.request({ agent, method, path: target, headers: fieldsOf(head, authority, bodiless) });
    // Node would leave out the fields behind so many; the size of a head is bounded.
    req.maxHeadersCount = 0;
    // More or less than the head promises would be taken for the next request, or make the upstream wait.
    (req as http.ClientRequest & { strictContentLength: boolean }).strictContentLength = true;
    return req;
  } catch (error) {
    throw new L7mpError('E_HANDSHAKE', `the request cannot be sent: ${(error as Error).message}`, { cause: error });
  }
}

/** Names and values, one after the other: node takes them as they are. */
function fieldsOf({ method, headers, upgrade }: RequestHead, authority: string, bodiless: boolean): string[] {
  const fields = ['host', authority];
  if (upgrade) fields.push('connection', 'upgrade', 'upgrade', upgrade);
  for (const name in headers) {
    const value = headers[name] as string | string[];
    if (typeof value === 'string') fields.push(name, value);
    else for (const one of value) fields.push(name, one);
  }
  if (headers['content-length'] === undefined) {
    if (!bodiless) fields.push('transfer-encoding', 'chunked');
    else if (!WITHOUT_BODY.has(method)) fields.push('content-length', '0');
  }
  return fields;
}

/** Why nobody could tell where an answer ends, and where a next one begins, though node's parser has taken it. */
function wrongFraming({ headers, httpVersion, statusCode = 0 }: http.IncomingMessage): string | undefined {
  const coding = headers['transfer-encoding'];
  if (httpVersion !== '1.1' && httpVersion !== '1.0') return `the answer is of HTTP/${httpVersion}`;
  if (statusCode < 200 || statusCode > 599) return `${statusCode} is no status of an answer`;
  if (coding === undefined) return undefined;
  // RFC 9112 section 6.1: no coding in HTTP/1.0, and none but that which was asked for.
  if (httpVersion === '1.0') return 'the answer has a transfer coding, which HTTP/1.0 has not';
  return coding.toLowerCase() === 'chunked' ? undefined : 'the answer has a transfer coding that was not asked for';
}

/** They are copied when it is known which of them go on. */
function headersOf({ headers }: http.IncomingMessage): Headers {
  return headers as Headers;
}
