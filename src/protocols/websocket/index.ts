import Type from 'typebox';
import { checkHost } from '../../core/address.ts';
import { defineProtocol } from '../../core/protocol.ts';
import { Address, BindSchema, Port, strict } from '../../core/schema.ts';
import { ANY, checkBind, checkListen, endsName } from '../addresses.ts';
import { HttpPath } from '../http/index.ts';
import { CLUSTER_MESSAGE_SIZE, LISTENER_MESSAGE_SIZE } from './channel.ts';
import { dial } from './dial.ts';
import { listen } from './listen.ts';

/** ws takes 32 bits. */
const maxMessageSize = (byDefault: string) =>
  Type.Integer({
    minimum: 1,
    maximum: 0x7fffffff,
    description: `The largest message, in bytes, either way: a larger one ends the session with 1009. Default ${byDefault}.`,
  });

export const websocket = defineProtocol({
  name: 'WebSocket',
  title: 'WebSocket messages, text and binary (RFC 6455).',
  listener: {
    schema: strict({
      port: Port,
      address: Type.Optional(Address),
      path: Type.Optional(HttpPath),
      max_message_size: Type.Optional(maxMessageSize('16 MiB')),
    }),
    options: {
      accept: Type.Optional(
        Type.Enum(['routed', 'connected'], {
          description:
            'When the upgrade is answered. routed: as soon as a route is found; the default. connected: when the endpoint has answered, whose status and subprotocol are passed on.',
        }),
      ),
    },
    kind: 'datagram',
    live: ['accept'],
    transport: true,
    sessionName: ({ n, metadata }) => `WS:${endsName('TCP', metadata)}-${n}`,
    check: checkListen,
    listen: ({ port, address = ANY, path, max_message_size: maxMessage = LISTENER_MESSAGE_SIZE }, host) =>
      listen({ host: address, port, path, maxMessage, waits: () => host.options.accept === 'connected' }, host),
  },
  cluster: {
    schema: strict({
      port: Port,
      bind: Type.Optional(BindSchema),
      max_message_size: Type.Optional(maxMessageSize('32 MiB')),
    }),
    kind: 'datagram',
    transport: true,
    check: checkBind,
    checkAddress: (address) => checkHost(address),
    open: ({ port, bind = {}, max_message_size: maxMessage = CLUSTER_MESSAGE_SIZE }, { io, limits }) => ({
      dial: (attempt) => dial(attempt, { port, bind, maxMessage, connections: io.connections }, limits),
    }),
  },
});
