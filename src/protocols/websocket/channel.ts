import type { Socket } from 'node:net';
import {
  BINARY,
  Channel,
  type CloseReason,
  type MessageAttributes,
  type QueueLimits,
  TEXT,
} from '../../core/channel.ts';
import type { L7mpError } from '../../core/errors.ts';
import type { GatheringLimit } from '../../core/gathering.ts';
import { cut } from '../../io/node/stream.ts';
import { closeCode, closeReason, closeText, NO_STATUS } from './codes.ts';
import { type FrameHandler, FrameMaker, FrameReader, Opcode } from './frames.ts';
import { Outgoing } from './wire.ts';

/** The largest message where the specification does not say, in bytes. */
export const LISTENER_MESSAGE_SIZE = 16 << 20;
/** Twice as much: what a listener takes can be passed on when JSONEncap has made a third more of it (base64). */
export const CLUSTER_MESSAGE_SIZE = 32 << 20;

/** Milliseconds after which a peer that does not answer a close frame, or keeps its end open, is cut off. */
const CLOSE_TIMEOUT = 10_000;

const NOTHING = new Uint8Array(0);

/** What the sessions of one listener or cluster have in common. */
export interface WebSocketOptions {
  /** Bytes. */
  readonly maxMessage: number;
  readonly gathering: GatheringLimit;
  /** Milliseconds between pings; 0 for none. */
  readonly pingInterval: () => number;
}

/**
 * One end of a WebSocket (RFC 6455). It has no socket until its handshake is over. Compression is left to the two ends:
 * a proxy would do it twice.
 */
export class WebSocketChannel extends Channel implements FrameHandler {
  readonly kind = 'datagram';
  readonly #client: boolean;
  readonly #options: WebSocketOptions;
  #socket: Socket | undefined;
  #reader: FrameReader | undefined;
  #outgoing: Outgoing | undefined;
  #pinging: NodeJS.Timeout | undefined;
  #cutting: NodeJS.Timeout | undefined;
  /** Bytes that had come at the latest ping of ours. */
  #heard = -1;
  #closeSent = false;

  /** `client`: this end has dialled, and masks what it sends (section 5.1). */
  constructor(client: boolean, options: WebSocketOptions, limits: QueueLimits) {
    super(limits);
    this.#client = client;
    this.#options = options;
  }

  override get maxMessage(): number {
    return this.#options.maxMessage;
  }

  /** What must be kept is copied where the frames are made. */
  protected override get retains(): boolean {
    return false;
  }

