/** The cluster's side of HTTP. */
import type { ClusterSide, Spec } from '../../../core/protocol.ts';
import type { SchemaParts, StaticOf } from '../../../core/schema.ts';
import { specBelow } from '../../../core/stands-on.ts';
import { belowOffering, clusterFields, clusterOn, handingDown } from '../../on-streams.ts';
import { type ClusterFields, HttpDialer } from './dialer.ts';
import { clusterOptions } from './options.ts';

const clusterSpec = (parts: SchemaParts) =>
  parts.strict({
    ...clusterFields(parts),
    version: parts.Type.Optional(
      parts.Type.Enum(['1.1', '2', 'auto'], {
        description:
          'The version of HTTP; 2 without tls by prior knowledge. auto: what the endpoint chooses by ALPN, and without tls 1.1. Default auto.',
      }),
    ),
    path: parts.Type.Optional(
      parts.Type.String({
        pattern: '^/[\\x21-\\x7e]*$',
        maxLength: 8192,
        description: 'Path and query of sessions that have none: those that are not HTTP’s. Default /.',
      }),
    ),
    method: parts.Type.Optional(
      parts.Type.String({
        pattern: "^[!#$%&'*+.^_`|~0-9A-Za-z-]+$",
        maxLength: 64,
        description: 'The method of sessions that are not HTTP’s. Default POST.',
      }),
    ),
  });

/** What is offered by ALPN, the preferred first. */
const OFFERED = { '1.1': ['http/1.1'], '2': ['h2'], auto: ['h2', 'http/1.1'] } as const;

type HttpClusterSpec = StaticOf<typeof clusterSpec>;

export const httpCluster: ClusterSide<ReturnType<typeof clusterSpec>> = {
  schema: clusterSpec,
  standsOn: clusterOn,
  kind: 'stream',
  options: clusterOptions,
  live: [
    '/spec/path',
    '/spec/method',
    '/options/host',
    '/options/response_timeout',
    '/options/pool',
    '/options/ping_interval',
    '/options/forwarded',
  ],
  open: async (given, host) => {
    const spec: Spec = { protocol: 'HTTP', ...given };
    const under = belowOffering(clusterOn, OFFERED[given.version ?? 'auto']);
    const below = await host.dialerOn(under(spec));
    const dialer = new HttpDialer(fieldsOf(spec), below, host);
    const handDown = handingDown(under, spec, below);
    return {
      dial: (attempt) => dialer.dial(attempt),
      reconfigure: async (now, options) => {
        if (!(await handDown(now, options))) return false;
        dialer.define(fieldsOf(now), options);
        return true;
      },
      close: () => dialer.close(),
    };
  },
};

function fieldsOf(spec: Spec): ClusterFields {
  const { port, path, method, version } = spec as HttpClusterSpec;
  const below = specBelow(clusterOn, spec);
  return { port, path, method, version, secure: below?.tls !== undefined } as ClusterFields;
}
