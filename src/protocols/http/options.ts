import type { ListenerOptions } from '../../core/protocol.ts';
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

export function timeoutsOf(options: ListenerOptions): RequestTimeouts {
  const { header_timeout: header, body_timeout: body } = options as { header_timeout?: number; body_timeout?: number };
  return { header: header ?? DEFAULT.header, body: body ?? DEFAULT.body };
}
