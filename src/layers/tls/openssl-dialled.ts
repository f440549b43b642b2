/** The side of a cluster, on OpenSSL. */
import { isIP } from 'node:net';
import type { Channel } from '../../core/channel.ts';
import { L7mpError } from '../../core/errors.ts';
import type { Metadata } from '../../core/metadata.ts';
import { TlsConnection } from '../../openssl/tls-connection.ts';
import { agreedMetadata } from './about.ts';
import { servernameFor } from './dialled.ts';
import { OpensslTlsChannel } from './openssl-channel.ts';
import type { OpensslClientIdentity } from './openssl-identity.ts';

export class OpensslDialledChannel extends OpensslTlsChannel {
  readonly #identity: OpensslClientIdentity;
  readonly #address: string;
  #servername: string | undefined;

  /** `address`: the endpoint's. */
  constructor(lower: Channel, identity: OpensslClientIdentity, address: string) {
    super(lower);
    this.#identity = identity;
    this.#address = address;
  }

  protected override get where(): string {
    return `${this.#address}: `;
  }

  protected override start(): void {
    const { input, context } = this.#identity;
    const { verify = true } = input;
    const name = servernameFor(input, this.#address);
    if (verify && name === undefined) {
      throw new L7mpError('E_HANDSHAKE', `${this.where}TLS: /tls/servername is needed: this is no name to verify`);
    }
    // An address is no name that may be asked for (RFC 6066 section 3).
    this.#servername = name !== undefined && isIP(name) === 0 ? name : undefined;
    const names = { servername: this.#servername, verifyName: verify ? name : undefined };
    this.attach(new TlsConnection(context, this.put, names));
    this.proceed();
  }

  protected override failure(error: Error): L7mpError {
    const name = servernameFor(this.#identity.input, this.#address);
    const mismatch = /^(hostname|IP address) mismatch$/.test(error.message);
    return super.failure(mismatch ? new Error(`the certificate is not that of ${name}: ${error.message}`) : error);
  }

  protected override metadata(connection: TlsConnection): Metadata {
    const { input, latest } = this.#identity;
    const refusal = (input.verify ?? true) ? undefined : 'it was not verified';
    return agreedMetadata(connection.agreed(), this.#servername, true, refusal, latest);
  }
}
