import { L7mpError } from '../core/errors.ts';

/**
 * Why a connection could not be made: to `where`, which is said once. The system's error is kept as the cause, since its
 * code says whether the endpoint failed or this machine.
 */
export function connectError(where: string, error: Error): L7mpError {
  // The connection was not even tried.
  if (error instanceof L7mpError) return error;
  return new L7mpError('E_CONNECT', tellWhere(where, describeError(error)), { cause: error });
}

/** Where something failed, and what; system errors end with the first, which is said once. */
export function tellWhere(where: string, what: string): string {
  return `${where}: ${what.replaceAll(` ${where}`, '')}`;
}

/** What a system error says, shortly: node puts each address tried into an AggregateError. */
export function describeError(error: Error): string {
  if (error instanceof AggregateError) return error.errors.map((e: Error) => e.message).join(', ');
  return error.message;
}
