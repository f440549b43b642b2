/** A connection to an upstream on which HTTP/2 is spoken (RFC 9113): many requests at a time. */
import type {
  ClientHttp2Session,
  ClientHttp2Stream,
  ClientSessionOptions,
  IncomingHttpHeaders,
  IncomingHttpStatusHeader,
  Settings,
} from 'node:http2';
import { onAbort } from '../../../core/attempt.ts';
import type { Channel, CloseReason, Headers, Tail } from '../../../core/channel.ts';
import { type ByteStream, streamOf } from '../../../core/channel-duplex.ts';
import { L7mpError, WRONG_PEER } from '../../../core/errors.ts';
import type { Attempt } from '../../../core/protocol.ts';
import { describeError } from '../../../io/connect-error.ts';
import { CANCEL, codeForServer, REFUSED_STREAM, type Reset, resetBy } from '../codes.ts';
import { plainHeaders } from '../headers.ts';
import { http2 } from '../http2-module.ts';
import { cutLater, LINGER } from '../linger.ts';
import type { AnswerReader, ConnectionOwner, RequestHead, UpstreamConnection, UpstreamExchange } from './upstream.ts';

/** Requests at a time, where the upstream would take more: they share one connection's fate, and its order. */
const MAX_STREAMS = 1000;

/** Bytes of an answer that may wait here because the client is slow; and what may be on its way on the connection. */
const STREAM_WINDOW = 256 << 10;
const CONNECTION_WINDOW = 1 << 20;

/** Numbers of streams are never used again: near the last one (2^31 - 1) the connection is given up. */
const LAST_STREAM = 2 ** 31 - 2 * MAX_STREAMS;

/** Why an answer is not whole that the upstream has not reset. */
const LOST: Reset = { kind: 'reset', message: 'the connection was closed before the answer was complete' };

const OPTIONS: ClientSessionOptions = {
  // In MB; node would fail requests beyond it.
  maxSessionMemory: 64,
  maxHeaderListPairs: 2048,
  settings: { enablePush: false, initialWindowSize: STREAM_WINDOW, maxHeaderListSize: 64 << 10 },
};

/**
 * Begins HTTP/2 on a connection. Rejects with E_HANDSHAKE where the other side does not, E_TIMEOUT where the attempt is over
 * before it has; nothing is left behind then. `interval`: milliseconds of silence after which it is asked whether it lives, at
 * the moment; 0 is never.
 */
export async function beginHttp2(
  lower: Channel,
  owner: ConnectionOwner,
  { address, signal }: Attempt,
  interval: () => number,
): Promise<Http2Connection> {
  const socket = streamOf(lower);
  const session = http2().connect('http://endpoint', { ...OPTIONS, createConnection: () => socket });
  return new Promise((resolve, reject) => {
    const fail = (error: L7mpError): void => {
      stopWaiting();
      session.destroy();
      socket.destroy();
      reject(error);
    };
    const broken = (error?: Error): void => {
      const why = error ? describeError(error) : 'the connection was closed';
      fail(new L7mpError('E_HANDSHAKE', `${address}: does not speak HTTP/2: ${why}`, { cause: { code: WRONG_PEER } }));
    };
    const closed = (): void => broken();
    const stopWaiting = onAbort(signal, () => fail(new L7mpError('E_TIMEOUT', `${address}: no HTTP/2 in time`)));
    session.on('error', broken).once('close', closed);
    socket.once('end', closed);
    session.once('remoteSettings', () => {
      stopWaiting();
      session.off('error', broken).off('close', closed);
      socket.off('end', closed);
      resolve(new Http2Connection(session, socket, owner, interval));
    });
    if (signal.aborted) fail(new L7mpError('E_TIMEOUT', `${address}: no HTTP/2 in time`));
  });
}

/** A connection of HTTP/2. */
export class Http2Connection implements UpstreamConnection {
  used = false;
  /** Up to which of its streams the upstream may have acted, once it has said so. */
  lastSeen = Number.POSITIVE_INFINITY;
  /** Answers that have begun. */
  answers = 0;
  readonly #session: ClientHttp2Session;
  readonly #socket: ByteStream;
  readonly #owner: ConnectionOwner;
  readonly #interval: () => number;
  readonly #exchanges = new Set<Http2Exchange>();
  #most: number;
  /** It has refused one while it carries others: it takes no more until one of those is over. */
  #full = false;
  #closing = false;
  #pings: NodeJS.Timeout | undefined;
  #unanswered = false;

