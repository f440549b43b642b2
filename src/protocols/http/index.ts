import Type, { type Static } from 'typebox';
import { defineProtocol, type ListenerHost } from '../../core/protocol.ts';
import { Address, Port, strict } from '../../core/schema.ts';
import { ANY, checkListen, endsName } from '../addresses.ts';
import { RETRY_AFTER, refusedStatus } from './answer.ts';
import { HttpChannel } from './channel.ts';
import { pathName } from './metadata.ts';
import { bodyTimeout, headerTimeout } from './options.ts';
import { type Call, refuseCall, serve } from './server.ts';

export const HttpPath = Type.String({
  pattern: '^/[^?#]*$',
  description: 'The only path that is served, to the letter and without a query; any other is answered 404.',
});

const ListenerSpec = strict({ port: Port, address: Type.Optional(Address), path: Type.Optional(HttpPath) });

export const http = defineProtocol({
  name: 'HTTP',
  title: 'HTTP/1.1 requests (RFC 9110, RFC 9112): a session for each request.',
  listener: {
    schema: ListenerSpec,
    kind: 'stream',
    options: { ...headerTimeout, ...bodyTimeout },
    live: ['header_timeout', 'body_timeout'],
    sessionName: ({ n, metadata }) => `HTTP:${endsName('TCP', metadata)}-${n}`,
    check: checkListen,
    listen: (spec, host) =>
      serve({ host: spec.address ?? ANY, port: spec.port }, host, { request: (call) => take(call, spec, host) }),
  },
});

function take(call: Call, { path }: Static<typeof ListenerSpec>, host: ListenerHost): void {
  if (path !== undefined && pathName(call.req) !== path) {
    host.reject('wrong-path');
    refuseCall(call, 404, `nothing is served here but ${path}`);
  } else if (!host.admit({ address: call.connection.ends.remoteAddress })) {
    refuseCall(call, refusedStatus(host), 'too many sessions', RETRY_AFTER);
  } else host.accept(new HttpChannel(call, host.limits));
}
