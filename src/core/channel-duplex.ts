import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import type { Channel, CloseReason } from './channel.ts';
import type { SocketChannel } from './engine.ts';

/** A connection as libraries of node's (node:http, ws, node:tls) want it. */
export type ByteStream = Socket | ChannelDuplex;

/**
 * A byte channel as such a stream, which is the caller's from now on: node's own socket where the channel is a bare one,
 * which costs nothing. To be called when it is accepted or connected, before anything else is done with it.
 *
 * @example server.emit('connection', streamOf(channel));
 */
export function streamOf(channel: Channel): ByteStream {
  const socket = (channel as Partial<SocketChannel>).takeSocket?.();
  if (!socket) return new ChannelDuplex(channel);
  // As a new one: it flows as soon as it is read.
  socket.readableFlowing = null;
  return socket;
}

/**
 * A byte channel as node's own streams see a socket. It takes the channel over: it is its owner, reader and writer until
 * it is destroyed. Whatever is below (TCP, a UNIX socket, TLS, a PROXY header), a library above it need not know.
 *
 * Back-pressure goes both ways; an end of a direction is a half-close; a failure of the channel is the error ECONNRESET,
 * and an error that destroys the stream resets the channel.
 *
 * @example const secure = new tls.TLSSocket(new ChannelDuplex(lower), { isServer: true, secureContext });
 */
export class ChannelDuplex extends Duplex {
  readonly #channel: Channel;
  /** Tells the stream that more fits. */
  #written: (() => void) | undefined;
  /** The peer has closed both directions. */
  #gone = false;
  #idle: NodeJS.Timeout | undefined;

  constructor(channel: Channel) {
    super({ allowHalfOpen: true, decodeStrings: true });
    this.#channel = channel;
    channel.owner = { closed: (_channel, reason) => this.#closed(reason) };
    channel.writer = { drained: () => this.#drained() };
    channel.read({
      message: (bytes, _attributes, owned) => this.#received(bytes, owned),
      end: () => void this.push(null),
    });
  }

  // ------------------------------------------------------------------ what libraries expect of a net.Socket

  /** As net.Socket's: `timeout` is emitted after `milliseconds` without a byte in either direction; 0 is never. */
  setTimeout(milliseconds: number, callback?: () => void): this {
    clearTimeout(this.#idle);
    this.#idle = milliseconds > 0 ? setTimeout(() => this.emit('timeout'), milliseconds).unref() : undefined;
    if (callback && milliseconds > 0) this.once('timeout', callback);
    else if (callback) this.off('timeout', callback);
    return this;
  }

  /** Destroys it when all that was written is on its way. */
  destroySoon(): void {
    if (this.writable) this.end();
    if (this.writableFinished) this.destroy();
    else this.once('finish', () => this.destroy());
  }

  /** Breaks the connection off so that the peer sees it. */
  resetAndDestroy(): this {
    this.#channel.close({ kind: 'reset', message: 'the connection is broken off' });
    return this.destroy();
  }

  // What they ask for belongs to the socket far below, which has it already or is none of TCP.
  setNoDelay(): this {
    return this;
  }

  setKeepAlive(): this {
    return this;
  }

  ref(): this {
    return this;
  }

  unref(): this {
    return this;
  }

  // ------------------------------------------------------------------ the stream

  override _read(): void {
    this.#channel.resume();
  }

  // The writer may use the bytes again once it is told that they are written: they are not the channel's to keep.
  override _write(chunk: Buffer, _encoding: BufferEncoding, written: (error?: Error) => void): void {
    this.#idle?.refresh();
    if (this.#gone) written(Object.assign(new Error('the peer has closed the connection'), { code: 'EPIPE' }));
    else if (this.#channel.write(chunk)) written();
    else this.#written = written;
  }

  override _final(done: () => void): void {
    this.#channel.end();
    done();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    clearTimeout(this.#idle);
    const reason: CloseReason = error
      ? { kind: 'reset', message: error.message }
      : { kind: 'end', message: 'the connection is over' };
    this.#channel.close(reason);
    done(error);
  }

  // ------------------------------------------------------------------ the channel

  #received(bytes: Uint8Array, owned: boolean): void {
    this.#idle?.refresh();
    const view = owned ? Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length) : Buffer.from(bytes);
    if (!this.push(view)) this.#channel.pause();
  }

  #drained(): void {
    const written = this.#written;
    this.#written = undefined;
    this.#idle?.refresh();
    written?.();
  }

  /** In order, what was pushed is still to be read: the stream ends by itself when both directions have. */
  #closed({ kind, message }: CloseReason): void {
    if (kind !== 'end') {
      this.destroy(Object.assign(new Error(message), { code: 'ECONNRESET' }));
      return;
    }
    this.#gone = true;
    this.#drained();
  }
}
