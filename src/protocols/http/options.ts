import type { ClusterOptions, ListenerOptions } from '../../core/protocol.ts';
import type { SchemaParts } from '../../core/schema.ts';
import type { RequestTimeouts } from './server/connection.ts';

/** Milliseconds in which a request's head must come, and for which its body may be silent. */
const DEFAULT: RequestTimeouts = { header: 60_000, body: 60_000 };

const timeout = ({ Type }: SchemaParts, description: string) =>
  Type.Optional(Type.Integer({ minimum: 0, maximum: 2_147_483_647, description }));

/** Of a listener whose sessions begin with a request. */
export const headerTimeout = (parts: SchemaParts) => ({
  header_timeout: timeout(
    parts,
    'Milliseconds in which the head of a request must be complete; 0 for any time. What is late is answered 408. Default 60,000.',
  ),
});

export const bodyTimeout = (parts: SchemaParts) => ({
  body_timeout: timeout(
    parts,
    'Milliseconds without a byte of a request’s body while it is waited for; 0 for any time. What is late is answered 408, or cut. Default 60,000.',
  ),
});

/** Of either side, where the protocol has pings (WebSocket, HTTP/2). */
export const pingInterval = (parts: SchemaParts) => ({
  ping_interval: timeout(
    parts,
    'Milliseconds between pings to the peer, which keep what lies between from ending a silent connection; a peer that has said nothing since the latest one is given up. Default 0: none.',
  ),
});

export function pingIntervalOf({ ping_interval: interval = 0 }: ListenerOptions | ClusterOptions): number {
  return interval as number;
}

export function timeoutsOf(options: ListenerOptions): RequestTimeouts {
  const { header_timeout: header, body_timeout: body } = options as { header_timeout?: number; body_timeout?: number };
  return { header: header ?? DEFAULT.header, body: body ?? DEFAULT.body };
}
