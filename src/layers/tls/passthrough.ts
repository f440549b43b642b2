import type { MessageAttributes } from '../../core/channel.ts';
import type { SocketChannel } from '../../core/engine.ts';
import { LayerChannel } from '../../core/layer.ts';
import type { Metadata } from '../../core/metadata.ts';
import { type ClientHello, HelloReader } from './client-hello.ts';
import { noHello } from './no-hello.ts';

/** A client's connection that is passed on as it is, with what its ClientHello says for the rules. */
export class PassedThroughChannel extends LayerChannel {
  readonly #reader = new HelloReader();
  #hello: ClientHello | undefined;

  /** Behind the ClientHello, there is nothing left to do. */
  override get socket(): SocketChannel | undefined {
    return this.#hello && this.lower.socket;
  }

  protected override start(): void {}

  protected override shake(bytes: Uint8Array, attributes: MessageAttributes): void {
    try {
      this.#hello = this.#reader.take(bytes);
    } catch (error) {
      this.fail(noHello(error));
    }
    if (!this.#hello || !this.open) return;
    this.deliver(this.#reader.bytes, attributes, true);
    this.complete();
  }

  protected override about(): Metadata {
    const { servername, alpn = [] } = this.#hello ?? {};
    return { TLS: { ...(servername !== undefined && { servername }), ...(alpn.length > 0 && { alpn: [...alpn] }) } };
  }
}
