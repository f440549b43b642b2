import { dialLayer, listenOnLayer } from '../../core/handshakes.ts';
import { defineProtocol } from '../../core/protocol.ts';
import { ClientChannel } from './client.ts';
import { encodeHeader, MAX_HEADER } from './header.ts';
import { compileHeader, headerSchema } from './request.ts';
import { ServerChannel } from './server.ts';

/** Milliseconds of silence after which either side may drop the connection, on any transport. */
const IDLE_TIMEOUT = 60_000;

/** The seed knew the field by both names. */
const ALIASES = { transport_spec: 'transport' };

export const jsonsocket = defineProtocol({
  name: 'JSONSocket',
  title: 'JSONSocket version 1: a JSON header each way, then the datagrams or the bytes of the transport underneath.',
  listener: {
    schema: ({ strict, TransportSpec }) => strict({ transport: TransportSpec }),
    aliases: ALIASES,
    standsOn: { field: 'transport' },
    kind: ({ transport }, kindOf) => kindOf(transport),
    options: ({ Type }) => ({
      max_header_size: Type.Optional(
        Type.Integer({
          minimum: 64,
          maximum: MAX_HEADER,
          description: 'Bytes of a client’s header at most; a larger one is answered with status 400. Default 16 KiB.',
        }),
      ),
    }),
    live: ['/options/max_header_size'],
    idleTimeout: IDLE_TIMEOUT,
    sessionName: ({ listener, n }) => `JSONSocket:${listener}-${n}`,
    listen: ({ transport }, host) =>
      listenOnLayer(
        host,
        transport,
        (lower) => new ServerChannel(lower, host.options.max_header_size as number | undefined),
      ),
  },
  cluster: {
    schema: (parts) =>
      parts.strict({ transport: parts.TransportSpec, header: parts.Type.Optional(headerSchema(parts)) }),
    aliases: ALIASES,
    standsOn: { field: 'transport' },
    kind: ({ transport }, kindOf) => kindOf(transport),
    live: ['/spec/header'],
    idleTimeout: IDLE_TIMEOUT,
    check: ({ header }) => {
      compileHeader(header);
    },
    open: async (spec, host) => {
      const { transport, header } = spec;
      const below = await host.dialerOn(transport);
      let headerOf = compileHeader(header);
      return {
        dial: async (attempt) => {
          const request = headerOf(attempt.session?.metadata ?? {});
          return dialLayer(
            below,
            attempt,
            (lower) => new ClientChannel(lower, encodeHeader(request, lower.kind), attempt.timeout),
          );
        },
        reconfigure: async (now) => {
          headerOf = compileHeader((now as Partial<typeof spec>).header);
          return true;
        },
        close: () => below.close?.(),
      };
    },
  },
});
