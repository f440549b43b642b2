import type { Channel, CloseReason } from '../../../core/channel.ts';
import { type ByteStream, streamOf } from '../../../core/channel-duplex.ts';
import { peerOf } from '../../../core/source.ts';
import { cutLater } from '../linger.ts';
import { beginsHttp2 } from './http2/preface.ts';
import type { Call } from './serve.ts';
import { GatedStream, SLICE } from './stream.ts';

/** A request and its response. */
export interface Exchange {
  /** Nothing of the answer was sent, and the request is still coming: an error in it can be told as its answer. */
  readonly answerable: boolean;
  /** Nobody takes the request's body now. */
  readonly held: boolean;
  /** The connection is gone, or of no use any more. */
  lost(reason: CloseReason): void;
  /** No other request will be taken on the connection. */
  last(): void;
}

/** In milliseconds; 0 is never. */
export interface RequestTimeouts {
  /** In which a request's head must be complete, from the connection's beginning or its own. */
  readonly header: number;
  /** That a request's body may be silent while it is asked for. */
  readonly body: number;
}

/** What a connection tells its server. */
export interface ConnectionHandlers {
  /** It begins as HTTP/2 does, or as anything else: HTTP/1.1, or nothing that is known. */
  begun(connection: Connection, http2: boolean): void;
  /** A request's turn has come. */
  call(call: Call): void;
  /** A head or a body did not come in time. */
  late(connection: Connection): void;
}

/**
 * A client's connection. Its requests are answered one after the other, as HTTP/1.1 means it: what is pipelined behind a
 * request is not read before that is over.
 */
export class Connection {
  readonly stream: GatedStream;
  /** What it stands on, which knows of the peer; its bytes are the stream's. */
  readonly lower: Channel;
  /** The IP address of the client, where it has one. */
  readonly address: string | undefined;
  /** The client is believed what it says of others (`forwarded`). */
  trusted = false;
  readonly #timeouts: () => RequestTimeouts;
  readonly #handlers: ConnectionHandlers;
  /** The request whose turn it is, and those that came in the same slice behind it. */
  #turn: Call | undefined;
  readonly #waiting: Call[] = [];
  #exchange: Exchange | undefined;
  /** Bytes of the request's body that are to come, at least, where its length is known. */
  #body = 0;
  #timer: NodeJS.Timeout | undefined;
  /** When something last came, on the clock of performance.now(). */
  #heard = 0;
  #closing = false;
  #broken = false;

