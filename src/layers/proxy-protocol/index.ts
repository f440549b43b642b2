import type { Layer } from '../../core/layers.ts';
import { dialAnnouncing, dialAnnouncingDatagrams } from './dial.ts';
import { checkFrom, listenForDatagrams, listenForStreams } from './listen.ts';
import { announced, announcing, from } from './schema.ts';

const common = {
  name: 'proxy_protocol',
  needs: 'needs a byte stream, or UDP',
} as const;

const listener = {
  live: ['/spec/proxy_protocol_from'],
  check: checkFrom,
};

export const proxyProtocol: Layer = {
  ...common,
  title: 'The PROXY protocol, versions 1 and 2: for whom a connection is made, in a header in front of it.',
  suits: ({ kind }) => kind === 'stream',
  listener: {
    ...listener,
    schema: { proxy_protocol: announced('connection', 'version 1 or 2'), proxy_protocol_from: from },
    listen: listenForStreams,
  },
  cluster: { schema: { proxy_protocol: announcing('connection', ['v1', 'v2']) }, open: dialAnnouncing },
};

export const proxyProtocolOnDatagrams: Layer = {
  ...common,
  title: 'The PROXY protocol, version 2, in front of each datagram, as dnsdist and unbound speak it.',
  suits: ({ kind, lossy }) => kind === 'datagram' && lossy,
  listener: {
    ...listener,
    schema: { proxy_protocol: announced('datagram', 'version 2'), proxy_protocol_from: from },
    listen: listenForDatagrams,
  },
  cluster: { schema: { proxy_protocol: announcing('datagram', ['v2']) }, open: dialAnnouncingDatagrams },
};
