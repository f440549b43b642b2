import type { Channel, MessageAttributes, Reader, Tail, Writer } from '../core/channel.ts';

/** What a pipe tells its session. */
export interface PipeOwner {
  /** A message has passed: the session is alive. */
  active(): void;
  /** A message is larger than the sink takes. Returns whether that has ended the session; else it is dropped and counted. */
  tooLarge(pipe: Pipe, size: number): boolean;
  /** All that the source had to say has passed. */
  sourceEnded(pipe: Pipe, tail: Tail | undefined): void;
  /** The sink was full, and is not any more. */
  sinkDrained(pipe: Pipe): void;
}

/**
 * Joins two channels in one direction, in JavaScript. Where the sink is full the source is paused; a source that
 * cannot be paused queues up to its limit, then drops. Either end can be taken away while its stage reconnects.
 */
export class Pipe implements Reader, Writer {
  readonly #owner: PipeOwner;
  readonly #cuts: boolean;
  #source: Channel | undefined;
  #sink: Channel | undefined;
  #ending: { readonly tail: Tail | undefined } | undefined;

  /** `cuts`: a byte stream goes into datagrams, so pieces that are too large are cut, not dropped. */
  constructor(owner: PipeOwner, cuts: boolean) {
    this.#owner = owner;
    this.#cuts = cuts;
  }

  get source(): Channel | undefined {
    return this.#source;
  }

  get sink(): Channel | undefined {
    return this.#sink;
  }

  /** All that the source had to say has been taken. */
  get ended(): boolean {
    return this.#ending !== undefined;
  }

  /** Joins the ends that are there; flows while both are. */
  join(source: Channel | undefined, sink: Channel | undefined): void {
    this.#source = source;
    if (this.#sink !== sink) {
      if (this.#sink?.writer === this) this.#sink.writer = undefined;
      this.#sink = sink;
      if (sink) sink.writer = this;
    }
    if (sink && this.#ending) this.#finish(sink);
    else if (source && sink) {
      source.read(this);
      if (sink.full) source.pause();
      else source.resume();
    } else source?.pause();
  }

  message(bytes: Uint8Array, attributes: MessageAttributes, owned: boolean): void {
    this.#owner.active();
    const sink = this.#sink as Channel;
    const more =
      bytes.length > sink.maxMessage
        ? this.#large(sink, bytes, attributes, owned)
        : sink.write(bytes, attributes, owned);
    if (!more) this.#source?.pause();
  }

  end(tail?: Tail): void {
    this.#owner.sourceEnded(this, tail);
  }

  drained(): void {
    this.#source?.resume();
    this.#owner.sinkDrained(this);
  }

  /** Passes the end on: at once, or when there is a sink again. */
  finish(tail: Tail | undefined): void {
    this.#ending = { tail };
    if (this.#sink) this.#finish(this.#sink);
  }

  /** Lets both ends go. */
  part(): void {
    if (this.#sink?.writer === this) this.#sink.writer = undefined;
    this.#source = undefined;
    this.#sink = undefined;
  }

  #large(sink: Channel, bytes: Uint8Array, attributes: MessageAttributes, owned: boolean): boolean {
    if (this.#cuts) return cutInto(sink, bytes, attributes, owned);
    return this.#owner.tooLarge(this, bytes.length) || sink.write(bytes, attributes, owned);
  }

  #finish(sink: Channel): void {
    sink.end(this.#ending?.tail);
  }
}

function cutInto(sink: Channel, bytes: Uint8Array, attributes: MessageAttributes, owned: boolean): boolean {
  let more = true;
  for (let at = 0; at < bytes.length; at += sink.maxMessage) {
    more = sink.write(bytes.subarray(at, at + sink.maxMessage), attributes, owned);
  }
  return more;
}
