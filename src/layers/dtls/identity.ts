/** What a listener or a cluster has of its certificates and keys: contexts of OpenSSL's, to be freed. */
import { L7mpError } from '../../core/errors.ts';
import { SslContext, type SslSettings } from '../../openssl/context.ts';
import { readClientMaterial } from '../tls/client-material.ts';
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

abstract class Identity {
  readonly mtu: number;
  readonly #contexts: SslContext[] = [];

  constructor({ mtu = DEFAULT_MTU }: Sized) {
    this.mtu = mtu;
  }

  /** Connections that were made with it go on. */
  free(): void {
    for (const context of this.#contexts) context.free();
  }

  protected make(settings: SslSettings): SslContext {
    try {
      const context = new SslContext(settings);
      this.#contexts.push(context);
      return context;
    } catch (error) {
      this.free();
      throw new L7mpError('E_CERTIFICATE', `/tls: ${(error as Error).message}`, { cause: error });
    }
  }
}

export class DtlsServerIdentity extends Identity {
  readonly input: DtlsServerInput;
  readonly #own: SslContext | undefined;
  readonly #names: Servernames<SslContext>;

  constructor(input: DtlsServerInput, { own, named, authorities }: ServerMaterial) {
    super(input);
    this.input = input;
    const { client_auth: verify = 'none', alpn } = input;
    const context = (pair: KeyPair): SslContext =>
      this.make({ ...pair, role: 'server', verify, alpn, ca: authorities?.join('\n') });
    this.#own = own && context(own);
    this.#names = new Servernames(named.map(([servernames, pair]) => [servernames, context(pair)] as const));
  }

  /** For a client that asks for this name; undefined where it is to be told that there is no such one. */
  contextFor(servername: string | undefined): SslContext | undefined {
    return this.#names.choose(servername, this.#own, this.input.strict_sni);
  }
}

export class DtlsClientIdentity extends Identity {
  readonly input: DtlsClientInput;
  readonly context: SslContext;

  constructor(input: DtlsClientInput, pair: KeyPair | undefined, authorities: readonly string[] | undefined) {
    super(input);
    this.input = input;
    const { verify = true, alpn } = input;
    this.context = this.make({
      ...pair,
      role: 'client',
      verify: verify ? 'require' : 'none',
      alpn,
      ca: authorities?.join('\n'),
    });
  }
}

export const loadServer =
  (input: DtlsServerInput): Load<DtlsServerIdentity> =>
  async (sources) =>
    new DtlsServerIdentity(input, await readServer(input, sources));

export const loadClient =
  (input: DtlsClientInput): Load<DtlsClientIdentity> =>
  async (sources) => {
    const { pair, authorities } = await readClientMaterial(input, sources);
    return new DtlsClientIdentity(input, pair, authorities);
  };
