import type { IncomingMessage, ServerResponse } from 'node:http';
import type { CloseReason, Headers, QueueLimits, Tail } from '../../../core/channel.ts';
import type { Metadata } from '../../../core/metadata.ts';
import { endToEnd, plainHeaders } from '../headers.ts';
import { cutLater, LINGER } from '../linger.ts';
import { requestMetadata } from '../metadata.ts';
import { Tunnel } from '../tunnel.ts';
import { answerError, drain, statusOf } from './answer.ts';
import { AnsweringChannel } from './answering.ts';
import type { Connection, Exchange } from './connection.ts';
import type { Call } from './serve.ts';
import { switchingHead } from './upgrade.ts';

/** The head of an answer whose origin knows nothing of HTTP. */
const BARE_HEADERS = { 'content-type': 'application/octet-stream' };

/** A request and its response: the request's body comes in, the response's body goes out. */
export class HttpChannel extends AnsweringChannel implements Exchange {
  readonly #req: IncomingMessage;
  readonly #res: ServerResponse;
  readonly #connection: Connection;
  #awaitsContinue: boolean;
  /** The head was given to node; `#flowing`: and something after it, so that it is on its way. */
  #begun = false;
  #flowing = false;
  /** Its end is told by a length or by chunks. */
  #framed = true;
  #requestOver = false;
  #responseOver = false;
  #draining = false;
  /** The client asks for WebSocket, and does not know yet whether it gets it: then there is a tunnel. */
  #switches: boolean;
  #tunnel: Tunnel | undefined;

