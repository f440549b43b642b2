/**
 * The contract of a channel, in types: one end of a connection, with a peer on the other side of it. Listeners emit
 * channels, clusters dial them, pipes join them.
 *
 * - A reader gets all that the peer sends, in order, then its end, once. While nobody reads, or the reader has paused the
 *   channel, what comes waits; the transport is asked to stop. Where it cannot (`lossy`), what exceeds the queue's limits is
 *   dropped and counted.
 * - A writer is told by what `write` returns whether more fits, and by `drained` when it does again. What it writes
 *   nevertheless is taken: but for what is larger than `maxMessage`, or comes after our end, which is dropped and counted.
 * - An end closes one direction, a close both. What was written before an orderly close still arrives. A reset does not wait
 *   for anything, and is never turned into an end.
 * - The owner hears of all that happens to it otherwise, and of its end by others than itself, once.
 */
import type { Channel } from './channel.ts';

/** `datagram` channels keep the boundaries of messages; `stream` channels carry bytes and may cut or join them. */
export type ChannelKind = 'datagram' | 'stream';

/**
 * What is said of one message beside its bytes. Frozen and shared, never made for each message: `BINARY`, `TEXT`, or one of
 * an `AttributeTable`. What a transport cannot carry of them is lost there.
 */
export interface MessageAttributes {
  /** The bytes are UTF-8 text (WebSocket text frames). */
  readonly text?: boolean;
  /** The stream that it came on, or goes to: 0 to 65,535 (SCTP, RFC 9260 section 3.3.1). */
  readonly stream?: number;
  /** What it is, as its sender says: the payload protocol identifier, 0 to 4,294,967,295 (as above). */
  readonly ppid?: number;
  /** It may overtake others of its stream (as above). */
  readonly unordered?: boolean;
}

/**
 * What is said of a message that is bytes: the default.
 *
 * @example this.deliver(bytes, BINARY, owned);
 */
export const BINARY: MessageAttributes = Object.freeze({});
/**
 * What is said of a message that is UTF-8 text.
 *
 * @example this.lower.write(Buffer.from(JSON.stringify(header)), TEXT, true);
 */
export const TEXT: MessageAttributes = Object.freeze({ text: true });

/** By name, in lower case: the value, or the values where the name came several times. */
export type Headers = Record<string, string | string[]>;

/** What an answering side says before its first byte. */
export interface Head {
  /** HTTP status, 100-599. */
  readonly status?: number;
  readonly headers?: Headers;
  /** The subprotocol that the endpoint has chosen (WebSocket). */
  readonly protocol?: string;
  /** Whether a client that waits for it shall send its body is told later, by a head with status 100 or another one. */
  readonly tellsContinue?: boolean;
  /** Whether the client goes on in the protocol that it asks for (`Channel.switches`) is told later, by a head with status 101. */
  readonly switches?: boolean;
}

/** What comes after the last byte (HTTP trailers). */
export type Tail = Headers;

/**
 * Why a channel closed. `end`: in order. `reset`: the peer, or the way to it, broke. `error`: a fault on our side or a
 * breach of the protocol. `timeout`: what we have asked for was not answered in time. `idle`, `deleted`, `shutdown`: we ended it.
 * `refused`: it was never taken.
 */
export interface CloseReason {
  readonly kind: 'end' | 'reset' | 'error' | 'timeout' | 'idle' | 'deleted' | 'shutdown' | 'refused';
  /** One line for a person. */
  readonly message: string;
  /**
   * The WebSocket close code that the peer sent or, of an error, that it is to get: 1000-4999. Of a reset, the HTTP/2 error code
   * that the peer sent: 0-255.
   */
  readonly code?: number;
}

/** Bounds of what may wait in one direction of one channel. What exceeds them is dropped and counted. */
export interface QueueLimits {
  readonly bytes: number;
  readonly messages: number;
}

/**
 * Where the options do not say: 1 MiB and 1024 messages.
 *
 * @example new EchoChannel(DEFAULT_LIMITS);
 */
export const DEFAULT_LIMITS: QueueLimits = Object.freeze({ bytes: 1 << 20, messages: 1024 });

/** Why a message was dropped: a label of metrics, so the set is closed. */
export type DropReason = 'queue-full' | 'too-large' | 'closed' | 'send-error' | 'invalid';

/** Takes what a channel receives. */
export interface Reader {
  /**
   * `bytes` are valid during the call only, unless `owned` says that the receiver may keep them; others may keep them
   * too, so nobody changes them. Who keeps what is not owned copies it (with `new Uint8Array(bytes)`: a Buffer's `slice`
   * is no copy), since an engine receives into the same buffers for ever.
   */
  message(bytes: Uint8Array, attributes: MessageAttributes, owned: boolean): void;
  /** The peer will send no more. At most once. */
  end(tail?: Tail): void;
}

/** Writes into a channel, and is told when it may go on after `write` returned false. */
export interface Writer {
  drained(): void;
}

/** Answers for a channel: hears of all that happens to it, but for what is read. */
export interface ChannelOwner {
  /** The answering side's head has arrived. */
  head?(head: Head): void;
  /** The peer is gone, but what it sent before is still waiting to be read. `closed` follows. */
  lingering?(channel: Channel): void;
  /** The channel is closed, not by the owner's own call. Exactly once. */
  closed(channel: Channel, reason: CloseReason): void;
  /** Something failed that does not end the channel, such as an ICMP error. */
  fault?(channel: Channel, message: string): void;
  /** Something is known of the other side that is worth an event, and no failure (a program's exit status). */
  note?(channel: Channel, message: string): void;
  /** The first messages were dropped for this reason, so many; further ones are only counted. */
  dropped?(channel: Channel, reason: DropReason, messages: number): void;
  /** The peer has said that it is there, without a message (a WebSocket's ping): that is no silence. */
  active?(channel: Channel): void;
  /** The channel's `socket` has come, or is gone. */
  socketChanged?(channel: Channel): void;
  /** The peer has begun to send to several of our addresses. */
  wanders?(): void;
}
