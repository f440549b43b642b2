import type { CloseReason } from '../../core/channel.ts';

/** The reasons of a close after which what was written still arrives: all but `reset`. */
export const GENTLE: readonly CloseReason['kind'][] = [
  'end',
  'error',
  'timeout',
  'idle',
  'deleted',
  'shutdown',
  'refused',
];
