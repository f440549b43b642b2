import Type from 'typebox';
import { type ClusterHost, defineProtocol, type ListenerHost, type Spec } from '../../core/protocol.ts';
import { strict } from '../../core/schema.ts';
import { specBelow } from '../../core/stands-on.ts';
import { HttpPath } from '../http/index.ts';
import { headerTimeout } from '../http/options.ts';
import { clusterFields, clusterOn, connectionName, listenerFields, listenerOn } from '../on-streams.ts';
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
      ...listenerFields,
      path: Type.Optional(HttpPath),
      max_message_size: Type.Optional(maxMessageSize('16 MiB')),
    }),
    standsOn: listenerOn,
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
    sessionName: ({ listener, n, metadata }) => `WS:${connectionName(listener, metadata)}-${n}`,
    listen: (spec, host) => {
      const { path, max_message_size: maxMessage = LISTENER_MESSAGE_SIZE } = spec;
      const waits = (): boolean => host.options.accept === 'connected';
      return listen(spec, { path, waits, ...common(maxMessage, host) }, host);
    },
  },
  cluster: {
    schema: strict({ ...clusterFields, max_message_size: Type.Optional(maxMessageSize('32 MiB')) }),
    standsOn: clusterOn,
    options: pingInterval,
    kind: 'datagram',
    transport: true,
    open: async (spec, host) => {
      const { WebSocket } = await import('ws');
      const below = await host.dialerOn(specBelow(clusterOn, { protocol: 'WebSocket', ...spec }) as Spec);
      const target = { port: spec.port, WebSocket, ...common(spec.max_message_size ?? CLUSTER_MESSAGE_SIZE, host) };
      return { dial: (attempt) => dial(attempt, target, below, host.limits), close: () => below.close?.() };
    },
  },
});

function common(maxMessage: number, host: ListenerHost | ClusterHost): WebSocketOptions {
  const { gathering } = host;
  return { maxMessage, gathering, pingInterval: () => (host.options.ping_interval as number | undefined) ?? 0 };
}
