import type { Channel, ChannelOwner, CloseReason, DropReason } from '../core/channel.ts';
import type { L7mpError } from '../core/errors.ts';
import { toldError, toldReason } from '../core/told.ts';
import type { Listener } from '../listener/listener.ts';

/** What both ends of a session, the client and the stages, tell it. `where` is for a person. */
export interface EndOwner {
  /** The peer has sent something, if only a sign that it is there. */
  active(): void;
  /** The peer is gone, and what it sent before is still to be read. */
  lingers(): void;
  socketChanged(): void;
  fault(where: string, message: string): void;
  dropped(where: string, reason: DropReason, messages: number): void;
}

/** What a client tells its session. */
export interface ClientOwner extends EndOwner {
  readonly listener: Listener;
  /** The client is gone, and what it sent before was read. */
  clientClosed(reason: CloseReason): void;
  /** The client sends to several addresses of this machine. */
  clientWanders(): void;
}

const WHERE = 'client';

/** The client's end of a session: the listener's channel, and what is told through it. */
export class Client implements ChannelOwner {
  readonly channel: Channel;
  readonly #owner: ClientOwner;
  /** Why the client is gone, once it is. */
  lost: CloseReason | undefined;
  /** Messages from the client when that was last asked. */
  #counted = 0;

  constructor(channel: Channel, owner: ClientOwner) {
    this.channel = channel;
    this.#owner = owner;
    channel.owner = this;
  }

  /** The client has said all that it had to say, and got all that it gets. */
  get complete(): boolean {
    return this.lost !== undefined || (this.channel.endSent && this.channel.endRead);
  }

  /** Whether the client has sent something since this was last asked. */
  get hasSent(): boolean {
    this.channel.refresh();
    const { messagesIn } = this.channel;
    const more = messagesIn !== this.#counted;
    this.#counted = messagesIn;
    return more;
  }

  // ------------------------------------------------------------------ what it is told

  /** The session cannot be made. */
  refuse(error: L7mpError): void {
    this.channel.refuse(this.#verbose ? error : toldError(error));
  }

  /** The session has failed. Half of an answer must not look like a whole one: a byte stream is reset. */
  fail(error: L7mpError): void {
    if (this.channel.kind === 'stream') this.channel.close({ kind: 'reset', message: error.message });
    else this.refuse(error);
  }

  close(reason: CloseReason): void {
    this.channel.close(this.told(reason));
  }

  /** What peers are told of the reason. */
  told(reason: CloseReason): CloseReason {
    return this.#verbose ? reason : toldReason(reason);
  }

  get #verbose(): boolean {
    return this.#owner.listener.definition.options.verbose_errors === true;
  }

  // ------------------------------------------------------------------ the channel's owner

  closed(_channel: Channel, reason: CloseReason): void {
    this.lost = reason;
    this.#owner.clientClosed(reason);
  }

  lingering(): void {
    this.#owner.lingers();
  }

  fault(_channel: Channel, message: string): void {
    this.#owner.fault(WHERE, message);
  }

  dropped(_channel: Channel, reason: DropReason, messages: number): void {
    this.#owner.dropped(WHERE, reason, messages);
  }

  active(): void {
    this.#owner.active();
  }

  socketChanged(): void {
    this.#owner.socketChanged();
  }

  wanders(): void {
    this.#owner.clientWanders();
  }
}
