import { BINARY, type CloseReason, type QueueLimits } from '../../../../core/channel.ts';
import type { Credentials, UnixMessageAddress } from '../../../../core/engine.ts';
import type { SocketOptions } from '../../streams/connected.ts';
import { MSG_TRUNC } from '../../system/constants.ts';
import { peerCredentials } from '../../system/peer-credentials.ts';
import type { MessageHub } from '../hub.ts';
import { MessageSocket } from '../socket.ts';
import { askForCredentials, CREDENTIALS_CONTROL, largest } from './socket.ts';

/** A connected UNIX socket that keeps messages apart: of a connection, or one that sends datagrams to one other. */
export class UnixMessageChannel extends MessageSocket {
  readonly #kind: UnixMessageAddress['kind'];
  #largest = 0;
  #credentials: Credentials | undefined;

  constructor(
    hub: MessageHub,
    fd: number,
    limits: QueueLimits,
    kind: UnixMessageAddress['kind'],
    options: SocketOptions = {},
  ) {
    super(hub, fd, limits, undefined, options);
    this.#kind = kind;
    askForCredentials(fd);
  }

  override get halfClose(): boolean {
    return this.#kind === 'seqpacket';
  }

  /** As that of whom it talks to: its queue may be full. */
  override get lossy(): boolean {
    return this.#kind === 'dgram';
  }

  override get maxMessage(): number {
    if (this.#largest === 0 && this.open) this.#largest = largest(this.fd);
    return this.#largest;
  }

  get credentials(): Credentials | undefined {
    if (this.open) this.#credentials ??= peerCredentials(this.fd);
    return this.#credentials;
  }

  // ------------------------------------------------------------------ receiving

  protected override receive(): number {
    return this.hub.receive(this.fd, CREDENTIALS_CONTROL);
  }

  protected override get isEnd(): boolean {
    return this.#kind === 'seqpacket' && this.hub.controlLength === 0;
  }

  protected received(size: number): void {
    if (this.hub.flags & MSG_TRUNC) this.drop('too-large');
    else this.deliver(this.hub.bytes(size), BINARY, false);
  }

  // ------------------------------------------------------------------ sending

  protected transmit(bytes: Uint8Array): number {
    return this.hub.send(this.fd, bytes, 0, 0);
  }

  /** Whoever gets datagrams never hears of an end, and has none: there is nothing to wait for. */
  protected override shut(reason: CloseReason): void {
    if (this.#kind === 'seqpacket') {
      super.shut(reason);
      return;
    }
    this.backlog?.write();
    this.cut();
  }
}
