import Type from 'typebox';
import { checkHost } from '../../core/address.ts';
import { type ClusterHost, defineProtocol, type ListenerHost } from '../../core/protocol.ts';
import { Address, BindSchema, Port, strict } from '../../core/schema.ts';
import { ANY, checkBind, checkListen, endsName } from '../addresses.ts';
import { HttpPath } from '../http/index.ts';
import { headerTimeout } from '../http/options.ts';
import { CLUSTER_MESSAGE_SIZE, LISTENER_MESSAGE_SIZE, type WebSocketOptions } from './channel.ts';
import { dial } from './dial.ts';
import { listen } from './listen.ts';

const maxMessageSize = (byDefault: string) =>
  Type.Integer({
    minimum: 1,
    maximum: 0x7fffffff,
    description: `The largest message, in bytes, either way: a larger one ends the session with 1009. Default ${byDefault}.`,
  });

const pingInterval = {
  ping_interval: Type.Optional(
    Type.Integer({
      minimum: 0,
      maximum: 2_147_483_647,
      description:
        'Milliseconds between pings to the peer, which keep what lies between from ending a silent connection; a peer that has said nothing since the latest one is given up. Default 0: none.',
    }),
  ),
};

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
      ...headerTimeout,
      ...pingInterval,
      accept: Type.Optional(
        Type.Enum(['routed', 'connected'], {
          description:
            'When the upgrade is answered. routed: as soon as a route is found; the default. connected: when the endpoint has answered, whose status and subprotocol are passed on.',
        }),
      ),
    },
    kind: 'datagram',
    live: ['accept', 'header_timeout', 'ping_interval'],
    transport: true,
    sessionName: ({ n, metadata }) => `WS:${endsName('TCP', metadata)}-${n}`,
    check: checkListen,
    listen: ({ port, address = ANY, path, max_message_size: maxMessage = LISTENER_MESSAGE_SIZE }, host) =>
      listen(
        {
          host: address,
          port,
          path,
          waits: () => host.options.accept === 'connected',
          ...common(maxMessage, host),
        },
        host,
      ),
  },
  cluster: {
    schema: strict({
      port: Port,
      bind: Type.Optional(BindSchema),
      max_message_size: Type.Optional(maxMessageSize('32 MiB')),
    }),
    options: pingInterval,
    kind: 'datagram',
    transport: true,
    check: checkBind,
    checkAddress: (address) => checkHost(address),
    open: async ({ port, bind = {}, max_message_size: maxMessage = CLUSTER_MESSAGE_SIZE }, host) => {
      const { WebSocket } = await import('ws');
      const target = { port, bind, WebSocket, ...common(maxMessage, host) };
      return { dial: (attempt) => dial(attempt, { ...target, port: attempt.port ?? port }, host) };
    },
  },
});

function common(maxMessage: number, host: ListenerHost | ClusterHost): WebSocketOptions {
  const { gathering } = host;
  return { maxMessage, gathering, pingInterval: () => (host.options.ping_interval as number | undefined) ?? 0 };
}
