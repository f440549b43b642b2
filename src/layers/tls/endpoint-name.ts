/** Who an endpoint is to be: what it is asked for, and whose certificate it must have. */
import { isIP } from 'node:net';
import { L7mpError } from '../../core/errors.ts';
import type { ServerName } from '../../openssl/ssl.ts';
import type { ClientInput } from './settings.ts';

/** What is configured, or the endpoint's address. Throws E_HANDSHAKE where that is to be verified, and is the path of a socket. */
export function endpointName({ servername, verify = true }: ClientInput, address: string): ServerName {
  const name = servername ?? (address.startsWith('/') || address.startsWith('@') ? undefined : address);
  if (verify && name === undefined) {
    throw new L7mpError('E_HANDSHAKE', `${address}: TLS: /tls/servername is needed: this is no name to verify`);
  }
  return {
    // An address is no name that may be asked for (RFC 6066 section 3).
    servername: name !== undefined && isIP(name) === 0 ? name : undefined,
    verifyName: verify ? name : undefined,
  };
}
