/** What a listener or a cluster is to its peers, in contexts of OpenSSL's: to be freed. */
import { createHash } from 'node:crypto';
import { L7mpError } from '../../core/errors.ts';
import type { SharedSecret } from '../../core/shared-secret.ts';
import { SslContext, type SslSettings } from '../../openssl/context.ts';
import { LatestCertificate } from './about.ts';
import { readClientMaterial } from './client-material.ts';
import type { KeyPair, Sources } from './material.ts';
import type { ServerMaterial } from './server-identity.ts';
import { Servernames } from './servernames.ts';
import type { ClientInput, ServerInput } from './settings.ts';

/** Bytes of OpenSSL's ticket keys: a name, and the keys of an HMAC and a cipher. */
const TICKET_KEYS = 80;

interface Contexts {
  /** Of the secret that the keys of their tickets are made of. */
  readonly version: number;
  readonly own: SslContext | undefined;
  readonly names: Servernames<SslContext>;
  readonly all: readonly SslContext[];
}

export class OpensslServerIdentity {
  readonly input: ServerInput;
  readonly #material: ServerMaterial;
  readonly #secret: SharedSecret;
  /** Of whose tickets they are: those of other certificates of clients, or of other listeners, are none here. */
  readonly #owner: Buffer;
  #made: Contexts | undefined;

  /** Throws E_CERTIFICATE where OpenSSL does not take what it is made of. */
  constructor(input: ServerInput, material: ServerMaterial, secret: SharedSecret, listener: string) {
    this.input = input;
    this.#material = material;
    this.#secret = secret;
    const { client_auth = 'none' } = input;
    const trusted = createHash('sha256').update(JSON.stringify([listener, client_auth, material.authorities ?? []]));
    this.#owner = trusted.digest();
    this.#contexts();
  }

  /** For a client that asks for this name; undefined where it is to be told that there is no such one. */
  contextFor(servername: string | undefined): SslContext | undefined {
    const { own, names } = this.#contexts();
    return names.choose(servername, own, this.input.strict_sni);
  }

  /** Connections that were made with it go on; who asks again gets others. */
  free(): void {
    for (const context of this.#made?.all ?? []) context.free();
    this.#made = undefined;
  }

  #contexts(): Contexts {
    const version = this.#secret.version;
    if (this.#made?.version !== version) {
      const made = this.#make(version);
      this.free();
      this.#made = made;
    }
    return this.#made as Contexts;
  }

  #make(version: number): Contexts {
    const { own, named, authorities } = this.#material;
    const { client_auth: verify = 'none', alpn, min_version: minVersion = '1.2' } = this.input;
    const keys = this.#secret.derive(`TLS tickets of OpenSSL ${this.#owner.toString('hex')}`, TICKET_KEYS);
    const stream = { minVersion, tickets: { keys, owner: this.#owner } };
    const all: SslContext[] = [];
    const context = (pair: KeyPair): SslContext => {
      const made = contextOf({ ...pair, role: 'server', verify, alpn, stream, ca: authorities?.join('\n') });
      all.push(made);
      return made;
    };
    return {
      version,
      own: own && context(own),
      names: new Servernames(named.map(([servernames, pair]) => [servernames, context(pair)] as const)),
      all,
    };
  }
}

export interface OpensslClientIdentity {
  readonly input: ClientInput;
  readonly context: SslContext;
  /** Of its endpoints. */
  readonly latest: LatestCertificate;
}

/** Rejects with E_FILE or E_CERTIFICATE, naming the field. */
export async function readOpensslClient(input: ClientInput, sources: Sources): Promise<OpensslClientIdentity> {
  const { verify = true, alpn, min_version: minVersion = '1.2' } = input;
  const { pair, authorities } = await readClientMaterial(input, sources);
  const context = contextOf({
    ...pair,
    role: 'client',
    verify: verify ? 'require' : 'none',
    alpn,
    ca: authorities?.join('\n'),
    stream: { minVersion },
  });
  return { input, context, latest: new LatestCertificate() };
}

function contextOf(settings: SslSettings): SslContext {
  try {
    return new SslContext(settings);
  } catch (error) {
    throw new L7mpError('E_CERTIFICATE', `/tls: ${(error as Error).message}`, { cause: error });
  }
}
