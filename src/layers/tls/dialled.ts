/** The side of a cluster, on node's TLS. */
import { isIP } from 'node:net';
import { type ConnectionOptions, connect, createSecureContext, type SecureContext, type TLSSocket } from 'node:tls';
import type { Channel } from '../../core/channel.ts';
import { L7mpError } from '../../core/errors.ts';
import type { Metadata } from '../../core/metadata.ts';
import { connectionMetadata } from './about.ts';
import { readClientMaterial } from './client-material.ts';
import type { Sources } from './material.ts';
import { NodeTlsChannel } from './node-channel.ts';
import type { ClientInput } from './settings.ts';

/** What a cluster has of its files. */
export interface ClientIdentity {
  readonly input: ClientInput;
  readonly context: SecureContext;
}

/** Rejects with E_FILE or E_CERTIFICATE, naming the field. */
export async function readClient(input: ClientInput, sources: Sources): Promise<ClientIdentity> {
  const { min_version = '1.2' } = input;
  const { pair, authorities } = await readClientMaterial(input, sources);
  const context = createSecureContext({
    ...pair,
    ...(authorities && { ca: [...authorities] }),
    minVersion: `TLSv${min_version}`,
  });
  return { input, context };
}

/** A connection to an endpoint. */
export class DialledTlsChannel extends NodeTlsChannel {
  readonly #identity: ClientIdentity;
  readonly #address: string;

  /** `address`: the endpoint's. */
  constructor(lower: Channel, identity: ClientIdentity, address: string) {
    super(lower);
    this.#identity = identity;
    this.#address = address;
  }

  protected override get where(): string {
    return `${this.#address}: `;
  }

  protected override start(): void {
    const { input, context } = this.#identity;
    const { alpn, verify = true } = input;
    const name = servernameFor(input, this.#address);
    if (verify && name === undefined) {
      throw new L7mpError('E_HANDSHAKE', `${this.where}TLS: /tls/servername is needed: this is no name to verify`);
    }
    const options: ConnectionOptions = { secureContext: context, host: name ?? '', rejectUnauthorized: verify };
    // An address is no name that may be asked for (RFC 6066 section 3).
    if (name !== undefined && isIP(name) === 0) options.servername = name;
    if (alpn) options.ALPNProtocols = [...alpn];
    const socket = connect({ ...options, socket: this.wire });
    this.attach(socket);
    socket.once('secureConnect', () => this.secured());
  }

  protected override metadata(socket: TLSSocket): Metadata {
    const { verify = true } = this.#identity.input;
    return connectionMetadata(socket, true, verify ? undefined : 'it was not verified');
  }
}

/** Whose certificate it must be: what is configured, or the endpoint's address; undefined for the path of a socket. */
export function servernameFor({ servername }: ClientInput, address: string): string | undefined {
  return servername ?? (address.startsWith('/') || address.startsWith('@') ? undefined : address);
}