  /** The handshake is over. `early`: what came behind it. */
  protected attach(socket: Socket, early: Uint8Array): void {
    this.#socket = socket;
    this.#outgoing = new Outgoing(socket, new FrameMaker(this.#client), this.#moved);
    this.#reader = new FrameReader(this, !this.#client, this.#options);
    socket.on('data', (bytes: Buffer) => this.#received(bytes));
    socket.on('end', () => this.#peerEnded());
    socket.on('error', ({ message }) => this.#gone(message));
    socket.on('close', () => this.#gone('the connection was lost without a close frame'));
    const pingInterval = this.#options.pingInterval();
    if (pingInterval > 0) this.#pinging = setInterval(this.#ping, pingInterval);
    if (this.held) this.#reader.hold();
    if (early.length > 0) this.#reader.push(early);
    if (this.held || this.#reader.full) socket.pause();
    else socket.resume();
  }

  override refuse(error: L7mpError): void {
    const refused = error.code === 'E_NO_ROUTE' || error.code === 'E_LIMIT';
    this.close({ kind: refused ? 'refused' : 'error', message: error.message });
  }

  // ------------------------------------------------------------------ what the frames bring

  message(bytes: Uint8Array, text: boolean): void {
    this.deliver(bytes, text ? TEXT : BINARY);
  }

  // Only the latest has to be answered (section 5.5.3): a peer that asks and does not read costs nothing.
  ping(bytes: Uint8Array): void {
    this.owner?.active?.(this);
    const outgoing = this.#outgoing;
    if (!this.#closeSent && outgoing && outgoing.waiting < this.limits.bytes) {
      outgoing.write(Opcode.Pong, bytes, false);
    }
  }

  pong(): void {}

  // The close is passed on at once: a peer may keep its TCP connection open for as long as it likes.
  closed(code: number, text: string): void {
    this.#sendClose(code === NO_STATUS ? undefined : code, text);
    this.#hangUp();
    this.deliverClose(closeReason(code, text));
  }

  broken(code: number, why: string): void {
    this.#sendClose(code, why);
    this.#hangUp();
    this.deliverClose({ kind: 'error', message: why });
  }

  // ------------------------------------------------------------------ the transport

  protected override send(bytes: Uint8Array, attributes: MessageAttributes, owned: boolean): boolean {
    const outgoing = this.#outgoing;
    if (!outgoing || this.#closeSent) {
      this.drop('closed');
      return true;
    }
    outgoing.write(attributes.text ? Opcode.Text : Opcode.Binary, bytes, owned);
    if (outgoing.waiting < this.limits.bytes) return true;
    outgoing.flush();
    return outgoing.waiting < this.limits.bytes;
  }

  // There is no half-close: a close frame ends both directions (section 7.1.2).
  protected override sendEnd(): void {}

  protected override shut(reason: CloseReason): void {
    clearInterval(this.#pinging);
    if (!this.#socket) return;
    this.#sendClose(closeCode(reason), closeText(reason));
    this.#outgoing?.flush();
    // The answer to the close frame comes behind whatever was held back.
    this.#reader?.skip();
    this.#socket.resume();
    this.#cutLater();
  }

  protected override holdSource(): void {
    this.#reader?.hold();
    this.#socket?.pause();
  }

  protected override releaseSource(): void {
    const reader = this.#reader;
    if (!reader) return;
    reader.release();
    if (!reader.full && !this.held) this.#socket?.resume();
  }

  // ------------------------------------------------------------------ own

  #received(bytes: Uint8Array): void {
    const reader = this.#reader as FrameReader;
    reader.push(bytes);
    if (reader.full) this.#socket?.pause();
  }

  #peerEnded(): void {
    if (this.#closeSent) this.#outgoing?.end();
    else this.#gone('the connection was lost without a close frame');
  }

  #gone(message: string): void {
    clearInterval(this.#pinging);
    this.#reader?.end();
    this.#socket?.destroy();
    this.deliverClose({ kind: 'reset', message });
  }

  #sendClose(code: number | undefined, text: string): void {
    if (this.#closeSent) return;
    this.#closeSent = true;
    this.#outgoing?.write(Opcode.Close, code === undefined ? NOTHING : closePayload(code, text), true);
  }

  /** Nothing more is to come: the connection ends behind what was written. */
  #hangUp(): void {
    clearInterval(this.#pinging);
    // The server closes the connection first (section 7.1.1); a client waits for that.
    if (this.#client) this.#outgoing?.flush();
    else this.#outgoing?.end();
    this.#socket?.resume();
    this.#cutLater();
  }

  #cutLater(): void {
    const socket = this.#socket as Socket;
    if (this.#cutting || socket.destroyed) return;
    this.#cutting = setTimeout(() => cut(socket), CLOSE_TIMEOUT).unref();
    socket.once('close', () => clearTimeout(this.#cutting));
  }

  // What is held back is not read, so that a pong may lie behind it.
  #ping = (): void => {
    const { bytesRead = 0 } = this.#socket ?? {};
    if (bytesRead === this.#heard && !this.held) {
      this.#gone('no answer to a ping');
      return;
    }
    this.#heard = bytesRead;
    if (this.#outgoing && this.#outgoing.waiting < this.limits.bytes) this.#outgoing.write(Opcode.Ping, NOTHING, true);
  };

  #moved = (): void => {
    if (this.full && (this.#outgoing?.waiting ?? 0) <= this.limits.bytes / 2) this.drained();
  };
}

function closePayload(code: number, text: string): Uint8Array {
  const bytes = Buffer.from(`\0\0${text}`);
  bytes.writeUInt16BE(code);
  return bytes;
}
