import {
  type ClusterHost,
  type ClusterOptions,
  defineProtocol,
  type ListenerHost,
  type Spec,
} from '../../core/protocol.ts';
import type { SchemaParts, StaticOf } from '../../core/schema.ts';
import { dialPort } from '../dial-port.ts';
import { checkForwarded, clusterForwarded, forwardingOf, listenerForwarded } from '../http/forwarded.ts';
import { httpPath } from '../http/index.ts';
import { headerTimeout, pingInterval, pingIntervalOf } from '../http/options.ts';
import {
  belowOffering,
  checkDecrypted,
  clusterFields,
  clusterOn,
  connectionName,
  handingDown,
  listenerFields,
  listenerOn,
} from '../on-streams.ts';
import { CLUSTER_MESSAGE_SIZE, LISTENER_MESSAGE_SIZE } from './channel.ts';
import { dial, type Target } from './dial.ts';
import { listen, type Served } from './listen.ts';

const maxMessageSize = ({ Type }: SchemaParts, byDefault: string) =>
  Type.Integer({
    minimum: 1,
    maximum: 0x7fffffff,
    description: `The largest message, in bytes, either way: a larger one ends the session with 1009. Default ${byDefault}.`,
  });

const listenerSpec = (parts: SchemaParts) =>
  parts.strict({
    ...listenerFields(parts),
    path: parts.Type.Optional(httpPath(parts)),
    max_message_size: parts.Type.Optional(maxMessageSize(parts, '16 MiB')),
  });

const clusterSpec = (parts: SchemaParts) =>
  parts.strict({
    ...clusterFields(parts),
    max_message_size: parts.Type.Optional(maxMessageSize(parts, '32 MiB')),
  });

export const websocket = defineProtocol({
  name: 'WebSocket',
  title: 'WebSocket messages, text and binary (RFC 6455).',
  listener: {
    schema: listenerSpec,
    standsOn: listenerOn,
    options: (parts) => ({
      ...headerTimeout(parts),
      ...listenerForwarded(parts),
      ...pingInterval(parts),
      accept: parts.Type.Optional(
        parts.Type.Enum(['routed', 'connected'], {
          description:
            'When the upgrade is answered. routed: as soon as a route is found; the default. connected: when the endpoint has answered, whose status and subprotocol are passed on.',
        }),
      ),
    }),
    kind: 'datagram',
    live: [
      '/spec/path',
      '/spec/max_message_size',
      '/options/accept',
      '/options/forwarded',
      '/options/header_timeout',
      '/options/ping_interval',
    ],
    check: checkDecrypted,
    checkOptions: checkForwarded,
    transport: true,
    sessionName: ({ listener, n, metadata }) => `WS:${connectionName(listener, metadata)}-${n}`,
    listen: (spec, host) => listen(spec, (now) => servedBy(now as StaticOf<typeof listenerSpec>, host), host),
  },
  cluster: {
    schema: clusterSpec,
    standsOn: clusterOn,
    options: (parts) => ({ ...pingInterval(parts), ...clusterForwarded(parts) }),
    live: ['/spec/max_message_size', '/options/ping_interval', '/options/forwarded'],
    kind: 'datagram',
    transport: true,
    open: async (spec, host) => {
      const { WebSocket } = await import('ws');
      const own: Spec = { protocol: 'WebSocket', ...spec };
      const under = belowOffering(clusterOn, ['http/1.1']);
      const below = await host.dialerOn(under(own));
      const handDown = handingDown(under, own, below);
      let target = targetBy(spec, host.options, host);
      return {
        dial: (attempt) => dial(attempt, { ...target, WebSocket }, below, host.limits),
        reconfigure: async (now, options) => {
          if (!(await handDown(now, options))) return false;
          target = targetBy(now as StaticOf<typeof clusterSpec>, options, host);
          return true;
        },
        close: () => below.close?.(),
      };
    },
  },
});

function servedBy({ path, max_message_size: maxMessage }: StaticOf<typeof listenerSpec>, host: ListenerHost): Served {
  const { gathering } = host;
  return {
    path,
    maxMessage: maxMessage ?? LISTENER_MESSAGE_SIZE,
    gathering,
    waits: () => host.options.accept === 'connected',
    pingInterval: () => pingIntervalOf(host.options),
  };
}

function targetBy(
  { port, max_message_size: maxMessage }: StaticOf<typeof clusterSpec>,
  options: ClusterOptions,
  { gathering }: ClusterHost,
): Omit<Target, 'WebSocket'> {
  return {
    portOf: dialPort(port),
    maxMessage: maxMessage ?? CLUSTER_MESSAGE_SIZE,
    gathering,
    forwarding: forwardingOf(options),
    pingInterval: () => pingIntervalOf(options),
  };
}
