/** HTTP/2 error codes (RFC 9113 section 7) as reasons, and the other way round. */
import type { CloseReason } from '../../core/channel.ts';

export const NO_ERROR = 0x0;
export const PROTOCOL_ERROR = 0x1;
export const INTERNAL_ERROR = 0x2;
export const REFUSED_STREAM = 0x7;
export const CANCEL = 0x8;
export const ENHANCE_YOUR_CALM = 0xb;
export const HTTP_1_1_REQUIRED = 0xd;

const NAMES = [
  'NO_ERROR',
  'PROTOCOL_ERROR',
  'INTERNAL_ERROR',
  'FLOW_CONTROL_ERROR',
  'SETTINGS_TIMEOUT',
  'STREAM_CLOSED',
  'FRAME_SIZE_ERROR',
  'REFUSED_STREAM',
  'CANCEL',
  'COMPRESSION_ERROR',
  'CONNECT_ERROR',
  'ENHANCE_YOUR_CALM',
  'INADEQUATE_SECURITY',
  'HTTP_1_1_REQUIRED',
];

/**
 * What may be passed on to the other side of a proxy: it is about the request, not about one of the connections, and does
 * not say that nothing was done, or that another version would help.
 */
const PASSED_ON: ReadonlySet<number> = new Set([INTERNAL_ERROR, CANCEL, ENHANCE_YOUR_CALM]);

/** Why a stream has broken. */
export interface Reset extends CloseReason {
  readonly kind: 'reset';
}

/** Why a stream is over that its peer has reset. */
export function resetBy(peer: string, code: number): Reset {
  return { kind: 'reset', code, message: `the ${peer} has reset the stream (${NAMES[code] ?? `error ${code}`})` };
}

/** What a client is told of an answer that breaks off. */
export function codeForClient({ kind, code = NO_ERROR }: CloseReason): number {
  if (PASSED_ON.has(code)) return code;
  return kind === 'reset' || kind === 'error' ? INTERNAL_ERROR : CANCEL;
}

/** What a server is told of a request that nobody waits for any more. */
export function codeForServer({ code = NO_ERROR }: CloseReason): number {
  return PASSED_ON.has(code) ? code : CANCEL;
}
