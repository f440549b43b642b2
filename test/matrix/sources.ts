/** Every listener protocol, as its clients see it. */
import { once } from 'node:events';
import * as http from 'node:http';
import * as http2 from 'node:http2';
import type { Socket } from 'node:net';
import { after, type TestContext } from 'node:test';
import { Authority, texts } from '../support/certificates.ts';
import { connectDtls } from '../support/dtls.ts';
import { connectFifos } from '../support/fifos.ts';
import { connectDatagram, connectSecure, connectStream, connectWebSocket, type Peer } from '../support/peers.ts';
import { connectMessages, type MessageType } from '../support/unix-messages.ts';
import { greet, type Kind } from './jsonsocket.ts';
import { announced } from './proxied.ts';

const HOST = '127.0.0.1';
const PATH = '/a/b?x=1';
const HEADERS = { 'x-bar': 'Me' };
const GREETING = { user: { id: 7 } };

/** What a UDP datagram holds at most (over IPv4). */
export const DATAGRAM_MAX = 65_507;

/** Where a listener is, and what a client of it uses. */
export interface Place {
  readonly listener: string;
  readonly port: number;
  /** The client's own port, where the listener takes one only. */
  readonly from: number;
  readonly path: string;
}

export interface Source {
  readonly name: string;
  readonly kind: Kind;
  /** The listener's specification. */
  spec(place: Place): { protocol: string };
  connect(t: TestContext, place: Place): Promise<Client>;
  /** The name of a client's session, and what is known of it. */
  session(place: Place, port: number): { name: RegExp; metadata: object };
  /** The largest message, and the smallest one: 0 where it does not say. */
  readonly largest: number;
  readonly smallest?: number;
  /** The largest message that comes to it, where that is another one. */
  readonly takes?: number;
  /** Its clients' messages are text or binary. */
  readonly text?: boolean;
  /** It is held up instead of losing anything, and its end is seen. */
  readonly connected: boolean;
  /** Its clients are told of the end, though what is sent may be lost. */
  readonly told?: boolean;
  /** Only native I/O has it. */
  readonly native?: boolean;
  /** One session that is there from the beginning. */
  readonly single?: boolean;
}

/** `port`: its own. */
type Client = Peer;

// -------------------------------------------------------------------- clients

/** `to`: a port, or the path of a UNIX socket. */
async function webSocket(t: TestContext, to: number | string): Promise<Client> {
  const peer = await connectWebSocket(t, to, { path: PATH, headers: HEADERS });
  const { localPort = 0 } = (peer.ws as unknown as { _socket: Socket })._socket;
  return Object.assign(peer, { port: localPort });
}

/** A POST whose body goes up piece by piece, while the answer comes down. */
async function post(t: TestContext, to: { port: number } | { socketPath: string }): Promise<Client> {
  const req = http.request({ host: HOST, ...to, path: PATH, method: 'POST', headers: HEADERS, agent: false });
  t.after(() => req.destroy());
  req.setNoDelay(true);
  req.flushHeaders();
  const [socket] = (await once(req, 'socket')) as [Socket];
  if (socket.connecting) await once(socket, 'connect');
  const peer: Peer = {
    messages: [],
    closed: undefined,
    ended: false,
    port: socket.localPort ?? 0,
    send: (data) => req.write(data),
    end: () => req.end(),
    close: () => req.destroy(),
    reset: () => socket.resetAndDestroy(),
    pause: () => {},
  };
  req.on('response', (res) => {
    res.on('data', (data: Buffer) => peer.messages.push(data));
    res.on('error', () => {});
    res.on('end', () => {
      peer.ended = res.complete;
    });
  });
  req.on('error', (error: NodeJS.ErrnoException) => {
    peer.closed ??= error.code;
  });
  req.on('close', () => {
    peer.closed ??= 'end';
  });
  return peer;
}

