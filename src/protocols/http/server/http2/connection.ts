import type { IncomingHttpHeaders, ServerHttp2Session, ServerHttp2Stream } from 'node:http2';
import type { Channel } from '../../../../core/channel.ts';
import type { ByteStream } from '../../../../core/channel-duplex.ts';
import { wholeNow } from '../../../../core/clock.ts';
import { ENHANCE_YOUR_CALM, NO_ERROR } from '../../codes.ts';
import { distrust } from '../../forwarded.ts';
import { http2 } from '../../http2-module.ts';
import { cutLater } from '../../linger.ts';
import type { RequestHead } from '../../metadata.ts';
import type { RequestTimeouts } from '../connection.ts';
import { answerStream } from './answer.ts';
import { headOf, type Wrong, wrongIn } from './head.ts';
import { CONNECTION_WINDOW, RESETS, SESSION_OPTIONS } from './limits.ts';

/** A request on HTTP/2, and where its answer goes. */
export interface StreamCall {
  readonly stream: ServerHttp2Stream;
  readonly head: RequestHead;
  readonly connection: Http2Connection;
}

/** A request that was taken. */
export interface Awaited {
  /** More of it is to come, and is asked for, and nothing was answered. */
  readonly awaited: boolean;
  /** When something last came of it, on the clock of performance.now(). */
  readonly heard: number;
  /** It did not come in time. */
  late(why: string): void;
}

/** What a connection tells its server. */
export interface Http2Handlers {
  /** A request has come; what takes it is told of its time. */
  stream(call: StreamCall): Awaited | undefined;
  /** A request was answered as wrong. */
  wrong(): void;
  /** A request did not come in time. */
  late(): void;
}

/** A connection, with what it stands on, and the IP address of the client, where it has one. */
export interface Begun {
  readonly lower: Channel;
  readonly address: string | undefined;
  readonly socket: ByteStream;
  /** The client is believed what it says of others. */
  readonly trusted: boolean;
}

const LATE = 'the request did not come in time';

/** A client's connection that speaks HTTP/2: its streams are requests that do not wait for one another. */
export class Http2Connection {
  readonly lower: Channel;
  readonly address: string | undefined;
  readonly #trusted: boolean;
  readonly #socket: ByteStream;
  readonly #session: ServerHttp2Session;
  readonly #timeouts: () => RequestTimeouts;
  readonly #handlers: Http2Handlers;
  #streams = 0;
  /** Requests that may have to be told that they are late. */
  readonly #awaited = new Set<Awaited>();
  /** Since when it has no stream, on the clock of performance.now(). */
  #idleSince = wholeNow();
  #idleTimer: NodeJS.Timeout | undefined;
  #bodyTimer: NodeJS.Timeout | undefined;
  #closing = false;
  /** Streams that were taken back, less those that are forgiven, and when it was last counted. */
  #resets = 0;
  #resetAt = 0;

