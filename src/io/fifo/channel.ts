import type { Socket } from 'node:net';
import { BINARY, Channel, type CloseReason, type QueueLimits } from '../../core/channel.ts';
import type { SocketChannel } from '../../core/engine.ts';
import type { Metadata } from '../../core/metadata.ts';

/** What a channel reads and writes: streams of node's on FIFOs. */
export interface FifoEnds {
  readonly reader: Socket | undefined;
  readonly writer: Socket | undefined;
  /** They are the channel's, and end with it: then whoever reads what is written sees an end. */
  readonly own: boolean;
  /** The channel is closed. */
  readonly left: () => void;
  readonly describe?: ((channel: FifoChannel) => Metadata) | undefined;
}

/** Milliseconds that what was written has to be taken once the channel is closed. */
const LINGER = 10_000;

/** Two FIFOs, or one of two, as a byte stream. What nobody reads stays where it is. */
export class FifoChannel extends Channel implements SocketChannel {
  readonly kind = 'stream';
  readonly #ends: FifoEnds;
  #reading = false;
  readonly #readable = (): void => this.#read();
  readonly #drain = (): void => this.drained();
  readonly #failed = (error: Error): void => this.#lose({ kind: 'reset', message: error.message });

  constructor(ends: FifoEnds, limits: QueueLimits) {
    super(limits);
    this.#ends = ends;
    const { reader, writer } = ends;
    reader?.on('readable', this.#readable).on('error', this.#failed);
    writer?.on('drain', this.#drain).on('error', this.#failed);
  }

  get ends(): undefined {
    return undefined;
  }

  /** What is read has no end: an answer to ours would be waited for in vain. */
  override get halfClose(): boolean {
    const { own, reader, writer } = this.#ends;
    return own && writer !== undefined && reader === undefined;
  }

  override describe(): Metadata {
    return this.#ends.describe?.(this) ?? {};
  }

  // ------------------------------------------------------------------ what is read

  #read(): void {
    const { reader } = this.#ends;
    if (this.#reading || !reader) return;
    this.#reading = true;
    while (this.open && !this.held) {
      const bytes: Buffer | null = reader.read();
      if (bytes === null) break;
      this.deliver(bytes, BINARY, true);
    }
    this.#reading = false;
  }

  protected override releaseSource(): void {
    this.#read();
  }

  // ------------------------------------------------------------------ what is written

  protected override send(bytes: Uint8Array): boolean {
    const { writer } = this.#ends;
    if (bytes.length === 0) return true;
    if (writer?.writable) return writer.write(bytes);
    this.drop('send-error');
    return true;
  }

  protected override sendEnd(): void {
    const { reader, writer, own } = this.#ends;
    if (own) writer?.end();
    // Nobody can answer.
    if (own && !reader) writer?.once('finish', () => this.deliverEnd());
  }

  // ------------------------------------------------------------------ the end

  protected override shut({ kind }: CloseReason): void {
    const { writer } = this.#ends;
    this.#leave();
    if (!writer || !this.#ends.own) return;
    if (kind === 'reset') {
      writer.destroy();
      return;
    }
    const timer = setTimeout(() => writer.destroy(), LINGER);
    writer.once('close', () => clearTimeout(timer));
    writer.end(() => writer.destroy());
  }

  /** Closes it from below. */
  #lose(reason: CloseReason): void {
    if (!this.open) return;
    this.#leave();
    if (this.#ends.own) this.#ends.writer?.destroy();
    this.deliverClose(reason);
  }

  lose(reason: CloseReason): void {
    this.#lose(reason);
  }

  #leave(): void {
    const { reader, writer, own, left } = this.#ends;
    reader?.off('readable', this.#readable).off('error', this.#failed);
    writer?.off('drain', this.#drain).off('error', this.#failed);
    if (own) {
      // What fails from now on concerns nobody.
      reader?.on('error', () => {}).destroy();
      writer?.on('error', () => {});
    }
    left();
  }
}
