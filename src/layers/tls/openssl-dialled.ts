/** The side of a cluster, on OpenSSL. */
import type { Channel, CloseReason } from '../../core/channel.ts';
import type { L7mpError } from '../../core/errors.ts';
import type { Metadata } from '../../core/metadata.ts';
import type { Pointer } from '../../openssl/openssl.ts';
import type { Resumption, ServerName } from '../../openssl/ssl.ts';
import { TlsConnection } from '../../openssl/tls-connection.ts';
import { agreedMetadata } from './about.ts';
import { endpointName } from './endpoint-name.ts';
import { OpensslTlsChannel } from './openssl-channel.ts';
import type { OpensslClientIdentity } from './openssl-identity.ts';
import type { SessionCache } from './session-cache.ts';

export class OpensslDialledChannel extends OpensslTlsChannel {
  readonly #identity: OpensslClientIdentity;
  readonly #address: string;
  readonly #endpoint: string;
  #name: ServerName = {};

  /** `address`: the endpoint's. `endpoint`: which one it is, of those with this address. */
  constructor(lower: Channel, identity: OpensslClientIdentity, address: string, endpoint = address) {
    super(lower);
    this.#identity = identity;
    this.#address = address;
    this.#endpoint = endpoint;
  }

  protected override get where(): string {
    return `${this.#address}: `;
  }

  protected override start(): void {
    const { input, context, sessions } = this.#identity;
    this.#name = endpointName(input, this.#address);
    const resumption = sessions && resumptionOf(sessions, this.#endpoint);
    this.attach(new TlsConnection(context, this.put, this.#name, resumption));
    this.proceed();
  }

  override fail(error: L7mpError, kind?: CloseReason['kind']): void {
    this.#identity.sessions?.forget(this.#endpoint);
    super.fail(error, kind);
  }

  protected override failure(error: Error): L7mpError {
    const mismatch = /^(hostname|IP address) mismatch$/.test(error.message);
    const { verifyName } = this.#name;
    return super.failure(
      mismatch ? new Error(`the certificate is not that of ${verifyName}: ${error.message}`) : error,
    );
  }

  protected override metadata(connection: TlsConnection): Metadata {
    const { input, latest } = this.#identity;
    const refusal = (input.verify ?? true) ? undefined : 'it was not verified';
    return agreedMetadata(connection.agreed(), this.#name.servername, true, refusal, latest);
  }
}

function resumptionOf(sessions: SessionCache<Pointer>, endpoint: string): Resumption {
  return {
    offer: (use) => sessions.offer(endpoint, use),
    keep: (session, once) => sessions.keep(endpoint, session, once),
  };
}
