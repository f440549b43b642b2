import type { OutgoingHttpHeaders, ServerHttp2Stream } from 'node:http2';
import type { CloseReason, Headers, QueueLimits, Tail } from '../../../../core/channel.ts';
import { wholeNow } from '../../../../core/clock.ts';
import { L7mpError } from '../../../../core/errors.ts';
import type { Metadata } from '../../../../core/metadata.ts';
import { codeForClient, INTERNAL_ERROR, NO_ERROR, resetBy } from '../../codes.ts';
import { endToEnd, plainHeaders } from '../../headers.ts';
import { headMetadata } from '../../metadata.ts';
import { statusOf } from '../answer.ts';
import { AnsweringChannel } from '../answering.ts';
import { answerStream, giveUp, leave } from './answer.ts';
import type { Awaited, StreamCall } from './connection.ts';

/** The head of an answer whose origin knows nothing of HTTP. */
const BARE_HEADERS = { 'content-type': 'application/octet-stream' };

/** Answers without a body (RFC 9110 section 6.4.1). */
const BODILESS: ReadonlySet<number> = new Set([204, 205, 304]);

/** A stream of HTTP/2: the request's body comes in, the response's body goes out. */
export class Http2Channel extends AnsweringChannel implements Awaited {
  readonly #stream: ServerHttp2Stream;
  readonly #call: StreamCall;
  #awaitsContinue: boolean;
  /** When something last came of the request, on the clock of performance.now(). */
  #heard = wholeNow();
  #requestTail: Tail | undefined;
  #requestOver = false;
  /** The answer's head: what it is, and whether node has it. It waits for what may come at once behind it. */
  #answer: OutgoingHttpHeaders | undefined;
  #flowing = false;
  #answerTail: Tail | undefined;
  #waitsForTail = false;
  /** Bytes that the head has promised and that have not been sent; -1: it has promised nothing. */
  #promised = -1;
  /** No body may follow the head. */
  #bodiless = false;
  /** Nothing more is wanted of the client. */
  #left = false;
  /** Of what is left of the request nothing is wanted. */
  #givenUp = false;

