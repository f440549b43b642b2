import { defineProtocol, type ListenerHost } from '../../core/protocol.ts';
import type { SchemaParts, StaticOf } from '../../core/schema.ts';
import { checkDecrypted, connectionName, listenerFields, listenerOn } from '../on-streams.ts';
import { httpCluster } from './client/index.ts';
import { checkForwarded, listenerForwarded } from './forwarded.ts';
import { pathName } from './metadata.ts';
import { bodyTimeout, headerTimeout } from './options.ts';
import { refusal } from './server/answer.ts';
import { HttpChannel } from './server/channel.ts';
import { answerStream } from './server/http2/answer.ts';
import { Http2Channel } from './server/http2/channel.ts';
import type { StreamCall } from './server/http2/connection.ts';
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
  title:
    'HTTP requests (RFC 9110) by HTTP/1.1 and HTTP/2 (RFC 9112, RFC 9113): a session for each request, a request for each session.',
  listener: {
    schema: listenerSpec,
    standsOn: listenerOn,
    kind: 'stream',
    options: (parts) => ({ ...headerTimeout(parts), ...bodyTimeout(parts), ...listenerForwarded(parts) }),
    live: ['/spec/path', '/options/header_timeout', '/options/body_timeout', '/options/forwarded'],
    check: checkDecrypted,
    checkOptions: checkForwarded,
    sessionName: ({ listener, n, metadata }) => `HTTP:${connectionName(listener, metadata)}-${n}`,
    listen: async (spec, host) => {
      let { path } = spec;
      const listening = await serve(spec, host, {
        request: (call) => take(call, path, host),
        stream: (call) => takeStream(call, path, host),
      });
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
  cluster: httpCluster,
});

/** A request, whichever version it has come by. */
interface Incoming {
  readonly target: string | undefined;
  /** The IP address of the client, where it has one. */
  readonly address: string | undefined;
  refuse(status: number, content: string, headers?: Readonly<Record<string, string>>): void;
}

/** Whether a request becomes a session; else it was answered. */
function taken({ target, address, refuse }: Incoming, path: string | undefined, host: ListenerHost): boolean {
  if (path !== undefined && pathName(target) !== path) {
    host.reject('wrong-path');
    refuse(404, `nothing is served here but ${path}`);
    return false;
  }
  if (host.admit({ address })) return true;
  refuse(...refusal(host, address));
  return false;
}

function take(call: Call, path: string | undefined, host: ListenerHost): void {
  const { req, connection } = call;
  const refuse: Incoming['refuse'] = (status, content, headers) => refuseCall(call, status, content, headers);
  if (!taken({ target: req.url, address: connection.address, refuse }, path, host)) return;
  host.accept(new HttpChannel(call, host.limits));
}

function takeStream(call: StreamCall, path: string | undefined, host: ListenerHost): Http2Channel | undefined {
  const { stream, head, connection } = call;
  const refuse: Incoming['refuse'] = (status, content, headers) => answerStream(stream, status, content, headers);
  if (!taken({ target: head.target, address: connection.address, refuse }, path, host)) return undefined;
  const channel = new Http2Channel(call, host.limits);
  host.accept(channel);
  return channel;
}