/** The same by HTTP/2 with prior knowledge. */
async function postHttp2(t: TestContext, port: number): Promise<Client> {
  const session = http2.connect(`http://${HOST}:${port}`);
  session.on('error', () => {});
  t.after(() => session.destroy());
  await once(session, 'connect');
  const stream = session.request({ ':path': PATH, ':method': 'POST', ...HEADERS });
  const peer: Peer = {
    messages: [],
    closed: undefined,
    ended: false,
    port: session.socket.localPort ?? 0,
    send: (data) => stream.write(data),
    end: () => stream.end(),
    close: () => stream.close(http2.constants.NGHTTP2_CANCEL),
    reset: () => stream.close(http2.constants.NGHTTP2_CANCEL),
    pause: () => {},
  };
  stream.on('data', (data: Buffer) => peer.messages.push(data));
  stream.on('end', () => {
    peer.ended = !stream.destroyed;
  });
  stream.on('error', (error: NodeJS.ErrnoException) => {
    peer.closed ??= error.code;
  });
  stream.on('close', () => {
    peer.closed ??= 'end';
  });
  return peer;
}

// -------------------------------------------------------------------- what is known of a session

const ip = { IP: { src_addr: HOST, dst_addr: HOST } };

export function internet(label: string, protocol: 'UDP' | 'TCP' | 'SCTP', numbered: boolean, more: object = {}) {
  return ({ port }: Place, own: number) => ({
    name: new RegExp(`^${label}:127\\.0\\.0\\.1:${own}-127\\.0\\.0\\.1:${port}${numbered ? '-\\d+' : ''}$`),
    metadata: { ...ip, [protocol]: { src_port: own, dst_port: port }, ...more },
  });
}

const request = (method: string, version = '1.1') => ({
  HTTP: { version, method, url: { url: PATH, path: PATH, query: 'x=1' }, headers: HEADERS },
});

const local: Source['session'] = ({ listener, path }) => ({
  name: new RegExp(`^UNIX:${listener}-\\d+$`),
  metadata: { UNIX: { filename: path, type: 'stream' } },
});

// -------------------------------------------------------------------- the list

const at = ({ port }: Place) => ({ port, address: HOST });

const UDP: Source = {
  name: 'UDP',
  kind: 'datagram',
  spec: (place) => ({ protocol: 'UDP', ...at(place) }),
  connect: (t, { port }) => connectDatagram(t, port),
  session: internet('UDP', 'UDP', true),
  largest: DATAGRAM_MAX,
  connected: false,
};

const SINGLETON: Source = {
  ...UDP,
  name: 'a UDP singleton',
  spec: (place) => ({ protocol: 'UDP', ...at(place), connect: { address: HOST, port: place.from } }),
  connect: (t, { port, from }) => connectDatagram(t, port, { port: from }),
  single: true,
};

/** Of an authority that both sides of this matrix trust. */
const AUTHORITY = await Authority.make(after);
export const CA = AUTHORITY.text;
export const CERTIFICATE = texts(await AUTHORITY.issue());

/** The largest message of DTLS (RFC 6347 section 4.1), and an MTU that it fits. */
export const RECORD_MAX = 16_384;
export const RECORD_MTU = 20_000;

const DTLS: Source = {
  ...UDP,
  name: 'DTLS',
  spec: (place) => ({ protocol: 'UDP', ...at(place), tls: { ...CERTIFICATE, mtu: RECORD_MTU } }),
  connect: (t, { port }) =>
    connectDtls(t, port, { ca: CA, verify: 'require', servername: 'localhost', mtu: RECORD_MTU }),
  session: internet('UDP', 'UDP', true, { TLS: { version: 'DTLSv1.2', servername: 'localhost' } }),
  largest: RECORD_MAX,
  told: true,
  smallest: 1,
};

const TCP: Source = {
  name: 'TCP',
  kind: 'stream',
  spec: (place) => ({ protocol: 'TCP', ...at(place) }),
  connect: (t, { port }) => connectStream(t, { port, allowHalfOpen: false }),
  session: internet('TCP', 'TCP', false),
  largest: Number.POSITIVE_INFINITY,
  connected: true,
};

const TLS: Source = {
  ...TCP,
  name: 'TLS over TCP',
  spec: (place) => ({ protocol: 'TCP', ...at(place), tls: CERTIFICATE }),
  connect: (t, { port }) => connectSecure(t, port, CA),
  session: internet('TCP', 'TCP', false, { TLS: { version: 'TLSv1.3', servername: 'localhost' } }),
};

const HTTP: Source = {
  ...TCP,
  name: 'HTTP',
  spec: (place) => ({ protocol: 'HTTP', ...at(place) }),
  connect: (t, { port }) => post(t, { port }),
  session: internet('HTTP', 'TCP', true, request('POST')),
};

