/** Every cluster protocol with an endpoint that echoes. */
import type { TestContext } from 'node:test';
import { serveDtls } from '../support/dtls.ts';
import { serveFifos } from '../support/fifos.ts';
import {
  type Peer,
  type Server,
  type ServerOptions,
  serveDatagram,
  serveHttp,
  serveHttp2,
  serveSecure,
  serveStream,
  serveWebSocket,
} from '../support/peers.ts';
import { type MessageType, serveMessages } from '../support/unix-messages.ts';
import { answering, type Kind } from './jsonsocket.ts';
import { ADDRESSES, HEADER, takingOff } from './proxied.ts';
import { CA, CERTIFICATE, DATAGRAM_MAX, RECORD_MAX, RECORD_MTU } from './sources.ts';

const HOST = '127.0.0.1';

/** Endpoints that cannot be told of an end: their sessions wait for a last answer, here not for long. */
const OPTIONS = { half_close_timeout: 100 };

export interface Served {
  /** The cluster that leads there. */
  readonly cluster: object;
  /** The endpoint's address, as sessions show it. */
  readonly address: string;
  /** The connections that it has had; undefined where it is not a peer. */
  readonly peers: readonly Peer[] | undefined;
}

export interface Destination {
  readonly name: string;
  /** `same`: that of the source. */
  readonly kind: Kind | 'same';
  readonly largest: number;
  readonly smallest?: number;
  /** Bytes more that it takes from sources without Internet addresses. */
  readonly spare?: number;
  /** It keeps text and binary messages apart. */
  readonly text?: boolean;
  /** It is held up instead of losing anything. */
  readonly connected: boolean;
  /** Its sessions share what comes from it: there is to be one at a time. */
  readonly single?: boolean;
  /** Only native I/O has it. */
  readonly native?: boolean;
  serve(t: TestContext, path: string): Promise<Served>;
}

export type Serve = (t: TestContext, options: ServerOptions, path: string) => Promise<{ server: Server; spec: object }>;

/** A protocol with real servers; `wrap` makes the cluster's specification of the transport's. */
export function network(
  name: string,
  serve: Serve,
  traits: Omit<Destination, 'name' | 'serve'>,
  { wrap = (spec: object) => spec, options = {} as ServerOptions } = {},
): Destination {
  return {
    ...traits,
    name,
    serve: async (t, path) => {
      const { server, spec } = await serve(t, options, path);
      const address = 'port' in spec ? HOST : path;
      const cluster = { spec: wrap(spec), endpoints: [{ spec: { address } }], options: OPTIONS };
      return { cluster, address, peers: server.peers };
    },
  };
}

const udp: Serve = async (t, options) => {
  const server = await serveDatagram(t, options);
  return { server, spec: { protocol: 'UDP', port: server.port } };
};

const dtls: Serve = async (t, options) => {
  const server = await serveDtls(t, { ...options, ...CERTIFICATE, mtu: RECORD_MTU });
  const tls = { ca: CA, servername: 'localhost', mtu: RECORD_MTU };
  return { server, spec: { protocol: 'UDP', port: server.port, tls } };
};

const tcp: Serve = async (t, options) => {
  const server = await serveStream(t, { ...options, allowHalfOpen: false });
  return { server, spec: { protocol: 'TCP', port: server.port } };
};

const secure: Serve = async (t, options) => {
  const server = await serveSecure(t, CERTIFICATE, options);
  return { server, spec: { protocol: 'TCP', port: server.port, tls: { ca: CA, servername: 'localhost' } } };
};

const unix: Serve = async (t, options, path) => {
  const server = await serveStream(t, { ...options, allowHalfOpen: false, path });
  return { server, spec: { protocol: 'UnixDomainSocket' } };
};

/** The body of one request, and of its answer. */
const http: Serve = async (t, options) => {
  const server = await serveHttp(t, options);
  return { server, spec: { protocol: 'HTTP', port: server.port } };
};

const unixOf =
  (type: MessageType): Serve =>
  async (t, options, path) => ({
    server: serveMessages(t, type, path, options),
    spec: { protocol: 'UnixDomainSocket', type },
  });
