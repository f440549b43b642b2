import type { Duplex } from 'node:stream';
import type { WebSocket } from 'ws';
import {
  BINARY,
  Channel,
  type CloseReason,
  type MessageAttributes,
  type QueueLimits,
  TEXT,
} from '../../core/channel.ts';
import type { L7mpError } from '../../core/errors.ts';
import { closeCode, closeReason, closeText } from './codes.ts';

/** The largest message where the specification does not say, in bytes. */
export const LISTENER_MESSAGE_SIZE = 16 << 20;
/** Twice as much: what a listener takes can be passed on when JSONEncap has made a third more of it (base64). */
export const CLUSTER_MESSAGE_SIZE = 32 << 20;

/**
 * What is asked of ws on either side. `closeTimeout`: milliseconds after which a peer that does not answer a close
 * frame is cut off. Compression is left to the two ends: a proxy would do it twice.
 */
export const WS_OPTIONS = { perMessageDeflate: false, closeTimeout: 10_000 };

const AS_BINARY = { binary: true };
const AS_TEXT = { binary: false };

/** One end of a WebSocket (RFC 6455). It has none until its handshake is over. */
export class WebSocketChannel extends Channel {
  readonly kind = 'datagram';
  readonly #maxMessage: number;
  #ws: WebSocket | undefined;
  #socket: Duplex | undefined;
  #gathering = false;

  constructor(limits: QueueLimits, maxMessage: number) {
    super(limits);
    this.#maxMessage = maxMessage;
  }

  override get maxMessage(): number {
    return this.#maxMessage;
  }

  /** What must be kept is copied here, into node's pool, where the frames' heads lie too. */
  protected override get retains(): boolean {
    return false;
  }

  protected get established(): boolean {
    return this.#ws !== undefined;
  }

  /** `socket`: what `ws` writes to. */
  protected attach(ws: WebSocket, socket: Duplex): void {
    this.#ws = ws;
    this.#socket = socket;
    ws.on('message', (data: Buffer, isBinary) => this.deliver(data, isBinary ? BINARY : TEXT));
    ws.on('error', ({ message }) => this.deliverClose({ kind: 'error', message }));
    ws.on('close', (code, text) => this.deliverClose(closeReason(code, text.toString())));
    if (this.held) ws.pause();
  }

  override refuse(error: L7mpError): void {
    const refused = error.code === 'E_NO_ROUTE' || error.code === 'E_LIMIT';
    this.close({ kind: refused ? 'refused' : 'error', message: error.message });
  }

  protected override send(bytes: Uint8Array, attributes: MessageAttributes, owned: boolean): boolean {
    const ws = this.#ws;
    if (!ws) {
      this.drop('closed');
      return true;
    }
    this.#gather();
    ws.send(owned ? bytes : Buffer.from(bytes), attributes.text ? AS_TEXT : AS_BINARY, this.#sent);
    if (ws.bufferedAmount < this.limits.bytes) return true;
    this.#socket?.uncork();
    this.#socket?.cork();
    return ws.bufferedAmount < this.limits.bytes;
  }

  /** Frames of one turn of the loop leave with one call. */
  #gather(): void {
    if (this.#gathering) return;
    this.#gathering = true;
    this.#socket?.cork();
    setImmediate(this.#release);
  }

  #release = (): void => {
    this.#gathering = false;
    this.#socket?.uncork();
  };

  // There is no half-close: a close frame ends both directions (RFC 6455 section 7.1.2).
  protected override sendEnd(): void {}

  protected override shut(reason: CloseReason): void {
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

  #sent = (error?: Error): void => {
    if (error) this.drop('send-error');
    else if (this.full && (this.#ws?.bufferedAmount ?? 0) <= this.limits.bytes / 2) this.drained();
  };
}
