/**
 * A channel whose other half lives in another thread: what is written crosses as a message, with its boundaries and
 * attributes, as do ends, heads, faults and closes. Each side lets the other one send so many bytes that its reader has not
 * taken yet.
 */
import type { MessagePort } from 'node:worker_threads';
import {
  BINARY,
  Channel,
  type ChannelKind,
  type CloseReason,
  type DropReason,
  type Head,
  type MessageAttributes,
  type QueueLimits,
  type Tail,
  TEXT,
} from '../core/channel.ts';
import type { Metadata } from '../core/metadata.ts';

/** Bytes that may be on their way in one direction. A message that does not fit any more holds its writer up. */
export const WINDOW = 256 << 10;

/** Bytes that a message counts for beside its own: empty ones are held up, too. */
const MESSAGE_COST = 64;

/** What crosses. */
export type Crossing =
  | { readonly bytes: Uint8Array; readonly text: boolean }
  /** So many bytes were taken by the reader. */
  | { readonly taken: number }
  | { readonly end: true; readonly tail: Tail | undefined }
  | { readonly head: Head }
  | { readonly fault: string }
  | { readonly note: string }
  | { readonly dropped: DropReason; readonly messages: number }
  | { readonly close: CloseReason };

/** What the channel at the other end of the port is like. */
export interface Facts {
  readonly kind: ChannelKind;
  readonly halfClose: boolean;
  readonly exchange: boolean;
  readonly maxMessage: number;
  readonly answer: Head | undefined;
  readonly metadata: Metadata;
}

export function factsOf(channel: Channel): Facts {
  const { kind, halfClose, exchange, maxMessage, answer } = channel;
  return { kind, halfClose, exchange, maxMessage, answer, metadata: channel.describe() };
}

/** The sending half of a direction: copies, and counts what the other side has not taken yet. */
export class Sending {
  readonly #port: MessagePort;
  #underWay = 0;

  constructor(port: MessagePort) {
    this.#port = port;
  }

  /** The other side takes more. */
  get room(): boolean {
    return this.#underWay < WINDOW;
  }

  /** Returns whether more fits. Others may hold the bytes, and a view would take its whole buffer along: it sends a copy. */
  message(bytes: Uint8Array, attributes: MessageAttributes): boolean {
    const copy = new Uint8Array(bytes);
    this.#underWay += costOf(copy);
    this.#port.postMessage({ bytes: copy, text: attributes.text === true } satisfies Crossing, [copy.buffer]);
    return this.room;
  }

  tell(crossing: Crossing): void {
    this.#port.postMessage(crossing);
  }

  /** Returns whether there is room again, and was none before. */
  taken(bytes: number): boolean {
    const wasFull = !this.room;
    this.#underWay -= bytes;
    return wasFull && this.room;
  }

  close(): void {
    this.#port.close();
  }
}

export function costOf(bytes: Uint8Array): number {
  return bytes.length + MESSAGE_COST;
}

export function attributesOf({ text }: { readonly text: boolean }): MessageAttributes {
  return text ? TEXT : BINARY;
}

/** The end that a session has. */
export class PortChannel extends Channel {
  readonly kind: ChannelKind;
  readonly #facts: Facts;
  readonly #sending: Sending;
  /** Bytes that have come and are not acknowledged: the reader holds them back. */
  #owed = 0;

  /** Owns the port. */
  constructor(port: MessagePort, facts: Facts, limits: QueueLimits) {
    super(limits);
    this.kind = facts.kind;
    this.#facts = facts;
    this.#sending = new Sending(port);
    port.on('message', (crossing: Crossing) => this.#heard(crossing));
    port.on('close', () => this.deliverClose({ kind: 'reset', message: 'the thread at its other end has ended' }));
  }

  override get halfClose(): boolean {
    return this.#facts.halfClose;
  }

  override get exchange(): boolean {
    return this.#facts.exchange;
  }

  override get maxMessage(): number {
    return this.#facts.maxMessage;
  }

  override get answer(): Head | undefined {
    return this.#facts.answer;
  }

  override describe(): Metadata {
    return structuredClone(this.#facts.metadata);
  }

  protected override get retains(): boolean {
    return false;
  }

  protected override send(bytes: Uint8Array, attributes: MessageAttributes): boolean {
    return this.#sending.message(bytes, attributes);
  }

  protected override sendEnd(tail?: Tail): void {
    this.#sending.tell({ end: true, tail });
  }

  protected override shut(reason: CloseReason): void {
    this.#sending.tell({ close: reason });
    this.#sending.close();
  }

  protected override releaseSource(): void {
    this.#acknowledge();
  }

  #acknowledge(): void {
    if (this.#owed > 0) this.#sending.tell({ taken: this.#owed });
    this.#owed = 0;
  }

  #heard(crossing: Crossing): void {
    if ('bytes' in crossing) {
      this.#owed += costOf(crossing.bytes);
      this.deliver(crossing.bytes, attributesOf(crossing), true);
      if (!this.held) this.#acknowledge();
    } else if ('taken' in crossing) {
      if (this.#sending.taken(crossing.taken)) this.drained();
    } else if ('end' in crossing) this.deliverEnd(crossing.tail);
    else if ('head' in crossing) this.owner?.head?.(crossing.head);
    else if ('fault' in crossing) this.owner?.fault?.(this, crossing.fault);
    else if ('note' in crossing) this.owner?.note?.(this, crossing.note);
    else if ('dropped' in crossing) this.drop(crossing.dropped, crossing.messages);
    else {
      this.deliverClose(crossing.close);
      this.#sending.close();
    }
  }
}
