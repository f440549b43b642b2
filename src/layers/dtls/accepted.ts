/** The side of a listener. */
import { X509Certificate } from 'node:crypto';
import { BINARY } from '../../core/channel.ts';
import { L7mpError } from '../../core/errors.ts';
import type { Metadata } from '../../core/metadata.ts';
import { DtlsConnection } from '../../openssl/dtls-connection.ts';
import type { Agreed } from '../../openssl/ssl.ts';
import { peerMetadata } from '../tls/about.ts';
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

  #metadata({ version, cipher, alpn, certificate, flaw }: Agreed): Metadata {
    const servername = this.#servername;
    const metadata: Metadata = {
      version,
      cipher,
      ...(servername !== undefined && { servername }),
      ...(alpn !== undefined && { alpn }),
    };
    if ((this.#identity.input.client_auth ?? 'none') === 'none') return metadata;
    const refusal = certificate ? flaw : 'the client has no certificate';
    if (refusal !== undefined) return { ...metadata, authorized: false, authorization_error: refusal };
    const peer = new X509Certificate(certificate as Buffer).toLegacyObject();
    return { ...metadata, authorized: true, peer: peerMetadata(peer) };
  }
}
