import { asL7mpError, L7mpError } from '../../core/errors.ts';
import type { Rejected } from '../../core/handshakes.ts';
import { NoHello } from './client-hello.ts';

/** E_HANDSHAKE for what is no ClientHello. */
export function noHello(error: unknown): L7mpError {
  if (!(error instanceof NoHello)) return asL7mpError(error);
  return new L7mpError('E_HANDSHAKE', `no ClientHello: ${error.message}`, { cause: error });
}

/** E_HANDSHAKE, and how it is counted. */
export function refused(reject: string, message: string): L7mpError {
  const cause: Rejected = { reject };
  return new L7mpError('E_HANDSHAKE', message, { cause });
}
