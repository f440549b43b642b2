/** The side of a listener, on node's TLS. */
import { TLSSocket } from 'node:tls';
import type { Channel, MessageAttributes } from '../../core/channel.ts';
import type { Metadata } from '../../core/metadata.ts';
import { connectionMetadata } from './about.ts';
import { ALERT, alert } from './alert.ts';
import { type ClientHello, HelloReader } from './client-hello.ts';
import { noHello, refused } from './no-hello.ts';
import { NodeTlsChannel } from './node-channel.ts';
import type { ServerIdentity } from './server-identity.ts';

/** What node knows of a certificate that it was asked to verify, and does not say elsewhere of a socket without a server. */
interface Verifying {
  readonly ssl: { verifyError(): (Error & { readonly code?: string }) | null | undefined };
}

/** A client's connection. The client's first words are read before node has them: they say which certificate it wants. */
export class AcceptedTlsChannel extends NodeTlsChannel {
  readonly #identity: ServerIdentity;
  #hello: HelloReader | undefined = new HelloReader();
  #refusal: string | undefined;

  constructor(lower: Channel, identity: ServerIdentity) {
    super(lower);
    this.#identity = identity;
  }

  protected override start(): void {}

  protected override shake(bytes: Uint8Array, attributes: MessageAttributes, owned: boolean): void {
    const reader = this.#hello;
    if (!reader) {
      super.shake(bytes, attributes, owned);
      return;
    }
    try {
      const hello = reader.take(bytes);
      if (!hello || !this.#begin(hello)) return;
    } catch (error) {
      this.fail(noHello(error));
      return;
    }
    this.#hello = undefined;
    this.wire.feed(reader.bytes, true);
  }

  protected override metadata(socket: TLSSocket): Metadata {
    return connectionMetadata(socket, this.#asks, this.#refusal);
  }

  get #asks(): boolean {
    return (this.#identity.input.client_auth ?? 'none') !== 'none';
  }

  #begin({ servername }: ClientHello): boolean {
    const secureContext = this.#identity.contextFor(servername);
    if (!secureContext) {
      this.lower.write(alert(ALERT.unrecognizedName));
      const why = `there is no certificate for ${servername ?? 'a client that names no server'}`;
      this.fail(refused('unknown-servername', why));
      return false;
    }
    const { alpn } = this.#identity.input;
    const socket = new TLSSocket(this.wire as never, {
      isServer: true,
      secureContext,
      requestCert: this.#asks,
      rejectUnauthorized: false,
      ...(alpn && { ALPNProtocols: [...alpn] }),
    });
    this.attach(socket);
    socket.once('secure', () => this.#shaken(socket));
    return true;
  }

  /** Node verifies, and leaves it to its server to act on that. */
  #shaken(socket: TLSSocket): void {
    if (this.#asks) {
      const error = (socket as unknown as Verifying).ssl.verifyError();
      const none = Object.keys(socket.getPeerCertificate()).length === 0;
      if (none) this.#refusal = 'the client has no certificate';
      else if (error) this.#refusal = error.message;
      if (this.#refusal !== undefined && this.#identity.input.client_auth === 'require') {
        this.fail(refused('bad-certificate', `the client’s certificate: ${this.#refusal}`));
        return;
      }
    }
    this.secured();
  }
}
