/** What a listener or a cluster is to its peers, in contexts of OpenSSL's: to be freed. */
import { createHash } from 'node:crypto';
import type { SharedSecret } from '../../core/shared-secret.ts';
import type { SslContext } from '../../openssl/context.ts';
import { openssl, type Pointer } from '../../openssl/openssl.ts';
import { LatestCertificate } from './about.ts';
import { type ClientMaterial, readClientMaterial } from './client-material.ts';
import { clientSettings, SslContexts } from './contexts.ts';
import type { KeyPair, Sources } from './material.ts';
import type { ServerMaterial } from './server-identity.ts';
import { Servernames } from './servernames.ts';
import { SessionCache } from './session-cache.ts';
import type { ClientInput, ServerInput } from './settings.ts';

/** Bytes of OpenSSL's ticket keys: a name, and the keys of an HMAC and a cipher. */
const TICKET_KEYS = 80;

interface Contexts {
  /** Of the secret that the keys of their tickets are made of. */
  readonly version: number;
  readonly own: SslContext | undefined;
  readonly names: Servernames<SslContext>;
  readonly all: SslContexts;
}

export class OpensslServerIdentity {
  readonly input: ServerInput;
  /** Of its clients: one that comes again and again is described once. */
  readonly latest = new LatestCertificate();
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
    this.#made?.all.free();
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
    const {
      client_auth: verify = 'none',
      alpn,
      groups,
      min_version: minVersion = '1.2',
      resumption = true,
    } = this.input;
    const keys = this.#secret.derive(`TLS tickets of OpenSSL ${this.#owner.toString('hex')}`, TICKET_KEYS);
    const stream = { minVersion, tickets: resumption ? { keys, owner: this.#owner } : undefined };
    const all = new SslContexts();
    const context = (pair: KeyPair): SslContext =>
      all.make({ ...pair, role: 'server', verify, alpn, groups, stream, ca: authorities?.join('\n') });
    return {
      version,
      own: own && context(own),
      names: new Servernames(named.map(([servernames, pair]) => [servernames, context(pair)] as const)),
      all,
    };
  }
}

export class OpensslClientIdentity {
  readonly input: ClientInput;
  readonly context: SslContext;
  /** Of its endpoints. */
  readonly latest = new LatestCertificate();
  /** undefined: none is resumed. */
  readonly sessions: SessionCache<Pointer> | undefined;
  readonly #contexts = new SslContexts();

  /** Throws E_CERTIFICATE where OpenSSL does not take what it is made of. */
  constructor(input: ClientInput, material: ClientMaterial) {
    const { min_version: minVersion = '1.2', resumption = true } = input;
    this.input = input;
    const stream = { minVersion, resumes: resumption };
    this.context = this.#contexts.make({ ...clientSettings(input, material), stream });
    this.sessions = resumption ? new SessionCache((session) => openssl().c.SSL_SESSION_free(session)) : undefined;
  }

  /** Connections that were made with it go on. */
  free(): void {
    this.sessions?.close();
    this.#contexts.free();
  }
}

/** Rejects with E_FILE or E_CERTIFICATE, naming the field. */
export async function readOpensslClient(input: ClientInput, sources: Sources): Promise<OpensslClientIdentity> {
  return new OpensslClientIdentity(input, await readClientMaterial(input, sources));
}
