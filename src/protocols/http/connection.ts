import type { Socket } from 'node:net';
import type { CloseReason } from '../../core/channel.ts';
import type { Ends } from '../../io/engine.ts';
import { cutLater } from './answer.ts';

/** A request and its response. */
export interface Exchange {
  /** Nothing of the answer was sent, and the request is still coming: an error in it can be told as its answer. */
  readonly answerable: boolean;
  /** The connection is gone, or of no use any more. */
  lost(reason: CloseReason): void;
  /** No other request will be taken on the connection. */
  last(): void;
}

/**
 * A client's connection, and the exchanges on it that are not over: pipelined requests make several. Node tells only
 * the response whose turn it is that the connection is gone; here all of them are told.
 */
export class Connection {
  readonly socket: Socket;
  readonly ends: Ends;
  readonly #open = new Set<Exchange>();
  #closing = false;
  #spoilt = false;

  constructor(socket: Socket, ends: Ends) {
    this.socket = socket;
    this.ends = ends;
    // A client that ends its direction has gone: node's server takes it so, and that is how a killed client looks.
    socket.once('end', () => {
      if (this.#open.size > 0) cutLater(socket);
      this.lost({ kind: 'reset', message: 'the client has closed the connection' });
    });
    socket.once('close', () => this.lost({ kind: 'reset', message: 'the connection to the client is gone' }));
  }

  /** There are exchanges that are not over. */
  get busy(): boolean {
    return this.#open.size > 0;
  }

  add(exchange: Exchange): void {
    this.#open.add(exchange);
  }

  remove(exchange: Exchange): void {
    if (!this.#open.delete(exchange)) return;
    // The timeout that the exchange may have set is not for the next one; where there is none, node has set its own.
    if (this.#open.size > 0) this.socket.setTimeout(0);
    else if (this.#closing) this.socket.destroySoon();
  }

  /** Takes no more requests; closes when the open ones are answered. */
  close(): void {
    this.#closing = true;
    if (this.#open.size === 0) this.socket.destroySoon();
    else if (this.#open.size === 1) for (const exchange of this.#open) exchange.last();
  }

  lost(reason: CloseReason): void {
    for (const exchange of this.#open) exchange.lost(reason);
    this.#open.clear();
  }

  /**
   * Something came that is no HTTP. Returns whether that can be told; where it cannot, because earlier requests would
   * take it for their answer, the connection is cut. Undefined where it was said before.
   */
  spoil(why: string): boolean | undefined {
    if (this.#spoilt) return undefined;
    this.#spoilt = true;
    const [only, ...more] = this.#open;
    const told = only === undefined || (more.length === 0 && only.answerable);
    this.lost({ kind: told ? 'error' : 'reset', message: why });
    return told;
  }
}
