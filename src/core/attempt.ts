/** What diallers do with an attempt to connect. */
import { L7mpError } from './errors.ts';
import type { Attempt, DiallingSession } from './protocol.ts';

/**
 * Gives up when the signal says so, at once where it has. Returns what ends the waiting: to be called when there is
 * nothing to give up any more.
 *
 * @example
 * const done = onAbort(attempt.signal, () => socket.destroy(new Error('no connection in time')));
 * socket.once('connect', done);
 */
export function onAbort(signal: AbortSignal, giveUp: () => void): () => void {
  if (signal.aborted) giveUp();
  else signal.addEventListener('abort', giveUp, { once: true });
  return () => signal.removeEventListener('abort', giveUp);
}

/**
 * The session for which a connection is made. Throws E_NO_ROUTE where there is none, for what is of no use without.
 *
 * @example dial: (attempt) => new TaggedChannel(sessionOf(attempt).name, limits),
 */
export function sessionOf({ session }: Attempt): DiallingSession {
  if (!session) throw new L7mpError('E_NO_ROUTE', 'serves sessions only');
  return session;
}