  constructor(lower: Channel, timeouts: () => RequestTimeouts, handlers: ConnectionHandlers) {
    const socket = streamOf(lower);
    this.lower = lower;
    this.address = peerOf(lower)?.address;
    this.#timeouts = timeouts;
    this.#handlers = handlers;
    this.stream = new GatedStream(socket, {
      known: (first, all) => this.#known(first, all),
      room: () => this.#room,
      fed: (bytes) => this.#fed(bytes),
    });
    // Until node's server has its own.
    this.stream.on('error', () => {});
    // A client that ends its direction has gone: node's server takes it so, and that is how a killed client looks.
    socket.once('end', () => {
      if (this.#exchange) cutLater(socket);
      this.lost({ kind: 'reset', message: 'the client has closed the connection' });
    });
    socket.once('close', () => {
      clearTimeout(this.#timer);
      this.lost({ kind: 'reset', message: 'the connection to the client is gone' });
    });
    this.#arm(timeouts().header, () => handlers.late(this));
  }

  /** A request is not over. */
  get busy(): boolean {
    return this.#turn !== undefined;
  }

  /** Takes a request that was parsed: its turn comes when those before it are over. */
  take(call: Call): void {
    if (this.#turn) this.#waiting.push(call);
    else this.#begin(call);
  }

  /** The request whose turn it is has become a session. */
  add(exchange: Exchange): void {
    this.#exchange = exchange;
  }

  remove(exchange: Exchange): void {
    if (this.#exchange === exchange) this.#exchange = undefined;
  }

  /** The body of the request is asked for again. */
  resume(): void {
    this.#heard = performance.now();
    this.stream.feed();
  }

  /** Takes no more requests: closes when the one whose turn it is has been answered. */
  close(): void {
    this.#closing = true;
    if (this.#turn) this.#exchange?.last();
    else this.stream.destroySoon();
  }

  /** Closes it at once. */
  cut(): void {
    this.stream.destroy();
  }

  lost(reason: CloseReason): void {
    const exchange = this.#exchange;
    this.#exchange = undefined;
    exchange?.lost(reason);
  }

  /** The socket becomes somebody else's; `rest` came behind the request's head. */
  detach(rest: Buffer): ByteStream {
    clearTimeout(this.#timer);
    return this.stream.detach(rest);
  }

  /** As `detach`, while node's server has a request of it, which gets no answer of node's. */
  leave(): ByteStream {
    const socket = this.detach(Buffer.alloc(0));
    this.stream.destroy();
    return socket;
  }

  /**
   * Something came that is no HTTP, or nothing did. Returns whether that can be told; where it cannot, because it would
   * be taken for the answer of another request, the connection is cut. Undefined where it was said before.
   */
  breakOff(why: string): boolean | undefined {
    if (this.#broken) return undefined;
    this.#broken = true;
    const told = this.#exchange ? this.#exchange.answerable && this.#waiting.length === 0 : !this.#turn;
    this.lost({ kind: told ? 'error' : 'reset', message: why });
    return told;
  }

  /** What is wrong was said, as the answer to a request: it is the last one, whatever else comes. */
  condemn(): void {
    this.#broken = true;
    this.#closing = true;
  }

  // ------------------------------------------------------------------ own

  #known(first: Buffer, all: boolean): boolean {
    const http2 = beginsHttp2(first) ?? (all ? false : undefined);
    if (http2 !== undefined) this.#handlers.begun(this, http2);
    return http2 !== undefined;
  }

  #begin(call: Call): void {
    const { req, res, last } = call;
    this.#turn = call;
    this.#body = Number(req.headers['content-length'] ?? 0);
    if (last) this.#closing = true;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const over = () => this.#over(call);
    res.once('finish', over);
    req.once('end', over).once('close', over);
    this.#handlers.call(call);
  }

  /** A request may go on after its response: only the end of both is the end of its turn. */
  #over(call: Call): void {
    if (this.#turn !== call || !call.req.complete || !call.res.writableFinished) return;
    this.#turn = undefined;
    this.#body = 0;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    // What the exchange may have set; where there is no next request, node has set its own.
    if (this.#waiting.length > 0) this.stream.setTimeout(0);
    if (this.#closing) {
      this.stream.destroySoon();
      return;
    }
    // Node does what is left to do for the answer that has finished before the next request begins.
    process.nextTick(() => this.#next());
  }

  #next(): void {
    if (this.#turn || this.stream.destroyed) return;
    const call = this.#waiting.shift();
    if (call) this.#begin(call);
    this.stream.feed();
  }

  /** Bytes that may be parsed at once: what is certainly body cannot hold a head. */
  get #room(): number {
    return this.#open ? Math.max(SLICE, this.#body) : 0;
  }

  /** Whether what comes is parsed: the body of the request whose turn it is, or the head of the next one. */
  get #open(): boolean {
    if (!this.#turn) return !this.#closing;
    return this.#waiting.length === 0 && !this.#turn.req.complete && !this.#exchange?.held;
  }

  #fed(bytes: number): void {
    this.#body -= bytes;
    this.#heard = performance.now();
    if (this.#timer || this.#broken) return;
    if (!this.#turn) this.#arm(this.#timeouts().header, () => this.#handlers.late(this));
    else if (!this.#turn.req.complete) this.#arm(this.#timeouts().body, this.#listen);
  }

  #listen = (): void => {
    const { body } = this.#timeouts();
    this.#timer = undefined;
    const silent = this.#open ? performance.now() - this.#heard : 0;
    if (body > 0 && silent >= body) this.#handlers.late(this);
    else this.#arm(body - silent, this.#listen);
  };

  #arm(time: number, expired: () => void): void {
    if (time === 0) return;
    this.#timer = setTimeout(expired, time).unref();
  }
}
