import type { Readable, Writable } from 'node:stream';
import { StringDecoder } from 'node:string_decoder';
import { BINARY, Channel, type QueueLimits } from '../../core/channel.ts';
import { guard } from '../../output/guard.ts';
import { printable } from '../../output/printable.ts';

/** The standard streams of a process. Asked for when the first channel opens: node makes them when they are looked at. */
export interface Streams {
  readonly stdin: Readable & { ref?(): unknown; unref?(): unknown };
  readonly stdout: Writable & { readonly isTTY?: boolean };
}

/** The standard streams, shared by every channel on them, whatever its cluster. Owns neither. */
export class SharedStreams {
  readonly #streams: Streams;
  readonly #channels = new Set<StdioChannel>();
  #inputEnded = false;

  constructor(streams: Streams) {
    this.#streams = streams;
  }

  open(limits: QueueLimits): StdioChannel {
    const channel = new StdioChannel(this, limits);
    if (this.#channels.size === 0) this.#attach();
    this.#channels.add(channel);
    this.steer();
    if (this.#inputEnded) channel.hearEnd();
    return channel;
  }

  leave(channel: StdioChannel): void {
    this.#channels.delete(channel);
    this.steer();
    if (this.#channels.size === 0) this.#detach();
  }

  /** Reads stdin while all channels take what comes: one that is held up holds up the others. */
  steer(): void {
    const { stdin } = this.#streams;
    if (this.#inputEnded) return;
    const channels = [...this.#channels];
    if (channels.length > 0 && channels.every(({ held }) => !held)) stdin.resume();
    else stdin.pause();
  }

  /** A terminal would obey what comes from a peer. */
  get terminal(): boolean {
    return this.#streams.stdout.isTTY === true;
  }

  /** Returns whether stdout takes more. `done` is told of a failure, at once or later. */
  write(bytes: Uint8Array, done: (error?: Error | null) => void): boolean {
    const { stdout } = this.#streams;
    try {
      if (stdout.writable) return stdout.write(bytes, done);
      done(new Error('it is closed'));
    } catch (error) {
      // Where stdout is a file node writes on the spot, and some versions throw what goes wrong then.
      done(error as Error);
    }
    return true;
  }

  #attach(): void {
    const { stdin, stdout } = this.#streams;
    guard(stdin);
    guard(stdout);
    this.#inputEnded = stdin.readableEnded || stdin.destroyed;
    // Before there is a listener for data, or that would begin to read.
    stdin.pause();
    stdin.on('data', this.#input);
    for (const event of ['end', 'error', 'close']) stdin.on(event, this.#inputEnds);
    // A failure empties the buffer of a stream as writing does, without `drain`.
    for (const event of ['drain', 'error', 'close']) stdout.on(event, this.#outputDrained);
    stdin.ref?.();
  }

  #detach(): void {
    const { stdin, stdout } = this.#streams;
    stdin.off('data', this.#input);
    for (const event of ['end', 'error', 'close']) stdin.off(event, this.#inputEnds);
    for (const event of ['drain', 'error', 'close']) stdout.off(event, this.#outputDrained);
    stdin.pause();
    stdin.unref?.();
  }

  readonly #input = (bytes: Buffer): void => {
    for (const channel of [...this.#channels]) channel.hear(bytes);
  };

  readonly #inputEnds = (): void => {
    this.#inputEnded = true;
    for (const channel of [...this.#channels]) channel.hearEnd();
  };

  readonly #outputDrained = (): void => {
    for (const channel of [...this.#channels]) channel.outputDrained();
  };
}

/** What is written goes to stdout, which is never ended; what it reads is all that comes on stdin meanwhile. */
export class StdioChannel extends Channel {
  readonly kind = 'stream';
  readonly #shared: SharedStreams;
  /** Of a terminal: a character may come in two parts. */
  #decoder: StringDecoder | undefined;

  constructor(shared: SharedStreams, limits: QueueLimits) {
    super(limits);
    this.#shared = shared;
  }

  hear(bytes: Uint8Array): void {
    this.deliver(bytes, BINARY, true);
  }

  hearEnd(): void {
    this.deliverEnd();
  }

  outputDrained(): void {
    this.drained();
  }

  protected override send(bytes: Uint8Array): boolean {
    return this.#shared.write(this.#shared.terminal ? this.#shown(bytes) : bytes, this.#written);
  }

  #shown(bytes: Uint8Array): Uint8Array {
    this.#decoder ??= new StringDecoder();
    return Buffer.from(printable(this.#decoder.write(Buffer.from(bytes))));
  }

  protected override sendEnd(): void {}

  protected override shut(): void {
    this.#shared.leave(this);
  }

  protected override holdSource(): void {
    this.#shared.steer();
  }

  protected override releaseSource(): void {
    this.#shared.steer();
  }

  readonly #written = (error?: Error | null): void => {
    if (!error) return;
    if (!this.drops?.has('send-error')) this.owner?.fault?.(this, `stdout: ${error.message}`);
    this.drop('send-error');
  };
}
