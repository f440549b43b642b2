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
export const MAX_MESSAGE_SIZE = 16 << 20;

/**
 * What is asked of ws on either side. `closeTimeout`: milliseconds after which a peer that does not answer a close
 * frame is cut off. Compression is left to the two ends: a proxy would do it twice.
 */
export const WS_OPTIONS = { perMessageDeflate: false, closeTimeout: 10_000 };

/** One end of a WebSocket (RFC 6455). It has none until its handshake is over. */
export class WebSocketChannel extends Channel {
  readonly kind = 'datagram';
  #ws: WebSocket | undefined;

  constructor(limits: QueueLimits, maxMessage: number) {
    super(limits);
    this.maxMessage = maxMessage;
  }

  protected get established(): boolean {
    return this.#ws !== undefined;
  }

  protected attach(ws: WebSocket): void {
    this.#ws = ws;
    ws.on('message', (data: Buffer, isBinary) => this.deliver(data, isBinary ? BINARY : TEXT));
    ws.on('error', ({ message }) => this.deliverClose({ kind: 'error', message }));
    ws.on('close', (code, text) => this.deliverClose(closeReason(code, text.toString())));
    if (this.held) ws.pause();
  }

  override refuse(error: L7mpError): void {
    const refused = error.code === 'E_NO_ROUTE' || error.code === 'E_LIMIT';
    this.close({ kind: refused ? 'refused' : 'error', message: error.message });
  }

  protected override send(bytes: Uint8Array, attributes: MessageAttributes): boolean {
    const ws = this.#ws;
    if (!ws) {
      this.drop('closed');
      return true;
    }
    ws.send(bytes, { binary: !attributes.text }, this.#sent);
    return ws.bufferedAmount < this.limits.bytes;
  }

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
