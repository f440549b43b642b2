/** The side of a listener, on OpenSSL. */
import type { Channel } from '../../core/channel.ts';
import type { L7mpError } from '../../core/errors.ts';
import type { Metadata } from '../../core/metadata.ts';
import { TlsConnection } from '../../openssl/tls-connection.ts';
import { agreedMetadata } from './about.ts';
import { ALERT, alert } from './alert.ts';
import { type ClientHello, HelloReader } from './client-hello.ts';
import { noHello, refused } from './no-hello.ts';
import { OpensslTlsChannel } from './openssl-channel.ts';
import type { OpensslServerIdentity } from './openssl-identity.ts';

/** What OpenSSL says where a client shows no certificate, or one that is not taken. */
const BAD_CERTIFICATE = /certificate|self-signed|unsuitable|issuer|CA /i;

export class OpensslAcceptedChannel extends OpensslTlsChannel {
  readonly #identity: OpensslServerIdentity;
  #hello: HelloReader | undefined = new HelloReader();
  #servername: string | undefined;

  constructor(lower: Channel, identity: OpensslServerIdentity) {
    super(lower);
    this.#identity = identity;
  }

  protected override start(): void {}

  protected override shake(bytes: Uint8Array): void {
    const reader = this.#hello;
    if (!reader) {
      super.shake(bytes);
      return;
    }
    let hello: ClientHello | undefined;
    try {
      hello = reader.take(bytes);
    } catch (error) {
      this.fail(noHello(error));
      return;
    }
    if (!hello) return;
    this.#hello = undefined;
    this.#begin(hello, reader.bytes);
  }

  #begin({ servername }: ClientHello, bytes: Uint8Array): void {
    this.#servername = servername;
    const context = this.#identity.contextFor(servername);
    if (!context) {
      this.lower.write(alert(ALERT.unrecognizedName));
      const why = `there is no certificate for ${servername ?? 'a client that names no server'}`;
      this.fail(refused('unknown-servername', why));
      return;
    }
    this.attach(new TlsConnection(context, this.put));
    this.proceed(bytes);
  }

  protected override failure(error: Error): L7mpError {
    const asks = this.#identity.input.client_auth === 'require' && BAD_CERTIFICATE.test(error.message);
    return asks ? refused('bad-certificate', `the client’s certificate: ${error.message}`) : super.failure(error);
  }

  protected override metadata(connection: TlsConnection): Metadata {
    const { input, latest } = this.#identity;
    const asked = (input.client_auth ?? 'none') !== 'none';
    const agreed = connection.agreed(asked);
    const refusal = agreed.certificate ? agreed.flaw : 'the client has no certificate';
    return agreedMetadata(agreed, this.#servername, asked, refusal, latest);
  }
}
