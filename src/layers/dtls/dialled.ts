/** The side of a cluster. */
import type { Channel } from '../../core/channel.ts';
import { DtlsConnection } from '../../openssl/dtls-connection.ts';
import { endpointName } from '../tls/endpoint-name.ts';
import { DtlsChannel } from './channel.ts';
import type { DtlsClientIdentity } from './identity.ts';
import type { Retransmissions } from './retransmissions.ts';

export class DialledDtlsChannel extends DtlsChannel {
  readonly #identity: DtlsClientIdentity;
  readonly #address: string;

  /** `address`: the endpoint's. */
  constructor(lower: Channel, identity: DtlsClientIdentity, address: string, retransmissions: Retransmissions) {
    super(lower, retransmissions);
    this.#identity = identity;
    this.#address = address;
  }

  protected override start(): void {
    const { context, input, mtu } = this.#identity;
    const connection = new DtlsConnection(context, mtu, endpointName(input, this.#address));
    this.attach(connection);
    this.proceed();
  }
}
