/** WebSocket close codes (RFC 6455 section 7.4) as reasons, and the other way round. */
import type { CloseReason } from '../../core/channel.ts';

const NORMAL = 1000;
const GOING_AWAY = 1001;
const NO_STATUS = 1005;
const ABNORMAL = 1006;
const POLICY_VIOLATION = 1008;
const INTERNAL_ERROR = 1011;
/** Registered by IANA: the server is overloaded. */
export const TRY_AGAIN_LATER = 1013;

/** Bytes of text that fit a close frame beside its code. */
const MAX_TEXT = 123;

/** The code that tells a peer why it is closed. */
export function closeCode({ kind, code }: CloseReason): number {
  switch (kind) {
    case 'end':
      return code !== undefined && isSendable(code) ? code : NORMAL;
    case 'deleted':
    case 'shutdown':
    case 'idle':
      return GOING_AWAY;
    case 'refused':
      return POLICY_VIOLATION;
    case 'error':
      return code !== undefined && isSendable(code) ? code : INTERNAL_ERROR;
    default:
      return INTERNAL_ERROR;
  }
}

/** The text that goes with it: a peer's own is passed on; of an end without a code there is nothing to say. */
export function closeText({ kind, code, message }: CloseReason): string {
  if (kind === 'end' && code === undefined) return '';
  // Characters are not cut.
  const { read } = new TextEncoder().encodeInto(message, new Uint8Array(MAX_TEXT));
  return message.slice(0, read);
}

/** What a peer's close means; 1005 where it gave no code, 1006 where there was no close frame. */
export function closeReason(code: number, text: string): CloseReason {
  if (code === ABNORMAL) return { kind: 'reset', message: 'the connection was lost without a close frame' };
  if (code === NO_STATUS) return { kind: 'end', message: 'closed by the peer' };
  return { kind: 'end', code, message: text };
}

/** Whether a code may be sent: others are reserved, or mean that there was none. */
function isSendable(code: number): boolean {
  const reserved = code === 1004 || code === NO_STATUS || code === ABNORMAL;
  return (code >= 1000 && code <= 1014 && !reserved) || (code >= 3000 && code <= 4999);
}
