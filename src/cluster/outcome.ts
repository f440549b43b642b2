/** What a failed attempt to connect says, and of whom. */
import { type L7mpError, WRONG_PEER } from '../core/errors.ts';

const NO_DESTINATION = 'EDESTADDRREQ';

/** What connect(2), bind(2) and socket(2) say where it is this machine that lacks something, or the session a destination. */
const SHORTAGES: ReadonlySet<unknown> = new Set([
  'EADDRINUSE',
  'EADDRNOTAVAIL',
  NO_DESTINATION,
  'EMFILE',
  'ENFILE',
  'ENOBUFS',
  'ENOMEM',
]);

/** The attempt failed here, and would at every other endpoint. */
export function isOwnFault({ code, cause }: L7mpError): boolean {
  return code === 'E_INTERNAL' || code === 'E_LIMIT' || (isObject(cause) && SHORTAGES.has(cause.code));
}

/** It would fail again, whenever and wherever: what the session has does not say where to. */
export function isFinal({ cause }: L7mpError): boolean {
  return isObject(cause) && cause.code === NO_DESTINATION;
}

/**
 * The endpoint could not be reached, or is not able to serve anybody. An answer that may be due to what the client has
 * asked for (a 404 to a WebSocket's path) says nothing of the endpoint: else one client could take it from all others.
 */
export function isEndpointFault(error: L7mpError): boolean {
  if (isOwnFault(error)) return false;
  const { code, cause } = error;
  if (code === 'E_CONNECT' || code === 'E_TIMEOUT' || code === 'E_DISCONNECT') return true;
  return isObject(cause) && (BROKEN.has(cause.code) || UNABLE.has(cause.status));
}

/** The connection broke before the handshake was over, or the endpoint is not the one that it should be, or speaks something else. */
const BROKEN: ReadonlySet<unknown> = new Set(['ECONNRESET', 'EPIPE', WRONG_PEER]);

/** Statuses of an endpoint that is not able to serve now (RFC 9110 section 15.6). */
const UNABLE: ReadonlySet<unknown> = new Set([502, 503, 504]);

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
