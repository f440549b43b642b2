import type { ClientOptions, WebSocket } from 'ws';
import {
  BINARY,
  Channel,
  type CloseReason,
  type MessageAttributes,
  type QueueLimits,
  TEXT,
} from '../../core/channel.ts';
import type { ByteStream } from '../../core/channel-duplex.ts';
import type { L7mpError } from '../../core/errors.ts';
import type { GatheringLimit, Holder } from '../../core/gathering.ts';
import { closeCode, closeReason, closeText, TRY_AGAIN_LATER } from './codes.ts';

/** The largest message where the specification does not say, in bytes. */
export const LISTENER_MESSAGE_SIZE = 16 << 20;
/** Twice as much: what a listener takes can be passed on when JSONEncap has made a third more of it (base64). */
export const CLUSTER_MESSAGE_SIZE = 32 << 20;

/** Milliseconds after which a peer that does not answer a close frame, or keeps its end open, is cut off. */
const CLOSE_TIMEOUT = 10_000;

/** A message may come in fragments of this size, in bytes, and in as many smaller ones beside. */
const FRAGMENT = 4096;
const SMALL_FRAGMENTS = 1024;

/** What ws keeps for a fragment beside its bytes, and the least that a fragment has of those with its head. */
const FRAGMENT_COST = 256;
const LEAST_FRAGMENT = 7;

/** Bytes of an unfinished message that are not looked at: nearly all messages are smaller. */
const UNNOTICED = 64 << 10;

const AS_BINARY = { binary: true };
const AS_TEXT = { binary: false };

/** What the sessions of one listener or cluster have in common. */
export interface WebSocketOptions {
  /** Bytes. */
  readonly maxMessage: number;
  readonly gathering: GatheringLimit;
  /** Milliseconds between pings; 0 for none. */
  readonly pingInterval: () => number;
}

/**
 * What is asked of ws on either side. Compression is left to the two ends: a proxy would do it twice. Pings are answered
 * by the channel, which knows whether the peer reads.
 */
export function wsOptions({ maxMessage }: WebSocketOptions): ClientOptions {
  // Not at the return: the types of ws do not know all of these yet.
  const options = {
    perMessageDeflate: false,
    autoPong: false,
    closeTimeout: CLOSE_TIMEOUT,
    maxPayload: maxMessage,
    maxFragments: mostFragments(maxMessage),
  };
  return options;
}

function mostFragments(maxMessage: number): number {
  return Math.ceil(maxMessage / FRAGMENT) + SMALL_FRAGMENTS;
}

/** One end of a WebSocket (RFC 6455), whose frames are ws's. It has none until its handshake is over. */
export class WebSocketChannel extends Channel implements Holder {
  readonly kind = 'datagram';
  readonly #options: WebSocketOptions;
  #ws: WebSocket | undefined;
  #socket: ByteStream | undefined;
  #corked = false;
  #pinging: NodeJS.Timeout | undefined;
  /** Bytes that have come, at the latest ping of ours, and with the latest whole message. */
  #received = 0;
  #heard = -1;
  #whole = 0;
  #holding = false;
  /** Our side has ended the connection. */
  #ending = false;

  constructor(options: WebSocketOptions, limits: QueueLimits) {
    super(limits);
    this.#options = options;
  }

  override get maxMessage(): number {
    return this.#options.maxMessage;
  }

  /** What must be kept is copied here, into node's pool, where the frames' heads lie too. */
  protected override get retains(): boolean {
    return false;
  }

