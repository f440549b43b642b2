/** The side of a listener. */
import { BINARY } from '../../core/channel.ts';
import { L7mpError } from '../../core/errors.ts';
import type { Metadata } from '../../core/metadata.ts';
import { DtlsConnection } from '../../openssl/dtls-connection.ts';
import type { Agreed } from '../../openssl/ssl.ts';
import { agreedMetadata, copyOf } from '../tls/about.ts';
import { ALERT } from '../tls/alert.ts';
import { DtlsChannel } from './channel.ts';
import type { DtlsServerIdentity } from './identity.ts';
import type { OneOfPeer } from './peer.ts';
import { fatalAlert, type Hello } from './record.ts';
import type { Retransmissions } from './retransmissions.ts';

export class AcceptedDtlsChannel extends DtlsChannel {
  readonly #lower: OneOfPeer;
  readonly #identity: DtlsServerIdentity;
  readonly #servername: string | undefined;
  #hello: Hello | undefined;
  #agreed: Agreed | undefined;

  /** `hello`: with which the client begins; it comes through `lower`, too. */
  constructor(lower: OneOfPeer, hello: Hello, identity: DtlsServerIdentity, retransmissions: Retransmissions) {
    super(lower, retransmissions);
    this.#lower = lower;
    this.#identity = identity;
    this.#hello = hello;
    this.#servername = hello.offered.servername;
  }

  protected override start(): void {}

  protected override shake(bytes: Uint8Array): void {
    const hello = this.#hello;
    this.#hello = undefined;
    if (hello) this.#begin(hello, bytes);
    else super.shake(bytes);
  }

  #begin(hello: Hello, bytes: Uint8Array): void {
    const context = this.#identity.contextFor(this.#servername);
    if (!context) {
      this.lower.write(fatalAlert(hello, ALERT.unrecognizedName), BINARY, true);
      const asked = this.#servername ?? 'a client that names no server';
      this.fail(new L7mpError('E_HANDSHAKE', `there is no certificate for ${asked}`));
      return;
    }
    const connection = new DtlsConnection(context, this.#identity.mtu);
    this.attach(connection);
    if (connection.listen(bytes)) this.proceed();
    else this.fail(new L7mpError('E_HANDSHAKE', 'DTLS: the ClientHello is malformed'));
  }

  protected override established(connection: DtlsConnection): void {
    this.#agreed = connection.agreed();
    this.#lower.settle();
  }

  protected override about(): Metadata {
    return this.#agreed ? { TLS: this.#metadata(this.#agreed) } : {};
  }

  #metadata(agreed: Agreed): Metadata {
    const { input, latest } = this.#identity;
    const asked = (input.client_auth ?? 'none') !== 'none';
    const refusal = agreed.certificate ? agreed.flaw : 'the client has no certificate';
    return copyOf(agreedMetadata(agreed, this.#servername, asked, refusal, latest));
  }
}
