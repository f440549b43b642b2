import { Socket } from 'node:net';
import type { CloseReason } from '../../core/channel.ts';
import type { Acceptor, FifoAddress, SocketListening } from '../../core/engine.ts';
import { L7mpError } from '../../core/errors.ts';
import type { BoundFifos } from '../binder.ts';
import { FifoChannel } from './channel.ts';
import { openAgain } from './files.ts';

/** Milliseconds from a session that was refused, or took nothing, to the next one. */
const PAUSE = 1000;

/** Milliseconds that what was written has to be taken once nobody listens any more. */
const GRACE = 1000;

/**
 * Listens on FIFOs with one session at a time, whichever writers come and go: it begins when there is something to read, and
 * what it has not read is the next one's. Without a FIFO to read it begins at once. Throws E_BIND.
 */
export function listenFifos(at: FifoAddress, bound: BoundFifos, acceptor: Acceptor): FifoListener {
  const open = (fd: number, path: string | undefined, readable: boolean): Socket | undefined => {
    if (path === undefined) return undefined;
    try {
      return new Socket({ fd: openAgain(fd, path), readable, writable: !readable });
    } catch (error) {
      throw new L7mpError('E_BIND', `cannot listen on ${path}: ${(error as Error).message}`, { cause: error });
    }
  };
  const reader = open(bound.fd, at.read, true);
  return new FifoListener({ reader, writer: open(bound.write, at.write, false) }, bound, acceptor);
}

/** Listens on FIFOs that are open. */
export class FifoListener implements SocketListening {
  readonly #reader: Socket | undefined;
  readonly #writer: Socket | undefined;
  readonly #bound: BoundFifos;
  readonly #acceptor: Acceptor;
  #session: FifoChannel | undefined;
  #pause: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(ends: { reader: Socket | undefined; writer: Socket | undefined }, bound: BoundFifos, acceptor: Acceptor) {
    this.#reader = ends.reader;
    this.#writer = ends.writer;
    this.#bound = bound;
    this.#acceptor = acceptor;
    // FIFOs of one's own do not fail; node would end the process otherwise.
    for (const socket of [ends.reader, ends.writer]) socket?.on('error', () => {});
    if (ends.reader) ends.reader.on('readable', () => this.#begin());
    // Not before who listens knows of it.
    else this.#pause = setTimeout(() => this.#again(), 0);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#pause);
    if (!this.#session) this.#end();
    await this.#bound.release();
  }

  /** The engine closes: its session ends, too. */
  async stop(reason: CloseReason): Promise<void> {
    await this.close();
    this.#session?.lose(reason);
  }

  /** A session lives on without the listener: the FIFOs are its own then. */
  #end(): void {
    this.#reader?.destroy();
    const writer = this.#writer;
    if (!writer) return;
    const timer = setTimeout(() => writer.destroy(), GRACE).unref();
    writer.once('close', () => clearTimeout(timer));
    writer.end(() => writer.destroy());
  }

  #again(): void {
    this.#pause = undefined;
    this.#begin();
  }

  #begin(): void {
    if (this.#closed || this.#session || this.#pause) return;
    if (this.#reader && this.#reader.readableLength === 0) return;
    if (!this.#acceptor.admit({ address: '', port: 0 })) {
      this.#wait();
      return;
    }
    const channel: FifoChannel = new FifoChannel(
      {
        reader: this.#reader,
        writer: this.#writer,
        own: false,
        left: () => this.#left(channel),
        describe: (one) => this.#acceptor.describe(one),
      },
      this.#acceptor.limits,
    );
    this.#session = channel;
    this.#acceptor.accept(channel);
  }

  // What waits may be what nobody could be found for: it is kept, and not tried for ever at once.
  #left(channel: FifoChannel): void {
    if (this.#session === channel) this.#session = undefined;
    if (this.#closed) this.#end();
    else if (channel.bytesIn === 0) this.#wait();
    else setImmediate(() => this.#begin());
  }

  #wait(): void {
    this.#pause ??= setTimeout(() => this.#again(), PAUSE);
  }
}
