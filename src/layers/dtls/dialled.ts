/** The side of a cluster. */
import { isIP } from 'node:net';
import type { Channel } from '../../core/channel.ts';
import { DtlsConnection } from '../../openssl/dtls-connection.ts';
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
    const name = input.servername ?? this.#address;
    const connection = new DtlsConnection(context, mtu, {
      // An address is no name that may be asked for (RFC 6066 section 3).
      servername: isIP(name) === 0 ? name : undefined,
      verifyName: input.verify === false ? undefined : name,
    });
    this.attach(connection);
    this.proceed();
  }
}
