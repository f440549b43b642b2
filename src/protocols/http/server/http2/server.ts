import { CompactingMap } from '../../../../core/compacting.ts';
import type { ListenerHost } from '../../../../core/protocol.ts';
import type { Shares } from '../../../../core/shares.ts';
import { HTTP_1_1_REQUIRED } from '../../codes.ts';
import { timeoutsOf } from '../../options.ts';
import type { Connection } from '../connection.ts';
import { type Awaited, Http2Connection, type Http2Handlers, type StreamCall } from './connection.ts';

/** Takes a request, or answers it. */
export type TakeStream = (call: StreamCall) => Awaited | undefined;

/** The connections of a listener that speak HTTP/2. */
export class Http2Server implements Http2Handlers {
  readonly #host: ListenerHost;
  readonly #takeStream: TakeStream | undefined;
  /** All connections of the listener. */
  readonly #shares: Shares<Connection | Http2Connection>;
  readonly #connections = new CompactingMap<Http2Connection, undefined>();

  /** Without `takeStream`, clients are told to speak HTTP/1.1. */
  constructor(host: ListenerHost, takeStream: TakeStream | undefined, shares: Shares<Connection | Http2Connection>) {
    this.#host = host;
    this.#takeStream = takeStream;
    this.#shares = shares;
  }

  /** Goes on with a connection that has begun as HTTP/2 does. */
  take(begun: Connection): void {
    const { lower, address, trusted } = begun;
    const source = this.#shares.delete(begun);
    const socket = begun.detach(Buffer.alloc(0));
    const connection = new Http2Connection(
      { lower, address, socket, trusted },
      () => timeoutsOf(this.#host.options),
      this,
    );
    if (!this.#takeStream) {
      this.#host.reject('bad-request');
      connection.refuse(HTTP_1_1_REQUIRED);
    }
    this.#connections.set(connection, undefined);
    this.#shares.add(connection, source);
    socket.once('close', () => {
      this.#connections.delete(connection);
      this.#shares.delete(connection);
    });
  }

  close(): void {
    for (const connection of this.#connections.keys()) connection.close();
  }

  // ------------------------------------------------------------------ for the connections

  stream(call: StreamCall): Awaited | undefined {
    return this.#takeStream?.(call);
  }

  wrong(): void {
    this.#host.reject('bad-request');
  }

  late(): void {
    this.#host.reject('request-timeout');
  }
}