const HTTP2: Source = {
  ...HTTP,
  name: 'HTTP/2',
  connect: (t, { port }) => postHttp2(t, port),
  session: internet('HTTP', 'TCP', true, request('POST', '2.0')),
};

const WEBSOCKET: Source = {
  ...TCP,
  name: 'WebSocket',
  kind: 'datagram',
  spec: (place) => ({ protocol: 'WebSocket', ...at(place) }),
  connect: (t, { port }) => webSocket(t, port),
  session: internet('WS', 'TCP', true, request('GET')),
  text: true,
};

const UNIX: Source = {
  ...TCP,
  name: 'UnixDomainSocket',
  spec: ({ path }) => ({ protocol: 'UnixDomainSocket', filename: path }),
  connect: (t, { path }) => connectStream(t, { path, allowHalfOpen: false }),
  session: local,
};

function unixOf(type: MessageType, connected: boolean): Source {
  return {
    ...UNIX,
    name: `UnixDomainSocket of type ${type}`,
    kind: 'datagram',
    spec: (place) => ({ ...UNIX.spec(place), type }),
    connect: async (t, { path }) => connectMessages(t, type, path),
    session: (place, port) => ({
      ...local(place, port),
      metadata: { UNIX: { filename: place.path, type, peer: { uid: process.getuid?.(), pid: process.pid } } },
    }),
    connected,
    native: true,
  };
}

const UNIX_DGRAM = unixOf('dgram', false);
const UNIX_SEQPACKET = unixOf('seqpacket', true);

const PIPE: Source = {
  ...TCP,
  name: 'PIPE',
  spec: ({ path }) => ({ protocol: 'PIPE', read: path, write: `${path}.out` }),
  connect: async (t, { path }) => connectFifos(t, { write: path, read: `${path}.out` }),
  session: ({ listener, path }) => ({
    name: new RegExp(`^PIPE:${listener}-\\d+$`),
    metadata: { PIPE: { read: path, write: `${path}.out` } },
  }),
  connected: false,
  single: true,
};

/** On a UNIX socket in place of a port. */
function onPath(source: Source, label: string, connect: (t: TestContext, path: string) => Promise<Client>): Source {
  const { protocol } = source.spec({ listener: '', port: 0, from: 0, path: '' });
  return {
    ...source,
    name: `${source.name} over UnixDomainSocket`,
    spec: (place) => ({ protocol, transport: UNIX.spec(place) }),
    connect: (t, { path }) => connect(t, path),
    session: (place, port) => {
      const { HTTP: request } = source.session(place, port).metadata as { HTTP?: object };
      return {
        name: new RegExp(`^${label}:${place.listener}-\\d+$`),
        metadata: { ...local(place, port).metadata, HTTP: request },
      };
    },
  };
}

const HTTP_ON_PATH = onPath(HTTP, 'HTTP', (t, socketPath) => post(t, { socketPath }));
const WEBSOCKET_ON_PATH = onPath(WEBSOCKET, 'WS', webSocket);

function jsonSocketOn(source: Source): Source {
  return {
    ...source,
    name: `JSONSocket over ${source.name}`,
    spec: (place) => ({ protocol: 'JSONSocket', transport: source.spec(place) }),
    connect: async (t, place) => greet(await source.connect(t, place), source.kind, GREETING),
    session: (place, port) => ({
      name: new RegExp(`^JSONSocket:${place.listener}-\\d+$`),
      metadata: { ...source.session(place, port).metadata, JSONSocket: { JSONSocketVersion: 1, ...GREETING } },
    }),
  };
}

const ANNOUNCED: readonly Source[] = [announced(UDP, 'UDP'), announced(TCP, 'TCP')];

/** What JSONSocket runs over. */
export const TRANSPORTS: readonly Source[] = [UDP, TCP, WEBSOCKET, UNIX, UNIX_DGRAM, UNIX_SEQPACKET, DTLS];

export const SOURCES: readonly Source[] = [
  UDP,
  SINGLETON,
  DTLS,
  TCP,
  TLS,
  HTTP,
  HTTP2,
  WEBSOCKET,
  UNIX,
  UNIX_DGRAM,
  UNIX_SEQPACKET,
  PIPE,
  HTTP_ON_PATH,
  WEBSOCKET_ON_PATH,
  ...ANNOUNCED,
  ...TRANSPORTS.map(jsonSocketOn),
];
