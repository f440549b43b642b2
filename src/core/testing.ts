/** For tests of what stands on channels: a channel whose transport is the test, and a user that notes what it hears. */
import {
  Channel,
  type ChannelKind,
  type CloseReason,
  type Head,
  type MessageAttributes,
  type Tail,
} from './channel.ts';
import type { L7mpError } from './errors.ts';
import type { LayerChannel } from './layer.ts';
import type { Metadata } from './metadata.ts';

/** What its transport is like. */
export interface FakeOptions {
  readonly kind?: ChannelKind;
  readonly lossy?: boolean;
  readonly halfClose?: boolean;
  readonly maxMessage?: number;
  readonly metadata?: Metadata;
}

/**
 * A channel whose transport is the test. It receives into one buffer for ever, as an engine may: what was kept without a
 * copy turns into `!`.
 *
 * @example
 * const lower = new FakeChannel({ kind: 'stream' });
 * const { layer } = begun(new FramedChannel(lower));
 * lower.receive('hello');
 * lower.peerEnds();
 */
export class FakeChannel extends Channel {
  readonly kind: ChannelKind;
  readonly #options: FakeOptions;
  /** What was sent, as text, with the attributes of each. */
  readonly sent: string[] = [];
  readonly attributes: MessageAttributes[] = [];
  /** What else it was asked to do, in order. */
  readonly calls: string[] = [];
  /** What `send` returns. */
  takesMore = true;
  flowing = false;
  closeReason: CloseReason | undefined;
  /** Called with each message sent. */
  onSend: ((bytes: Uint8Array) => void) | undefined;
  readonly #buffer = new Uint8Array(1 << 17);

  constructor(options: FakeOptions = {}) {
    super();
    this.#options = options;
    this.kind = options.kind ?? 'datagram';
  }

  override get maxMessage(): number {
    return this.#options.maxMessage ?? 1 << 20;
  }

  override get lossy(): boolean {
    return this.#options.lossy ?? false;
  }

  override get halfClose(): boolean {
    return this.#options.halfClose ?? true;
  }

  override get answer(): Head {
    return { protocol: 'fake' };
  }

  protected override get retains(): boolean {
    return false;
  }

  /** The peer sends a message. */
  receive(message: string | Uint8Array, attributes?: MessageAttributes): void {
    const bytes = Buffer.from(message as string);
    this.#buffer.set(bytes);
    this.deliver(this.#buffer.subarray(0, bytes.length), attributes, false);
    this.#buffer.fill(0x21);
  }

  peerEnds(tail?: Tail): void {
    this.deliverEnd(tail);
  }

  peerCloses(reason: CloseReason = { kind: 'end', message: 'closed by the peer' }): void {
    this.deliverClose(reason);
  }

  drain(): void {
    this.takesMore = true;
    this.drained();
  }

  override describe(): Metadata {
    return this.#options.metadata ?? { Fake: { side: 'lower' } };
  }

  override routed(): void {
    this.calls.push('routed');
  }

  override accept(): void {
    this.calls.push('accept');
  }

  override refuse(error: L7mpError): void {
    this.calls.push(`refuse ${error.code}`);
    super.refuse(error);
  }

  protected override send(bytes: Uint8Array, attributes: MessageAttributes): boolean {
    this.sent.push(Buffer.from(bytes).toString());
    this.attributes.push(attributes);
    this.onSend?.(bytes);
    return this.takesMore;
  }

  protected override sendEnd(tail?: Tail): void {
    this.calls.push(tail ? `end ${JSON.stringify(tail)}` : 'end');
  }

  protected override shut(reason: CloseReason): void {
    this.closeReason = reason;
  }

  protected override holdSource(): void {
    this.flowing = false;
  }

  protected override releaseSource(): void {
    this.flowing = true;
  }
}

/**
 * Begins a layer's handshake, `accepted` by a listener or not. `outcome` is what its observer was told.
 *
 * @example const { layer, outcome } = begun(new FramedChannel(new FakeChannel({ kind: 'stream' })));
 */
export function begun<L extends LayerChannel>(
  layer: L,
  accepted = false,
): { layer: L; outcome: (L7mpError | 'completed')[] } {
  const outcome: (L7mpError | 'completed')[] = [];
  const observer = {
    completed: () => outcome.push('completed'),
    failed: (error: L7mpError) => outcome.push(error),
  };
  layer.begin(observer, accepted);
  return { layer, outcome };
}

/**
 * Becomes the reader, writer and owner of a channel, and notes in one list what it is told, in order.
 *
 * @example assert.deepEqual(watch(layer), ['hello', 'end']);
 */
export function watch(channel: Channel): string[] {
  const told: string[] = [];
  channel.owner = {
    head: ({ status }) => told.push(`head ${status}`),
    lingering: () => told.push('lingering'),
    closed: (_channel, { kind, message }) => told.push(`closed ${kind}: ${message}`),
    fault: (_channel, message) => told.push(`fault ${message}`),
  };
  channel.writer = { drained: () => told.push('drained') };
  channel.read({
    message: (bytes, { text }) => told.push(`${text ? 'text ' : ''}${Buffer.from(bytes).toString()}`),
    end: (tail) => told.push(tail ? `end ${JSON.stringify(tail)}` : 'end'),
  });
  return told;
}
