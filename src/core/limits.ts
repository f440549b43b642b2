import { DEFAULT_LIMITS, type QueueLimits } from './channel.ts';

/** The queue limits that a listener's or cluster's options ask for. */
export function queueLimits(options: { readonly [field: string]: unknown }): QueueLimits {
  const { queue_bytes: bytes, queue_messages: messages } = options as { queue_bytes?: number; queue_messages?: number };
  if (bytes === undefined && messages === undefined) return DEFAULT_LIMITS;
  return { bytes: bytes ?? DEFAULT_LIMITS.bytes, messages: messages ?? DEFAULT_LIMITS.messages };
}
