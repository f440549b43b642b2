/** What a listener or a cluster has of its certificates and keys: contexts of OpenSSL's, to be freed. */
import type { SslContext } from '../../openssl/context.ts';
import { LatestCertificate } from '../tls/about.ts';
import { type ClientMaterial, readClientMaterial } from '../tls/client-material.ts';
import { clientSettings, SslContexts } from '../tls/contexts.ts';
import type { KeyPair } from '../tls/material.ts';
import type { Load } from '../tls/reloading.ts';
import { readServer, type ServerMaterial } from '../tls/server-identity.ts';
import { Servernames } from '../tls/servernames.ts';
import type { ClientInput, ServerInput } from '../tls/settings.ts';
import { DEFAULT_MTU } from './fields.ts';

interface Sized {
  readonly mtu?: number;
}

export type DtlsServerInput = ServerInput & Sized;
export type DtlsClientInput = ClientInput & Sized;

export class DtlsServerIdentity {
  readonly input: DtlsServerInput;
  readonly mtu: number;
  /** Of its clients: one that comes again and again is described once. */
  readonly latest = new LatestCertificate();
  readonly #contexts = new SslContexts();
  readonly #own: SslContext | undefined;
  readonly #names: Servernames<SslContext>;

  constructor(input: DtlsServerInput, { own, named, authorities }: ServerMaterial) {
    this.input = input;
    const { client_auth: verify = 'none', alpn, groups, mtu = DEFAULT_MTU } = input;
    this.mtu = mtu;
    const context = (pair: KeyPair): SslContext =>
      this.#contexts.make({ ...pair, role: 'server', verify, alpn, groups, ca: authorities?.join('\n') });
    this.#own = own && context(own);
    this.#names = new Servernames(named.map(([servernames, pair]) => [servernames, context(pair)] as const));
  }

  /** For a client that asks for this name; undefined where it is to be told that there is no such one. */
  contextFor(servername: string | undefined): SslContext | undefined {
    return this.#names.choose(servername, this.#own, this.input.strict_sni);
  }

  /** Connections that were made with it go on. */
  free(): void {
    this.#contexts.free();
  }
}

export class DtlsClientIdentity {
  readonly input: DtlsClientInput;
  readonly mtu: number;
  readonly context: SslContext;
  readonly #contexts = new SslContexts();

  constructor(input: DtlsClientInput, material: ClientMaterial) {
    this.input = input;
    this.mtu = input.mtu ?? DEFAULT_MTU;
    this.context = this.#contexts.make(clientSettings(input, material));
  }

  /** Connections that were made with it go on. */
  free(): void {
    this.#contexts.free();
  }
}

export const loadServer =
  (input: DtlsServerInput): Load<DtlsServerIdentity> =>
  async (sources) =>
    new DtlsServerIdentity(input, await readServer(input, sources));

export const loadClient =
  (input: DtlsClientInput): Load<DtlsClientIdentity> =>
  async (sources) =>
    new DtlsClientIdentity(input, await readClientMaterial(input, sources));