  constructor(session: ClientHttp2Session, socket: ByteStream, owner: ConnectionOwner, interval: () => number) {
    this.#session = session;
    this.#socket = socket;
    this.#owner = owner;
    this.#interval = interval;
    this.#most = mostOf(session.remoteSettings);
    session.setLocalWindowSize(CONNECTION_WINDOW);
    session.on('remoteSettings', (settings) => this.#agree(settings));
    // What happens to it is told to each of its streams.
    session.on('error', () => {});
    session.on('goaway', (_code, last) => {
      this.lastSeen = last;
      this.close();
    });
    session.once('close', () => this.#gone());
    socket.prependListener('close', () => this.#salvage());
    // An upstream that ends its direction can answer no more.
    socket.once('end', () => {
      this.#salvage();
      session.destroy();
    });
  }

  get room(): number {
    return this.#closing || this.#full || this.gone ? 0 : Math.max(0, this.#most - this.busy);
  }

  get busy(): number {
    return this.#exchanges.size;
  }

  get gone(): boolean {
    return this.#session.destroyed;
  }

  request(head: RequestHead, bodiless: boolean, reader: AnswerReader): UpstreamExchange {
    const { method, target, scheme, authority, headers } = head;
    const pseudo = { ':method': method, ':path': target, ':scheme': scheme, ':authority': authority };
    const waitForTrailers = !bodiless && headers['content-length'] === undefined;
    let stream: ClientHttp2Stream;
    try {
      // We take trailers, whoever asks (RFC 9110 section 10.1.4): servers of gRPC insist.
      const all = { ...pseudo, ...headers, te: 'trailers' };
      stream = this.#session.request(all, { endStream: bodiless, waitForTrailers });
    } catch (error) {
      throw new L7mpError('E_HANDSHAKE', 'the head of the request cannot be sent by HTTP/2', { cause: error });
    }
    const exchange = new Http2Exchange(this, stream, reader);
    this.#exchanges.add(exchange);
    this.used = true;
    stream.once('close', () => this.#over(exchange, stream.rstCode === REFUSED_STREAM));
    if ((stream.id ?? 0) > LAST_STREAM) this.close();
    if (!this.#pings) this.#watch();
    return exchange;
  }

  /** A request was refused, which is still counted. */
  refused(): void {
    this.#full = this.busy > 1;
  }

  close(): void {
    if (this.#closing) return;
    this.#closing = true;
    if (this.busy > 0) this.#session.close();
    else this.#leave();
  }

  #agree(settings: Settings): void {
    const before = this.room;
    this.#most = mostOf(settings);
    if (before === 0 && this.room > 0) this.#owner.free(this);
  }

  #over(exchange: Http2Exchange, refused: boolean): void {
    this.#exchanges.delete(exchange);
    if (!refused || this.busy === 0) this.#full = false;
    if (this.room > 0) this.#owner.free(this);
    else if ((this.#closing || this.gone) && this.busy === 0) this.#leave();
  }

  #leave(): void {
    this.#session.destroy();
    this.#socket.destroySoon();
    cutLater(this.#socket);
  }

  #gone(): void {
    this.#closing = true;
    clearTimeout(this.#pings);
    this.#socket.destroy();
    this.#owner.gone(this);
  }

  /** Node would throw away what has come and is held. */
  #salvage(): void {
    for (const exchange of this.#exchanges) exchange.salvage();
  }

  // -------------------------------------------------------------------- whether it lives

  #watch(): void {
    const interval = this.#interval();
    if (interval > 0) this.#pings = setTimeout(this.#look, interval).unref();
  }

  /** Asked while somebody waits for an answer: one that does not answer until it is asked again is given up. */
  #look = (): void => {
    this.#pings = undefined;
    if (this.gone || this.busy === 0) return;
    if (this.#unanswered) {
      this.#session.destroy(new Error('the upstream does not answer'));
      return;
    }
    this.#unanswered = true;
    this.#session.ping(() => {
      this.#unanswered = false;
    });
    this.#watch();
  };
}

function mostOf({ maxConcurrentStreams = MAX_STREAMS }: Settings): number {
  return Math.min(maxConcurrentStreams, MAX_STREAMS);
}

class Http2Exchange implements UpstreamExchange {
  readonly #connection: Http2Connection;
  readonly #stream: ClientHttp2Stream;
  #reader: AnswerReader | undefined;
  /** Answers of the connection that had begun when it was sent. */
  readonly #before: number;
  #answered = false;
  #held = false;
  /** Bytes of the answer that its head has promised and that have not come. */
  #missing = 0;
  #over = false;
  #trailers: Tail | undefined;
  /** Those of the request. */
  #tail: Tail = {};

  constructor(connection: Http2Connection, stream: ClientHttp2Stream, reader: AnswerReader) {
    this.#connection = connection;
    this.#stream = stream;
    this.#reader = reader;
    this.#before = connection.answers;
    stream.on('headers', ({ ':status': status, ...headers }) => this.#informed(Number(status), headers));
    stream.once('response', (headers, flags) => this.#begin(headers, (flags & END_STREAM) !== 0));
    stream.once('trailers', (headers) => {
      this.#trailers = plainHeaders(headers);
    });
    stream.on('wantTrailers', () => this.#sendTail());
    stream.on('drain', () => this.#reader?.drained());
    stream.on('error', () => {});
    stream.once('close', () => this.#closed());
  }

  write(bytes: Uint8Array): boolean {
    return this.#gone || this.#stream.write(bytes);
  }

  end(trailers?: Tail): void {
    if (trailers) this.#tail = trailers;
    if (!this.#gone) this.#stream.end();
  }

  hold(): void {
    this.#held = true;
    if (this.#answered) this.#stream.pause();
  }

  release(): void {
    this.#held = false;
    if (this.#answered) this.#stream.resume();
  }

  abort(reason?: CloseReason): void {
    this.#reader = undefined;
    if (!this.#whole) this.#stream.close(reason ? codeForServer(reason) : CANCEL);
  }

  breakOff(reason: CloseReason): void {
    const stream = this.#stream;
    this.#reader = undefined;
    if (this.#whole) return;
    const close = (): void => stream.close(codeForServer(reason));
    if (stream.writableLength === 0) close();
    else if (stream.writableEnded) stream.once('finish', close);
    else stream.write(Buffer.alloc(0), close);
    this.#bound();
  }

  forget(): void {
    this.#reader = undefined;
    if (this.#whole) return;
    this.release();
    this.#bound();
  }

  /** Both directions are over, or the stream is. */
  get #whole(): boolean {
    return this.#gone || (this.#over && this.#stream.writableEnded);
  }

  /** The upstream has so long to take the rest, or to give its own. */
  #bound(): void {
    const timer = setTimeout(() => this.#stream.close(CANCEL), LINGER).unref();
    this.#stream.once('close', () => clearTimeout(timer));
  }

  /** Hands out what has come of a whole answer that is held: the connection is about to go. */
  salvage(): void {
    const stream = this.#stream;
    if (!this.#answered || this.#over || !stream.closed || stream.rstCode !== 0) return;
    while (stream.read() !== null) {
      // It is told as data.
    }
    this.#ended();
  }

  get #gone(): boolean {
    return this.#stream.closed || this.#stream.destroyed;
  }

  #informed(status: number, headers: IncomingHttpHeaders): void {
    this.#reader?.informed(status, plainHeaders(headers));
  }

  // What comes behind the head waits until then: node tells of heads a tick later than of bodies.
  #begin({ ':status': status, ...headers }: IncomingHttpHeaders & IncomingHttpStatusHeader, whole: boolean): void {
    const stream = this.#stream;
    this.#answered = true;
    this.#connection.answers++;
    if (!whole) this.#missing = Number(headers['content-length'] ?? 0);
    this.#reader?.answered(Number(status), plainHeaders(headers) as Headers);
    stream.on('data', (bytes: Buffer) => {
      this.#missing -= bytes.length;
      this.#reader?.received(bytes);
    });
    if (whole) this.#ended();
    // Node ends what is cut off, too, when it has destroyed it; what is whole it destroys in a listener that may be there already.
    else stream.prependOnceListener('end', () => stream.destroyed || this.#ended());
    if (whole || !this.#held) stream.resume();
    else stream.pause();
  }

  #ended(): void {
    if (this.#over || this.#missing > 0) return;
    this.#over = true;
    const reader = this.#reader;
    if (this.#stream.writableEnded) this.#reader = undefined;
    reader?.ended(this.#trailers);
  }

  #sendTail(): void {
    if (this.#gone) return;
    try {
      this.#stream.sendTrailers(this.#tail);
    } catch {
      this.#stream.sendTrailers({});
    }
  }

  #closed(): void {
    const reader = this.#reader;
    this.#reader = undefined;
    if (!reader) return;
    const { rstCode: code = 0, id } = this.#stream;
    const { lastSeen, gone, answers } = this.#connection;
    const refused = code === REFUSED_STREAM;
    const behind = id !== undefined && id > lastSeen;
    // Without a number it has never left.
    const unseen = id === undefined || behind || refused;
    const progress = answers > this.#before || (behind && lastSeen > 0);
    if (refused && !behind) this.#connection.refused();
    const { kind, message, ...said } = gone || code === 0 ? LOST : resetBy('upstream', code);
    reader.failed({ kind, message, unanswered: !this.#answered, unseen, progress, code: said.code });
  }
}

/** RFC 9113 section 6.2. */
const END_STREAM = 1;
