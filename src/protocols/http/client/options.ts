import type { ClusterOptions } from '../../../core/protocol.ts';
import type { SchemaParts, StaticOf } from '../../../core/schema.ts';
import { clusterForwarded } from '../forwarded.ts';
import { pingInterval } from '../options.ts';
import type { PoolLimits } from './pool.ts';

/** Milliseconds in which the head of an answer must come. */
const RESPONSE_TIMEOUT = 60_000;

/** Servers keep connections for 5 s (node) or longer: a request should not meet one that is being closed. */
const POOL: PoolLimits = { connections: 1024, idle: 64, idleTimeout: 4000, waiting: 1024 };

const MOST = 2_147_483_647;

const poolFields = ({ Type, strict }: SchemaParts) =>
  strict(
    {
      max_connections: Type.Optional(
        Type.Integer({ minimum: 1, maximum: MOST, description: 'Connections at a time. Default 1,024.' }),
      ),
      max_idle: Type.Optional(
        Type.Integer({ minimum: 0, maximum: MOST, description: 'Idle connections that are kept. Default 64.' }),
      ),
      idle_timeout: Type.Optional(
        Type.Integer({
          minimum: 0,
          maximum: MOST,
          description:
            'Milliseconds that an idle connection is kept, or less where the endpoint says so. Default 4,000.',
        }),
      ),
      max_waiting: Type.Optional(
        Type.Integer({
          minimum: 0,
          maximum: MOST,
          description: 'Requests that wait for a connection; more are answered 503. Default 1,024.',
        }),
      ),
    },
    { description: 'The connections to each endpoint, in each worker.' },
  );

export const clusterOptions = (parts: SchemaParts) => ({
  host: parts.Type.Optional(
    parts.Type.String({
      pattern: '^[\\x21-\\x7e]+$',
      maxLength: 4096,
      description: 'Whose name a request is for: client, endpoint, or the name itself. Default client.',
    }),
  ),
  response_timeout: parts.Type.Optional(
    parts.Type.Integer({
      minimum: 0,
      maximum: MOST,
      description:
        'Milliseconds in which the head of an answer must begin, from when the request was sent; 0 for any time. Default 60,000.',
    }),
  ),
  pool: parts.Type.Optional(poolFields(parts)),
  ...pingInterval(parts),
  ...clusterForwarded(parts),
});

export function responseTimeoutOf({ response_timeout: timeout = RESPONSE_TIMEOUT }: ClusterOptions): number {
  return timeout as number;
}

export function poolLimitsOf({ pool = {} }: ClusterOptions): PoolLimits {
  const given = pool as StaticOf<typeof poolFields>;
  return {
    connections: given.max_connections ?? POOL.connections,
    idle: given.max_idle ?? POOL.idle,
    idleTimeout: given.idle_timeout ?? POOL.idleTimeout,
    waiting: given.max_waiting ?? POOL.waiting,
  };
}
