import {
  Channel,
  type ChannelKind,
  type CloseReason,
  type MessageAttributes,
  type QueueLimits,
  type Tail,
} from '../../core/channel.ts';
import type { Metadata } from '../../core/metadata.ts';
import { MessageQueue, type Queued } from '../../core/queue.ts';

/** What both ends of a connection have in common. */
export interface Wire {
  readonly kind: ChannelKind;
  readonly scribble: boolean;
  /** The metadata at the listener's end. */
  readonly metadata: Metadata;
}

/** What a buffer is overwritten with. */
const SCRIBBLE = 0x55;

/**
 * One end of a connection in memory. What is sent waits at the other end, and is delivered in a later turn of the event
 * loop, as a network's would be: never from within `write`. What may wait is bounded by the sender's limits. A stream
 * keeps no boundaries: what waits is joined.
 */
class MemoryChannel extends Channel {
  readonly kind: ChannelKind;
  readonly #wire: Wire;
  readonly #inbox = new MessageQueue();
  #peer: MemoryChannel | undefined;
  #ending: { readonly tail: Tail | undefined } | undefined;
  #hangingUp: CloseReason | undefined;
  #scheduled = false;

  constructor(wire: Wire, limits: QueueLimits) {
    super(limits);
    this.#wire = wire;
    this.kind = wire.kind;
  }

  override get halfClose(): boolean {
    return this.kind === 'stream';
  }

  join(peer: MemoryChannel): void {
    this.#peer = peer;
    peer.#peer = this;
  }

  protected override send(bytes: Uint8Array, attributes: MessageAttributes): boolean {
    const peer = this.#peer;
    if (!peer?.open) this.drop('closed');
    else if (bytes.length > 0 || this.kind === 'datagram') {
      peer.#inbox.push(bytes, attributes);
      peer.#schedule();
    }
    return this.#fits;
  }

  protected override sendEnd(tail?: Tail): void {
    if (!this.#peer || !this.halfClose) return;
    this.#peer.#ending = { tail };
    this.#peer.#schedule();
  }

  protected override shut(reason: CloseReason): void {
    if (this.#inbox.length > 0) this.drop('closed', this.#inbox.length);
    if (this.#peer) this.#peer.#hangUp(reason);
  }

  protected override releaseSource(): void {
    this.#schedule();
  }

  // ------------------------------------------------------------------ own

  /** Whether the other end takes more: one that is closed swallows everything. */
  get #fits(): boolean {
    const peer = this.#peer;
    if (!peer?.open) return true;
    return peer.#inbox.bytes < this.limits.bytes && peer.#inbox.length < this.limits.messages;
  }

  /** The other end has closed. Only a reset overtakes what it had sent. */
  #hangUp({ kind, message }: CloseReason): void {
    if (kind === 'reset') {
      if (this.#inbox.length > 0) this.drop('closed', this.#inbox.length);
      while (this.#inbox.length > 0) this.#inbox.shift();
      this.#ending = undefined;
      this.#hangingUp = { kind, message: `reset by the peer: ${message}` };
    } else this.#hangingUp = { kind: 'end', message: `closed by the peer: ${message}` };
    this.#schedule();
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#pump();
    });
  }

  /** When the other end has gone, everything that it had sent is received, held or not: it lingers. */
  #pump(): void {
    while (this.open && this.#inbox.length > 0 && (!this.held || this.#hangingUp)) this.#receive();
    if (!this.open) return;
    if (this.#peer?.full && this.#peer.#fits) this.#peer.drained();
    if (this.#inbox.length > 0) return;
    if (this.#ending) this.deliverEnd(this.#ending.tail);
    if (this.#hangingUp) this.deliverClose(this.#hangingUp);
  }

  #receive(): void {
    const { bytes, attributes } = this.kind === 'stream' ? joined(this.#inbox) : this.#inbox.shift();
    if (!this.#wire.scribble) {
      this.deliver(bytes, attributes);
      return;
    }
    // A Buffer, as node's own sockets give: the `slice` of a Buffer, unlike that of its base, copies nothing.
    const passing = Buffer.from(bytes);
    this.deliver(passing, attributes, false);
    passing.fill(SCRIBBLE);
  }
}

/** The listener's end, which knows of what it is. */
class AcceptedChannel extends MemoryChannel {
  readonly #metadata: Metadata;

  constructor(wire: Wire, limits: QueueLimits) {
    super(wire, limits);
    this.#metadata = wire.metadata;
  }

  override describe(): Metadata {
    return structuredClone(this.#metadata);
  }
}

function joined(queue: MessageQueue): Queued {
  const first = queue.shift();
  if (queue.length === 0) return first;
  const pieces = [first.bytes];
  while (queue.length > 0) pieces.push(queue.shift().bytes);
  return { bytes: Buffer.concat(pieces), attributes: first.attributes };
}

/** Both ends of a new connection. */
export function connect(
  wire: Wire,
  dialling: QueueLimits,
  listening: QueueLimits,
): { dialled: Channel; accepted: Channel } {
  const dialled = new MemoryChannel(wire, dialling);
  const accepted = new AcceptedChannel(wire, listening);
  dialled.join(accepted);
  return { dialled, accepted };
}
