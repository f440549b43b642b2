import { defineProtocol, type ListenerHost } from '../../core/protocol.ts';
import type { SchemaParts, StaticOf } from '../../core/schema.ts';
import { connectionName, listenerFields, listenerOn } from '../on-streams.ts';
import { pathName } from './metadata.ts';
import { bodyTimeout, headerTimeout } from './options.ts';
import { RETRY_AFTER, refusedStatus } from './server/answer.ts';
import { HttpChannel } from './server/channel.ts';
import { type Call, refuseCall, serve } from './server/serve.ts';

export const httpPath = ({ Type }: SchemaParts) =>
  Type.String({
    pattern: '^/[^?#]*$',
    description: 'The only path that is served, to the letter and without a query; any other is answered 404.',
  });

const listenerSpec = (parts: SchemaParts) =>
  parts.strict({ ...listenerFields(parts), path: parts.Type.Optional(httpPath(parts)) });

export const http = defineProtocol({
  name: 'HTTP',
  title: 'HTTP/1.1 requests (RFC 9110, RFC 9112): a session for each request.',
  listener: {
    schema: listenerSpec,
    standsOn: listenerOn,
    kind: 'stream',
    options: (parts) => ({ ...headerTimeout(parts), ...bodyTimeout(parts) }),
    live: ['/spec/path', '/options/header_timeout', '/options/body_timeout'],
    sessionName: ({ listener, n, metadata }) => `HTTP:${connectionName(listener, metadata)}-${n}`,
    listen: async (spec, host) => {
      let { path } = spec;
      const listening = await serve(spec, host, { request: (call) => take(call, path, host) });
      return {
        ...listening,
        reconfigure: async (after, options) => {
          if (!(await listening.reconfigure(after, options))) return false;
          ({ path } = after as StaticOf<typeof listenerSpec>);
          return true;
        },
      };
    },
  },
});

function take(call: Call, path: string | undefined, host: ListenerHost): void {
  if (path !== undefined && pathName(call.req) !== path) {
    host.reject('wrong-path');
    refuseCall(call, 404, `nothing is served here but ${path}`);
  } else if (!host.admit({ address: call.connection.address })) {
    refuseCall(call, refusedStatus(host), 'too many sessions', RETRY_AFTER);
  } else host.accept(new HttpChannel(call, host.limits));
}
