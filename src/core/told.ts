/**
 * What the peers of a session are told when it fails: the code and a general word. What went wrong in detail names
 * addresses, paths and objects, which are for the log, the session's events and the REST API.
 */
import type { CloseReason } from './channel.ts';
import { ERRORS, type ErrorCode, type ErrorKind, L7mpError } from './errors.ts';

const OTHERWISE = 'the session cannot be served';

/** RFC 6455 section 7.4.1: the code of a message that is too big. */
export const MESSAGE_TOO_BIG = 1009;

/** Ends that are not those of a peer: it has said something itself there, which is passed on. */
const ENDS: Record<Exclude<CloseReason['kind'], 'end'>, string> = {
  reset: textOf('E_DISCONNECT'),
  error: 'the session failed',
  timeout: 'no answer in time',
  idle: 'no traffic for the idle timeout',
  deleted: 'the session was deleted',
  shutdown: 'the proxy is shutting down',
  refused: 'the session was refused',
};

/** With the same code, and the cause, from which a protocol may take a status to pass on. */
export function toldError({ code, cause }: L7mpError): L7mpError {
  return new L7mpError(code, textOf(code), { cause });
}

export function toldReason(reason: CloseReason): CloseReason {
  if (reason.kind === 'end') return reason;
  const message = reason.code === MESSAGE_TOO_BIG ? 'the message is too large' : ENDS[reason.kind];
  return { ...reason, message };
}

/** What clients are told of an error: its code and a general word. */
export function textOf(code: ErrorCode): string {
  const kind: ErrorKind = ERRORS[code];
  return `${code}: ${kind.told ?? OTHERWISE}`;
}