  constructor(call: StreamCall, limits: QueueLimits) {
    super(limits);
    const { stream, head } = call;
    this.#stream = stream;
    this.#call = call;
    this.#awaitsContinue = head.headers.expect !== undefined;
    stream.on('drain', () => this.drained());
    stream.once('close', () => this.#closed());
    if (stream.endAfterHeaders) this.#requestEnded();
    else this.#expect();
  }

  override describe(): Metadata {
    const { head, connection } = this.#call;
    return headMetadata({ ...head, headers: plainHeaders(head.headers) }, connection.lower);
  }

  // ------------------------------------------------------------------ the answer

  protected override get begun(): boolean {
    return this.#answer !== undefined;
  }

  // ------------------------------------------------------------------ for the connection

  get awaited(): boolean {
    return !this.#requestOver && !this.#answer && !this.held;
  }

  get heard(): number {
    return this.#heard;
  }

  late(why: string): void {
    this.answerError(408, why);
    this.deliverClose({ kind: 'error', message: why });
  }

  // ------------------------------------------------------------------ the transport

  protected override send(bytes: Uint8Array): boolean {
    if (!this.#answer) this.#begin(200, BARE_HEADERS);
    if (bytes.length === 0 || !this.#flow(false) || this.#stream.writableEnded) return true;
    if (this.#promised >= 0 && bytes.length > this.#promised) {
      this.drop('send-error');
      this.#stream.close(INTERNAL_ERROR);
      return true;
    }
    if (this.#promised >= 0) this.#promised -= bytes.length;
    return this.#stream.write(bytes);
  }

  protected override sendEnd(tail?: Tail): void {
    if (tail) this.#setTail(tail);
    this.#finish();
    // A client that has not been told to send its body need not send it any more.
    if (this.#awaitsContinue) this.#giveUp();
  }

  protected override shut(reason: CloseReason): void {
    if (this.#left) return;
    if (!this.#answer && reason.kind !== 'end') this.answerError(statusOf(reason), reason.message);
    else if (reason.kind === 'end' || this.#stream.writableEnded) {
      this.#left = true;
      this.#finish();
      this.#giveUp();
      leave(this.#stream);
    } else this.#breakOff(reason);
  }

  protected override holdSource(): void {
    if (!this.#requestOver) this.#stream.pause();
  }

  protected override releaseSource(): void {
    this.#heard = wholeNow();
    if (!this.#requestOver) this.#stream.resume();
  }

  // ------------------------------------------------------------------ own

  get #alive(): boolean {
    return !this.#stream.closed && !this.#stream.destroyed;
  }

  protected override goOn(): void {
    if (!this.#awaitsContinue || this.#answer || !this.#alive) return;
    this.#awaitsContinue = false;
    this.#stream.additionalHeaders({ ':status': 100 });
  }

  protected override inform(status: number, headers: Headers): void {
    if (status <= 101 || !this.#alive) return;
    try {
      this.#stream.additionalHeaders({ ...endToEnd(headers), ':status': status });
    } catch {
      this.drop('invalid');
    }
  }

  /** Whatever comes before somebody reads is held back by the window of the stream. */
  #expect(): void {
    const stream = this.#stream.pause();
    stream.on('data', (bytes: Buffer) => {
      this.#heard = wholeNow();
      this.deliver(bytes);
    });
    stream.once('trailers', (trailers) => {
      this.#requestTail = plainHeaders(trailers);
    });
    // Node ends what is cut off, too, when it has destroyed it; what is whole it destroys in a listener that may be there already.
    stream.prependOnceListener('end', () => stream.destroyed || stream.aborted || this.#requestEnded());
  }

  #requestEnded(): void {
    this.#requestOver = true;
    this.deliverEnd(this.#requestTail);
  }

  protected override begin(status: number, headers: Headers): void {
    this.#begin(status, headers);
    process.nextTick(() => this.#flow(false));
  }

  #begin(status: number, headers: Headers): void {
    const { 'content-length': length, ...rest } = headers;
    const { method, headers: asked } = this.#call.head;
    // RFC 9110 section 8.6.
    this.#answer = { ':status': status, ...(status === 204 ? rest : headers) };
    this.#bodiless = method === 'HEAD' || BODILESS.has(status);
    if (this.#bodiless) return;
    if (length !== undefined) this.#promised = Number(length);
    // A length that is known says that nothing is to come behind it, but to who has said that he takes it.
    this.#waitsForTail = length === undefined || asked.te !== undefined;
  }

  /** Gives the head to node; `whole`: and nothing follows it. Returns whether what follows can be sent. */
  #flow(whole: boolean): boolean {
    if (!this.#alive) return false;
    if (this.#flowing) return true;
    this.#flowing = true;
    const endStream = whole || this.#bodiless;
    if (endStream) this.#waitsForTail = false;
    const stream = this.#stream;
    if (this.#waitsForTail) stream.once('wantTrailers', () => this.#sendTail());
    try {
      stream.respond(this.#answer, { endStream, waitForTrailers: this.#waitsForTail });
    } catch {
      this.drop('invalid');
      stream.close(INTERNAL_ERROR);
      return false;
    }
    return true;
  }

  #setTail(tail: Tail): void {
    if (!this.#answer) this.#begin(200, BARE_HEADERS);
    try {
      this.#answerTail = endToEnd(tail);
      if (!this.#flowing) this.#waitsForTail = !this.#bodiless;
      else if (!this.#waitsForTail) throw new L7mpError('E_HANDSHAKE', 'the answer was not to have trailers');
    } catch {
      this.drop('invalid');
    }
  }

  #sendTail(): void {
    if (!this.#alive) return;
    try {
      this.#stream.sendTrailers(this.#answerTail ?? {});
    } catch {
      this.drop('invalid');
      this.#stream.close(INTERNAL_ERROR);
    }
    this.#waitsForTail = false;
    if (this.#givenUp) this.#giveUp();
  }

  #finish(): void {
    const stream = this.#stream;
    if (!this.#answer) this.#begin(200, {});
    if (this.#promised > 0 && this.#flowing) {
      // Less than the head has promised.
      stream.close(INTERNAL_ERROR);
      return;
    }
    if (this.#flow(!this.#waitsForTail || this.#answerTail === undefined) && !stream.writableEnded) stream.end();
  }

  /** When the answer is on its way. */
  #giveUp(): void {
    const stream = this.#stream;
    this.#givenUp = true;
    if (this.#requestOver || this.#waitsForTail) return;
    // Node sends trailers in a setImmediate of its own.
    if (stream.writableFinished) setImmediate(() => giveUp(stream));
    else stream.once('finish', () => giveUp(stream));
  }

  /** What was written still leaves, unless the reason is a reset; then the client sees that the answer is not whole. */
  #breakOff(reason: CloseReason): void {
    const stream = this.#stream;
    const code = codeForClient(reason);
    if (reason.kind === 'reset' || !this.#flow(false) || stream.writableLength === 0) {
      stream.close(code);
      return;
    }
    stream.write(Buffer.alloc(0), () => stream.close(code));
    leave(stream);
  }

  protected override answerError(status: number, content: string): void {
    this.#answer = {};
    this.#flowing = true;
    this.#left = true;
    answerStream(this.#stream, status, content);
  }

  #closed(): void {
    const { rstCode: code, writableFinished } = this.#stream;
    if (this.#call.connection.gone) {
      this.deliverClose({ kind: 'reset', message: 'the connection to the client is gone' });
    } else if (code === NO_ERROR && writableFinished && (this.#requestOver || this.#givenUp)) {
      this.deliverClose({ kind: 'end', message: 'the response is complete' });
    } else this.deliverClose(resetBy('client', code));
  }
}
