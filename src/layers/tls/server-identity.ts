/** What a listener is to its clients: its certificates, by name, and what it asks of them. Made anew when files change. */

import { constants, createHash } from 'node:crypto';
import type { SecureContext } from 'node:tls';
import type { SharedSecret } from '../../core/shared-secret.ts';
import type { KeyPair, Sources } from './material.ts';
import { secureContext } from './secure-context.ts';
import { Servernames } from './servernames.ts';
import type { ServerInput } from './settings.ts';

/** Bytes of node's ticket keys: a name, and the keys of an HMAC and a cipher. */
const TICKET_KEYS = 48;

/** What a listener has of its files. */
export interface ServerMaterial {
  readonly own: KeyPair | undefined;
  readonly named: readonly (readonly [servernames: readonly string[], pair: KeyPair])[];
  readonly authorities: readonly string[] | undefined;
}

/** Rejects with E_FILE or E_CERTIFICATE, naming the field. */
export async function readServer(
  { cert, key, ca, certificates = [] }: ServerInput,
  sources: Sources,
): Promise<ServerMaterial> {
  const own = cert !== undefined && key !== undefined ? await sources.pair({ cert, key }, '/tls') : undefined;
  const named: [readonly string[], KeyPair][] = [];
  for (const [n, { servernames, ...pair }] of certificates.entries()) {
    named.push([servernames, await sources.pair(pair, `/tls/certificates/${n}`)]);
  }
  return { own, named, authorities: ca === undefined ? undefined : await sources.authorities(ca, '/tls/ca') };
}

/** What connections of clients are begun with. */
export class ServerIdentity {
  readonly #input: ServerInput;
  readonly #material: ServerMaterial;
  readonly #secret: SharedSecret;
  /** Of whose tickets they are: those of other certificates of clients, or of other listeners, are none here. */
  readonly #label: string;
  #made: Contexts | undefined;

  /** Throws E_CERTIFICATE where node does not take what it is made of. */
  constructor(input: ServerInput, material: ServerMaterial, secret: SharedSecret, listener: string) {
    this.#input = input;
    this.#material = material;
    this.#secret = secret;
    const { client_auth = 'none' } = input;
    const trusted = createHash('sha256').update(JSON.stringify([listener, client_auth, material.authorities ?? []]));
    this.#label = `TLS tickets ${trusted.digest('hex')}`;
    this.#contexts();
  }

  get input(): ServerInput {
    return this.#input;
  }

  /** For a client that asks for this name; undefined where it is to be told that there is no such one. */
  contextFor(servername: string | undefined): SecureContext | undefined {
    const { own, names } = this.#contexts();
    return names.choose(servername, own, this.#input.strict_sni);
  }

  #contexts(): Contexts {
    const version = this.#secret.version;
    if (this.#made?.version !== version) this.#made = this.#make(version);
    return this.#made;
  }

  #make(version: number): Contexts {
    const { own, named } = this.#material;
    const ticketKeys = this.#secret.derive(this.#label, TICKET_KEYS);
    const context = (pair: KeyPair): SecureContext => this.#context(pair, ticketKeys);
    return {
      version,
      own: own && context(own),
      names: new Servernames(named.map(([servernames, pair]) => [servernames, context(pair)] as const)),
    };
  }

  #context({ cert, key }: KeyPair, ticketKeys: Buffer): SecureContext {
    const { resumption = true } = this.#input;
    const { authorities } = this.#material;
    return secureContext(this.#input, {
      cert,
      key,
      ...(resumption && { ticketKeys }),
      // With TLS 1.3 a client gets tickets all the same, which name sessions that nobody has kept.
      ...(!resumption && { secureOptions: constants.SSL_OP_NO_TICKET }),
      sessionIdContext: this.#label.slice(-32),
      honorCipherOrder: true,
      ...(authorities && { ca: [...authorities] }),
    });
  }
}

interface Contexts {
  /** Of the secret that the keys of their tickets are made of. */
  readonly version: number;
  readonly own: SecureContext | undefined;
  readonly names: Servernames<SecureContext>;
}