  /** What has come of the preface is there to be read. */
  constructor({ lower, address, socket, trusted }: Begun, timeouts: () => RequestTimeouts, handlers: Http2Handlers) {
    this.lower = lower;
    this.address = address;
    this.#trusted = trusted;
    this.#socket = socket;
    this.#timeouts = timeouts;
    this.#handlers = handlers;
    socket.on('error', () => {});
    const session = http2().performServerHandshake(socket, SESSION_OPTIONS);
    this.#session = session;
    session.setLocalWindowSize(CONNECTION_WINDOW);
    // What is wrong with the connection is told to each of its streams.
    session.on('error', () => {});
    session.on('stream', (stream, headers, _flags, list) => this.#take(stream, headers, list as unknown as string[]));
    // A client that ends its direction can send no more, not even that a window is open again.
    socket.once('end', () => this.cut());
    socket.once('close', () => this.#gone());
    this.#armIdle(this.#timeouts().header);
  }

  /** A stream is open. */
  get busy(): boolean {
    return this.#streams > 0;
  }

  /** Nothing can be sent on it any more. */
  get gone(): boolean {
    return this.#session.destroyed;
  }

  /** Takes no more streams (GOAWAY), and closes when those that are open are over. */
  close(): void {
    if (this.#closing) return;
    this.#closing = true;
    this.#session.close();
    if (!this.busy) cutLater(this.#socket);
  }

  /** Closes it at once. */
  cut(): void {
    this.#session.destroy();
    cutLater(this.#socket);
  }

  /** Refuses it, with the code. */
  refuse(code: number): void {
    this.#closing = true;
    this.#session.goaway(code);
    this.#session.close();
    cutLater(this.#socket);
  }

  // ------------------------------------------------------------------ own

  #take(stream: ServerHttp2Stream, given: IncomingHttpHeaders, list: readonly string[]): void {
    stream.on('error', () => {});
    // Taken back before anybody has looked at it.
    if (stream.closed || stream.destroyed) {
      this.#takenBack();
      return;
    }
    this.#streams++;
    stream.once('close', () => {
      if (stream.rstCode !== NO_ERROR && !stream.headersSent) this.#takenBack();
    });
    const wrong = wrongIn(given, list);
    if (wrong) {
      stream.once('close', () => this.#over(undefined));
      this.#refuseStream(stream, wrong);
      return;
    }
    const head = headOf(given);
    if (!this.#trusted) distrust(head.headers);
    const awaited = this.#handlers.stream({ stream, head, connection: this });
    stream.once('close', () => this.#over(awaited));
    if (!awaited || stream.endAfterHeaders) return;
    this.#awaited.add(awaited);
    if (!this.#bodyTimer) this.#armBody(this.#timeouts().body);
  }

  /** Older versions of nghttp2 do not count, or do not close. */
  #takenBack(): void {
    const now = wholeNow();
    this.#resets = Math.max(0, this.#resets - ((now - this.#resetAt) / 1000) * RESETS.rate) + 1;
    this.#resetAt = now;
    if (this.#resets <= RESETS.burst || this.gone) return;
    this.#handlers.wrong();
    this.#session.destroy(new Error('too many requests were taken back'), ENHANCE_YOUR_CALM);
    cutLater(this.#socket);
  }

  #refuseStream(stream: ServerHttp2Stream, { status, why }: Wrong): void {
    this.#handlers.wrong();
    answerStream(stream, status, why);
  }

  #over(awaited: Awaited | undefined): void {
    if (awaited) this.#awaited.delete(awaited);
    this.#streams--;
    if (this.busy) return;
    this.#idleSince = wholeNow();
    if (this.#closing) cutLater(this.#socket);
  }

  #gone(): void {
    clearTimeout(this.#idleTimer);
    clearTimeout(this.#bodyTimer);
    this.#session.destroy();
  }

  #armIdle(time: number): void {
    if (time > 0) this.#idleTimer = setTimeout(this.#lookIdle, time).unref();
  }

  #lookIdle = (): void => {
    const { header } = this.#timeouts();
    // Node waits for ever until what it has said of an error is taken.
    if (this.gone) {
      this.#socket.destroy();
      return;
    }
    const left = this.busy ? header : this.#idleSince + header - wholeNow();
    if (left > 0 || header === 0) this.#armIdle(left);
    else this.close();
  };

  #armBody(time: number): void {
    if (time > 0) this.#bodyTimer = setTimeout(this.#lookAwaited, time).unref();
  }

  // The time may be set and taken away while the connection lives.
  #lookAwaited = (): void => {
    const { body } = this.#timeouts();
    const now = wholeNow();
    let next = body;
    this.#bodyTimer = undefined;
    for (const request of this.#awaited) {
      if (!request.awaited) continue;
      const left = request.heard + body - now;
      if (left > 0 || body === 0) {
        next = Math.min(next, left);
        continue;
      }
      this.#handlers.late();
      request.late(LATE);
    }
    if (this.#awaited.size > 0) this.#armBody(next);
  };
}
