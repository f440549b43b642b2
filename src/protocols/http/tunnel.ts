/** A connection on which HTTP is over: bytes both ways, as both sides have agreed to (RFC 9110 section 7.8). */
import type { ByteStream } from '../../core/channel-duplex.ts';
import { reset } from '../../io/node/stream.ts';
import type { AnswerReader, UpstreamExchange } from './client/upstream.ts';
import { cutLater } from './linger.ts';

/** Hears of what comes. */
export type TunnelReader = Pick<AnswerReader, 'received' | 'ended' | 'drained' | 'failed'>;

/** Reads nothing until it is released. Owns the stream. */
export class Tunnel implements UpstreamExchange {
  readonly #stream: ByteStream;
  #reader: TunnelReader | undefined;

  constructor(stream: ByteStream, reader: TunnelReader) {
    this.#stream = stream.pause();
    this.#reader = reader;
    stream.on('data', (bytes: Buffer) => this.#reader?.received(bytes));
    stream.on('end', () => this.#reader?.ended());
    stream.on('drain', () => this.#reader?.drained());
    stream.on('error', () => {});
    stream.on('close', () => this.#closed());
  }

  write(bytes: Uint8Array): boolean {
    return !this.#stream.writable || this.#stream.write(bytes);
  }

  end(): void {
    this.#stream.end();
  }

  hold(): void {
    this.#stream.pause();
  }

  release(): void {
    this.#stream.resume();
  }

  abort(): void {
    this.#reader = undefined;
    reset(this.#stream);
  }

  breakOff(): void {
    this.forget();
  }

  forget(): void {
    this.#reader = undefined;
    this.#stream.end();
    this.#stream.resume();
    if (!this.#stream.destroyed) cutLater(this.#stream);
  }

  #closed(): void {
    const { readableEnded, writableFinished } = this.#stream;
    if (readableEnded && writableFinished) return;
    const message = 'the connection was closed before both directions had ended';
    this.#reader?.failed({ kind: 'reset', message, unanswered: false });
  }
}