  /** The handshake is over. `socket`: what `ws` stands on. */
  protected attach(ws: WebSocket, socket: ByteStream): void {
    this.#ws = ws;
    this.#socket = socket;
    // Before ws has its look at them.
    socket.prependListener('data', this.#count);
    socket.once('finish', this.#finished);
    ws.on('message', (data: Buffer, isBinary) => this.#message(data, isBinary));
    ws.on('ping', (data: Buffer) => this.#pinged(data));
    ws.on('error', ({ message }) => this.#failed(message));
    ws.on('close', (code, text) => this.#closed(closeReason(code, text.toString())));
    const pingInterval = this.#options.pingInterval();
    if (pingInterval > 0) this.#pinging = setInterval(this.#ping, pingInterval);
    if (this.held) ws.pause();
  }

  override refuse(error: L7mpError): void {
    const refused = error.code === 'E_NO_ROUTE' || error.code === 'E_LIMIT';
    this.close({ kind: refused ? 'refused' : 'error', message: error.message });
  }

  // ------------------------------------------------------------------ the transport

  protected override send(bytes: Uint8Array, attributes: MessageAttributes, owned: boolean): boolean {
    const ws = this.#ws;
    if (!ws || ws.readyState !== ws.OPEN) {
      this.drop('closed');
      return true;
    }
    this.#cork();
    ws.send(owned ? bytes : Buffer.from(bytes), attributes.text ? AS_TEXT : AS_BINARY, this.#sent);
    if (ws.bufferedAmount < this.limits.bytes) return true;
    this.#uncork();
    return ws.bufferedAmount < this.limits.bytes;
  }

  // There is no half-close: a close frame ends both directions (section 7.1.2).
  protected override sendEnd(): void {}

  protected override shut(reason: CloseReason): void {
    this.#ending = true;
    this.#over();
    // The answer to the close frame comes behind whatever was held back.
    this.#ws?.resume();
    this.#ws?.close(closeCode(reason), closeText(reason));
  }

  protected override holdSource(): void {
    this.#ws?.pause();
  }

  protected override releaseSource(): void {
    this.#ws?.resume();
  }

  // ------------------------------------------------------------------ what comes

  #message(data: Buffer, isBinary: boolean): void {
    this.#whole = this.#received;
    if (this.#holding) this.#releaseHeld();
    this.deliver(data, isBinary ? BINARY : TEXT);
  }

  // Only the latest has to be answered (section 5.5.3): a peer that asks and does not read costs nothing.
  #pinged(data: Buffer): void {
    this.owner?.active?.(this);
    const ws = this.#ws as WebSocket;
    if (ws.readyState === ws.OPEN && ws.bufferedAmount < this.limits.bytes) ws.pong(data);
  }

  /** ws tells the peer why, and waits for it to go. */
  #failed(message: string): void {
    this.#ending = true;
    this.#closed({ kind: 'error', message });
  }

  #closed(reason: CloseReason): void {
    this.#over();
    this.deliverClose(reason);
  }

  #over(): void {
    clearInterval(this.#pinging);
    this.#releaseHeld();
  }

  /**
   * The peer has closed, and ws has answered and ended our side. The peer sends nothing behind its close frame, so that
   * what was written still arrives when the socket goes: the close is passed on at once, however long the peer keeps its
   * side of the TCP connection open.
   */
  #finished = (): void => {
    if (!this.#ending) this.#socket?.destroy();
  };

  // ------------------------------------------------------------------ what is not whole

  #count = (bytes: Buffer): void => {
    this.#received += bytes.length;
    const pending = this.#received - this.#whole;
    if (pending <= UNNOTICED || this.#ending) return;
    this.#holding = true;
    if (!this.#options.gathering.hold(this, pending + this.#overhead(pending))) this.giveWay();
  };

  /** What ws may need beside the bytes, were they fragments that are as small as can be. */
  #overhead(pending: number): number {
    return FRAGMENT_COST * Math.min(mostFragments(this.maxMessage), pending / LEAST_FRAGMENT);
  }

  /** For the bound of all to call. */
  giveWay(): void {
    const message = 'too much is held of messages that are not whole';
    this.#failed(message);
    this.#ws?.close(TRY_AGAIN_LATER, message);
  }

  #releaseHeld(): void {
    this.#holding = false;
    this.#options.gathering.release(this);
  }

  // ------------------------------------------------------------------ what goes

  /** Frames of one turn of the loop leave with one call. */
  #cork(): void {
    if (this.#corked) return;
    this.#corked = true;
    this.#socket?.cork();
    setImmediate(this.#uncork);
  }

  #uncork = (): void => {
    if (!this.#corked) return;
    this.#corked = false;
    this.#socket?.uncork();
  };

  #sent = (error?: Error): void => {
    if (error) this.drop('send-error');
    else if (this.full && (this.#ws?.bufferedAmount ?? 0) <= this.limits.bytes / 2) this.drained();
  };

  // What is held back is not read, so that a pong may lie behind it.
  #ping = (): void => {
    const ws = this.#ws as WebSocket;
    if (this.#received === this.#heard && !this.held) {
      ws.terminate();
      this.#closed({ kind: 'reset', message: 'no answer to a ping' });
      return;
    }
    this.#heard = this.#received;
    if (ws.readyState === ws.OPEN && ws.bufferedAmount < this.limits.bytes) ws.ping();
  };
}
