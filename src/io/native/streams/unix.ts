import type { Socket } from 'node:net';
import type { Credentials } from '../../../core/engine.ts';
import { peerCredentials } from '../system/peer-credentials.ts';
import { NativeStreamChannel } from './channel.ts';

/** A byte stream of a UNIX socket that was accepted. */
export class UnixStreamChannel extends NativeStreamChannel {
  #credentials: Credentials | undefined;

  /** Asked for once: the descriptor may be another's when it is closed. */
  get credentials(): Credentials | undefined {
    if (this.open) this.#credentials ??= peerCredentials(this.fd);
    return this.#credentials;
  }

  override takeSocket(): Socket | undefined {
    // What stands on it may still want to know.
    void this.credentials;
    return super.takeSocket();
  }
}