const http2: Serve = async (t, options) => {
  const server = await serveHttp2(t, options);
  return { server, spec: { protocol: 'HTTP', version: '2', port: server.port } };
};

const webSocket: Serve = async (t, options) => {
  const server = await serveWebSocket(t, textual(options));
  return { server, spec: { protocol: 'WebSocket', port: server.port } };
};

const webSocketOnPath: Serve = async (t, options, path) => {
  const server = await serveWebSocket(t, { ...textual(options), path });
  return { server, spec: { protocol: 'WebSocket', transport: { protocol: 'UnixDomainSocket' } } };
};

/** Text comes back as text. */
function textual(options: ServerOptions): ServerOptions {
  const reply: ServerOptions['reply'] = (data, peer) => {
    const answer = options.reply ? options.reply(data, peer) : data;
    return answer !== undefined && peer.text?.at(-1) ? answer.toString() : answer;
  };
  return { ...options, reply };
}

const LOSSY = { kind: 'datagram', largest: DATAGRAM_MAX, connected: false } as const;
const SEALED = { ...LOSSY, largest: RECORD_MAX, smallest: 1 } as const;
const STREAM = { kind: 'stream', largest: Number.POSITIVE_INFINITY, connected: true } as const;
const MESSAGES = { kind: 'datagram', largest: Number.POSITIVE_INFINITY, connected: true, text: true } as const;

const ANY_SIZE = { kind: 'datagram', largest: Number.POSITIVE_INFINITY, native: true } as const;

const NETWORKS: readonly (readonly [string, Serve, Omit<Destination, 'name' | 'serve'> & { readonly kind: Kind }])[] = [
  ['UDP', udp, LOSSY],
  ['DTLS', dtls, SEALED],
  ['TCP', tcp, STREAM],
  ['WebSocket', webSocket, MESSAGES],
  ['UnixDomainSocket', unix, STREAM],
  ['UnixDomainSocket of type dgram', unixOf('dgram'), { ...ANY_SIZE, connected: false }],
  ['UnixDomainSocket of type seqpacket', unixOf('seqpacket'), { ...ANY_SIZE, connected: true }],
];

const announcing = (spec: object) => ({ ...spec, proxy_protocol: 'v2' });

const ECHO: Destination = {
  name: 'Echo',
  kind: 'same',
  largest: Number.POSITIVE_INFINITY,
  connected: true,
  text: true,
  serve: async () => ({ cluster: { spec: { protocol: 'Echo' } }, address: '<VIRTUAL>', peers: undefined }),
};

const PIPE: Destination = {
  name: 'PIPE',
  ...STREAM,
  connected: false,
  single: true,
  serve: async (t, path) => {
    const [write, read] = [path, `${path}.back`];
    const server = serveFifos(t, { write: read, read: write }, {});
    return {
      cluster: { spec: { protocol: 'PIPE', read, write }, options: OPTIONS },
      address: write,
      peers: server.peers,
    };
  },
};

const FORK: Destination = {
  name: 'STDIO-fork',
  ...STREAM,
  serve: async () => ({
    cluster: { spec: { protocol: 'STDIO-fork', command: ['cat'] } },
    address: '<VIRTUAL>',
    peers: undefined,
  }),
};

export const DESTINATIONS: readonly Destination[] = [
  ...NETWORKS.map(([name, serve, traits]) => network(name, serve, traits)),
  ...NETWORKS.map(([name, serve, traits]) =>
    network(`JSONSocket over ${name}`, serve, traits, {
      wrap: (transport) => ({ protocol: 'JSONSocket', transport }),
      options: answering(traits.kind, {}),
    }),
  ),
  network(
    'PROXY over UDP',
    udp,
    { ...LOSSY, largest: DATAGRAM_MAX - HEADER, spare: ADDRESSES },
    { wrap: announcing, options: takingOff('datagram', {}) },
  ),
  network('PROXY over TCP', tcp, STREAM, { wrap: announcing, options: takingOff('stream', {}) }),
  network('TLS over TCP', secure, STREAM),
  network('HTTP', http, STREAM),
  network('HTTP/2', http2, STREAM),
  network('WebSocket over UnixDomainSocket', webSocketOnPath, MESSAGES),
  ECHO,
  PIPE,
  FORK,
];
