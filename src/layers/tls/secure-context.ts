import { constants } from 'node:crypto';
import { createSecureContext, type SecureContext, type SecureContextOptions } from 'node:tls';
import { L7mpError } from '../../core/errors.ts';
import type { ClientInput, ServerInput } from './settings.ts';

/** A context of node's with what is configured alike on both sides. Throws E_CERTIFICATE. */
export function secureContext(
  { min_version: version = '1.2', groups }: ClientInput | ServerInput,
  options: SecureContextOptions,
): SecureContext {
  const ecdhCurve = groups && { ecdhCurve: groups.join(':') };
  // A peer could have as many handshakes done as it asks for, on one connection.
  const secureOptions = (options.secureOptions ?? 0) | constants.SSL_OP_NO_RENEGOTIATION;
  try {
    return createSecureContext({ ...options, ...ecdhCurve, secureOptions, minVersion: `TLSv${version}` });
  } catch (error) {
    const { message, code } = error as NodeJS.ErrnoException;
    const why =
      code === 'ERR_CRYPTO_OPERATION_FAILED'
        ? `OpenSSL does not know all of the groups ${groups?.join(', ')}`
        : message;
    throw new L7mpError('E_CERTIFICATE', `/tls: ${why}`, { cause: error });
  }
}
