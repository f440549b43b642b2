/** Contexts of OpenSSL's, made together and freed together. */
import { L7mpError } from '../../core/errors.ts';
import { SslContext, type SslSettings } from '../../openssl/context.ts';
import type { ClientMaterial } from './client-material.ts';
import type { ClientInput } from './settings.ts';

export class SslContexts {
  readonly #all: SslContext[] = [];

  /** Throws E_CERTIFICATE where OpenSSL does not take what it is made of; then those before are freed, too. */
  make(settings: SslSettings): SslContext {
    try {
      const context = new SslContext(settings);
      this.#all.push(context);
      return context;
    } catch (error) {
      this.free();
      throw new L7mpError('E_CERTIFICATE', `/tls: ${(error as Error).message}`, { cause: error });
    }
  }

  /** Connections that were made with them go on. */
  free(): void {
    for (const context of this.#all) context.free();
  }
}

/** What a cluster's context is made of, of TLS and of DTLS. */
export function clientSettings(
  { verify = true, alpn, groups }: ClientInput,
  { pair, authorities }: ClientMaterial,
): SslSettings {
  return {
    ...pair,
    role: 'client',
    verify: verify ? 'require' : 'none',
    alpn,
    groups,
    ca: authorities?.join('\n'),
  };
}