  constructor(call: Call, limits: QueueLimits) {
    super(limits);
    const { req, res, connection, awaitsContinue, switches } = call;
    this.#req = req;
    this.#res = res;
    this.#connection = connection;
    this.#awaitsContinue = awaitsContinue;
    this.#switches = switches;
    // An upstream's content-length must be true, or the client takes the rest for the next answer.
    res.strictContentLength = true;
    req.on('error', () => {});
    if (hasBody(req)) {
      req.on('data', (bytes: Buffer) => this.deliver(bytes));
      req.on('end', () => this.#requestEnded());
    } else this.#requestEnded();
    res.on('drain', () => this.drained());
    res.on('finish', () => this.#responseEnded());
    res.on('error', () => {});
    connection.add(this);
  }

  override get switches(): boolean {
    return this.#switches;
  }

  override describe(): Metadata {
    return requestMetadata(this.#req, this.#connection.lower);
  }

  // ------------------------------------------------------------------ the answer

  protected override get begun(): boolean {
    return this.#begun;
  }

  // ------------------------------------------------------------------ for the connection

  override get held(): boolean {
    return this.open && super.held;
  }

  get answerable(): boolean {
    return !this.#begun && !this.#req.complete;
  }

  lost(reason: CloseReason): void {
    this.deliverClose(this.#responseOver ? { kind: 'end', message: 'the response is complete' } : reason);
  }

  last(): void {
    if (!this.#begun) this.#res.shouldKeepAlive = false;
  }

  // ------------------------------------------------------------------ the transport

  protected override send(bytes: Uint8Array): boolean {
    if (this.#tunnel) return this.#tunnel.write(bytes);
    if (!this.#begun) this.#begin(200, BARE_HEADERS);
    if (bytes.length === 0) return true;
    this.#flowing = true;
    try {
      return this.#res.write(bytes);
    } catch {
      // More than the head has promised.
      this.drop('send-error');
      this.#cut(false);
      return true;
    }
  }

  protected override sendEnd(tail?: Tail): void {
    if (this.#tunnel) {
      this.#tunnel.end();
      return;
    }
    if (tail) this.#addTrailers(tail);
    this.#finish();
  }

  protected override shut(reason: CloseReason): void {
    if (this.#tunnel) {
      if (reason.kind === 'reset') this.#tunnel.abort();
      else this.#tunnel.forget();
      return;
    }
    if (!this.#begun && reason.kind !== 'end') this.answerError(statusOf(reason), reason.message);
    else if (reason.kind === 'end' || this.#res.writableEnded) this.#finish();
    else {
      this.#cut(reason.kind === 'reset');
      return;
    }
    // Of the socket, when it is this response's turn: it counts only while nothing moves. What has left needs none.
    if (!this.#responseOver && this.#res.writableLength > 0) this.#res.setTimeout(LINGER);
    this.#drain();
  }

  // What is held back is not parsed: the connection asks `held`.
  protected override holdSource(): void {
    this.#tunnel?.hold();
  }

  protected override releaseSource(): void {
    if (this.#tunnel) this.#tunnel.release();
    else this.#connection.resume();
  }

  // ------------------------------------------------------------------ own

  /** What is left of the request is nobody's. */
  #drain(): void {
    // One without a body is over before node has told so.
    if (!this.#requestOver && !this.#draining) drain(this.#req);
    this.#draining = true;
    this.#connection.resume();
  }

  protected override goOn(): void {
    if (!this.#awaitsContinue || this.#begun) return;
    this.#awaitsContinue = false;
    this.#res.writeContinue();
  }

  protected override inform(status: number, headers: Headers): void {
    if (status <= 101 || this.#req.httpVersion !== '1.1') return;
    try {
      writeInformation(this.#res, status, endToEnd(headers));
    } catch {
      this.drop('invalid');
    }
  }

  /** What comes from now on is no HTTP. */
  protected override switch(headers: Headers): void {
    this.#begun = true;
    this.#flowing = true;
    this.#connection.remove(this);
    const socket = this.#connection.leave();
    socket.write(switchingHead(headers));
    this.#tunnel = new Tunnel(socket, {
      received: (bytes) => this.deliver(bytes),
      ended: () => this.deliverEnd(),
      drained: () => this.drained(),
      failed: ({ kind, message }) => this.deliverClose({ kind, message }),
    });
    if (!this.held) this.#tunnel.release();
  }

  protected override stay(): void {
    if (!this.#switches) return;
    this.#switches = false;
    if (this.#requestOver) this.#tellEnd();
  }

  protected override begin(status: number, headers: Headers): void {
    this.#begin(status, headers);
    // In one packet with the body, where that comes at once: what has come to us in one packet is passed on within a turn of the loop.
    setImmediate(() => {
      if (!this.#flowing) this.#res.flushHeaders();
    });
  }

  #begin(status: number, headers: Record<string, string | string[]>): void {
    this.stay();
    // See refuseCall: the body may come or not.
    this.#framed = this.#req.httpVersion !== '1.0' || 'content-length' in headers;
    this.#res.writeHead(status, this.#awaitsContinue ? { ...headers, connection: 'close' } : headers);
    this.#begun = true;
  }

  protected override answerError(status: number, content: string): void {
    this.#begun = true;
    this.#flowing = true;
    answerError(this.#res, status, content, this.#awaitsContinue ? { connection: 'close' } : {});
    this.#drain();
  }

  // Trailers need the chunked coding, so the head must not turn into that of an empty answer.
  #addTrailers(tail: Tail): void {
    if (!this.#begun) this.#begin(200, BARE_HEADERS);
    this.#flowing = true;
    this.#res.flushHeaders();
    try {
      this.#res.addTrailers(Object.entries(endToEnd(tail)) as [string, string][]);
    } catch {
      this.drop('invalid');
    }
  }

  #finish(): void {
    if (this.#res.writableEnded) return;
    this.#begun = true;
    this.#flowing = true;
    try {
      this.#res.end();
    } catch {
      // Less than the head has promised.
      this.#cut(false);
    }
  }

  /** Breaks the response off, so that the client sees that it is not whole. */
  #cut(now: boolean): void {
    const { stream } = this.#connection;
    if (!this.#res.socket) this.#res.destroy();
    // The end of the connection would be the end of such a response (RFC 9112 section 6.3).
    else if (!this.#framed) stream.resetAndDestroy();
    else if (now) stream.destroy();
    else {
      stream.destroySoon();
      cutLater(stream);
    }
  }

  #requestEnded(): void {
    this.#requestOver = true;
    if (!this.#switches) this.#tellEnd();
    this.#settle();
  }

  #tellEnd(): void {
    const { trailers } = this.#req;
    this.deliverEnd(Object.keys(trailers).length > 0 ? plainHeaders(trailers) : undefined);
  }

  #responseEnded(): void {
    this.#responseOver = true;
    this.#settle();
  }

  // A request may go on after its response: only the end of both is the end.
  #settle(): void {
    if (!this.#requestOver || !this.#responseOver) return;
    this.#connection.remove(this);
    this.deliverClose({ kind: 'end', message: 'the response is complete' });
  }
}

/** RFC 9112 section 6.3. */
function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
}

/** Node 22 and 24 write no others than these two, of which the first has no fields. */
function writeInformation(res: ServerResponse, status: number, headers: Headers): void {
  const { writeInformation: write } = res as ServerResponse & {
    writeInformation?: (status: number, headers: Headers) => void;
  };
  if (write) write.call(res, status, headers);
  else if (status === 102) res.writeProcessing();
  else if (status === 103 && headers.link !== undefined) res.writeEarlyHints(headers as { link: string | string[] });
}
