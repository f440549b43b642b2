/** The side of a cluster, on node's TLS. */
import { type ConnectionOptions, connect, type SecureContext, type TLSSocket } from 'node:tls';
import type { Channel, CloseReason } from '../../core/channel.ts';
import type { L7mpError } from '../../core/errors.ts';
import type { Metadata } from '../../core/metadata.ts';
import { connectionMetadata, peerMetadata } from './about.ts';
import { readClientMaterial } from './client-material.ts';
import { endpointName } from './endpoint-name.ts';
import type { Sources } from './material.ts';
import { NodeTlsChannel } from './node-channel.ts';
import { secureContext } from './secure-context.ts';
import { SessionCache } from './session-cache.ts';
import type { ClientInput } from './settings.ts';

/** What a cluster has of its files. */
export interface ClientIdentity {
  readonly input: ClientInput;
  readonly context: SecureContext;
  /** undefined: none is resumed. */
  readonly sessions: SessionCache<Known> | undefined;
}

/** A session, and whose certificate it was made with: node has none of a connection that resumes. */
interface Known {
  readonly session: Buffer;
  readonly peer: Metadata;
}

/** Rejects with E_FILE or E_CERTIFICATE, naming the field. */
export async function readClient(input: ClientInput, sources: Sources): Promise<ClientIdentity> {
  const { resumption = true } = input;
  const { pair, authorities } = await readClientMaterial(input, sources);
  const context = secureContext(input, { ...pair, ...(authorities && { ca: [...authorities] }) });
  return { input, context, sessions: resumption ? new SessionCache() : undefined };
}

/** A connection to an endpoint. */
export class DialledTlsChannel extends NodeTlsChannel {
  readonly #identity: ClientIdentity;
  readonly #address: string;
  readonly #endpoint: string;
  #offered: Known | undefined;
  #described: Metadata | undefined;

  /** `address`: the endpoint's. `endpoint`: which one it is, of those with this address. */
  constructor(lower: Channel, identity: ClientIdentity, address: string, endpoint = address) {
    super(lower);
    this.#identity = identity;
    this.#address = address;
    this.#endpoint = endpoint;
  }

  protected override get where(): string {
    return `${this.#address}: `;
  }

  protected override start(): void {
    const { input, context } = this.#identity;
    const { alpn, verify = true } = input;
    const { servername, verifyName } = endpointName(input, this.#address);
    const options: ConnectionOptions = { secureContext: context, host: verifyName ?? '', rejectUnauthorized: verify };
    if (servername !== undefined) options.servername = servername;
    if (alpn) options.ALPNProtocols = [...alpn];
    this.#resume(options);
    const socket = connect({ ...options, socket: this.wire });
    this.attach(socket);
    socket.on('session', (session: Buffer) => this.#keep(socket, session));
    socket.once('secureConnect', () => this.secured());
  }

  #resume(options: ConnectionOptions): void {
    this.#identity.sessions?.offer(this.#endpoint, (known) => {
      this.#offered = known;
      options.session = known.session;
    });
  }

  #keep(socket: TLSSocket, session: Buffer): void {
    const once = socket.getProtocol() === 'TLSv1.3';
    this.#identity.sessions?.keep(this.#endpoint, { session, peer: this.#peer(socket) }, once);
  }

  #peer(socket: TLSSocket): Metadata {
    if (this.#offered && socket.isSessionReused()) return this.#offered.peer;
    this.#described ??= peerMetadata(socket.getPeerCertificate());
    return this.#described;
  }

  override fail(error: L7mpError, kind?: CloseReason['kind']): void {
    this.#identity.sessions?.forget(this.#endpoint);
    super.fail(error, kind);
  }

  protected override metadata(socket: TLSSocket): Metadata {
    const { verify = true } = this.#identity.input;
    return connectionMetadata(socket, true, verify ? undefined : 'it was not verified', () => this.#peer(socket));
  }
}
