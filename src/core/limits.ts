import { DEFAULT_LIMITS, type QueueLimits } from './channel.ts';

/** The queue limits that a listener's or cluster's options ask for. */
export function queueLimits(options: { readonly [field: string]: unknown }): QueueLimits {
  const { queue_bytes: bytes, queue_messages: messages } = options as { queue_bytes?: number; queue_messages?: number };
  if (bytes === undefined && messages === undefined) return DEFAULT_LIMITS;
  return { bytes: bytes ?? DEFAULT_LIMITS.bytes, messages: messages ?? DEFAULT_LIMITS.messages };
}

/** What the options say, else what the protocol says, in milliseconds; 0 is never, undefined that nobody says anything. */
export function idleTimeout<S>(
  configured: number | undefined,
  byProtocol: number | ((spec: S) => number | undefined) | undefined,
  spec: S,
): number | undefined {
  return configured ?? (typeof byProtocol === 'function' ? byProtocol(spec) : byProtocol);
}
