/** Real servers and clients that remember what they saw, and end with the test. */
import * as dgram from 'node:dgram';
import { once } from 'node:events';
import * as http from 'node:http';
import * as http2 from 'node:http2';
import * as net from 'node:net';
import type { TestContext } from 'node:test';
import * as tls from 'node:tls';
import WebSocket, { WebSocketServer } from 'ws';
import { freePort } from '../../src/testing/ports.ts';
import { until } from '../../src/testing/until.ts';

const HOST = '127.0.0.1';

/** One end of a connection. */
export interface Peer {
  readonly messages: Buffer[];
  /** How it ended, once it has: an error code, a WebSocket close code, or `end`. */
  closed: string | number | undefined;
  /** The other side has ended its direction. */
  ended: boolean;
  /** Its own port. */
  readonly port: number;
  /** Of a WebSocket: whether the messages that came were text, in their order. */
  readonly text?: boolean[];
  send(data: string | Uint8Array): void;
  end(): void;
  close(): void;
  reset(): void;
  /** Stops reading, or goes on. */
  pause(paused: boolean): void;
}

export function bytes(peer: Peer): Buffer {
  return Buffer.concat(peer.messages);
}

/** Waits for so many bytes, and gives all there are. */
export async function received(peer: Peer, length: number): Promise<Buffer> {
  await until(() => bytes(peer).length >= length || peer.closed !== undefined, `${length} bytes, or an end`);
  return bytes(peer);
}

/** Waits for the next message that was not taken yet, or for the end of what comes. */
export async function next(peer: Peer): Promise<string> {
  await until(() => peer.messages.length > 0 || peer.ended || peer.closed !== undefined, 'a message, or an end');
  return peer.messages.shift()?.toString() ?? `<closed: ${peer.closed ?? 'end'}>`;
}

export async function ask(peer: Peer, text: string | Uint8Array): Promise<string> {
  peer.send(text);
  return next(peer);
}

// -------------------------------------------------------------------- clients

function socketPeer(socket: net.Socket): Peer {
  const peer: Peer = {
    messages: [],
    closed: undefined,
    ended: false,
    port: socket.localPort ?? 0,
    send: (data) => socket.write(data),
    end: () => socket.end(),
    close: () => socket.destroy(),
    reset: () => socket.resetAndDestroy(),
    pause: (paused) => void (paused ? socket.pause() : socket.resume()),
  };
  socket.on('data', (data: Buffer) => peer.messages.push(data));
  socket.on('end', () => {
    peer.ended = true;
  });
  socket.on('error', (error: NodeJS.ErrnoException) => {
    peer.closed ??= error.code ?? error.message;
  });
  socket.on('close', () => {
    peer.closed ??= 'end';
  });
  return peer;
}

/** `allowHalfOpen: false`: its direction ends with the server's. */
export async function connectStream(
  t: TestContext,
  to: ({ port: number; host?: string } | { path: string }) & { allowHalfOpen?: boolean },
): Promise<Peer & { socket: net.Socket }> {
  const socket = net.connect({ host: HOST, allowHalfOpen: true, ...to } as net.NetConnectOpts);
  t.after(() => socket.destroy());
  await once(socket, 'connect');
  return Object.assign(socketPeer(socket), { socket });
}

/** Likewise with TLS, to `localhost`. */
export async function connectSecure(t: TestContext, port: number, ca: string): Promise<Peer> {
  const socket = tls.connect({ host: HOST, port, ca, servername: 'localhost' });
  t.after(() => socket.destroy());
  const peer = socketPeer(socket);
  await once(socket, 'secureConnect');
  return Object.assign(peer, { port: socket.localPort ?? 0 });
}

export async function connectDatagram(
  t: TestContext,
  port: number,
  from: { port?: number; address?: string } = {},
): Promise<Peer & { socket: dgram.Socket }> {
  const socket = dgram.createSocket('udp4');
  t.after(() => closeDatagram(socket));
  socket.bind({ address: HOST, port: 0, ...from });
  await once(socket, 'listening');
  const peer: Peer = {
    messages: [],
    closed: undefined,
    ended: false,
    port: socket.address().port,
    send: (data) => socket.send(data, port, HOST),
    end: () => {},
    close: () => closeDatagram(socket),
    reset: () => closeDatagram(socket),
    pause: () => {},
  };
  socket.on('message', (data: Buffer) => peer.messages.push(data));
  socket.on('error', () => {});
  return Object.assign(peer, { socket });
}

function closeDatagram(socket: dgram.Socket): void {
  try {
    socket.close();
  } catch {
    // It is closed already.
  }
}

function webSocketPeer(ws: WebSocket): Peer {
  const text: boolean[] = [];
  const peer: Peer = {
    messages: [],
    text,
    closed: undefined,
    ended: false,
    port: 0,
    send: (data) => ws.send(data),
    end: () => ws.close(),
    close: () => ws.close(),
    reset: () => ws.terminate(),
    pause: (paused) => (paused ? ws.pause() : ws.resume()),
  };
  ws.on('message', (data: Buffer, binary) => {
    text.push(!binary);
    peer.messages.push(data);
  });
  ws.on('error', () => {});
  ws.on('close', (code) => {
    peer.closed = code;
  });
  return peer;
}

/** `to`: a port, or the path of a UNIX socket. */
export async function connectWebSocket(
  t: TestContext,
  to: number | string,
  {
    path = '/',
    protocols = [],
    headers = {},
  }: { path?: string; protocols?: string[]; headers?: Record<string, string> } = {},
): Promise<Peer & { ws: WebSocket }> {
  const at = typeof to === 'number' ? `ws://${HOST}:${to}` : `ws+unix:${to}:`;
  const ws = new WebSocket(`${at}${path}`, protocols, { headers, perMessageDeflate: false });
  t.after(() => ws.terminate());
  const peer = webSocketPeer(ws);
  await once(ws, 'open');
  return Object.assign(peer, { ws });
}

// -------------------------------------------------------------------- servers

export interface Server {
  readonly port: number;
  readonly peers: Peer[];
  /** Stops listening and cuts every connection. */
  stop(): Promise<void>;
}

export interface ServerOptions {
  readonly port?: number;
  /** What is sent back for a message; nothing where it is undefined. The default echoes. */
  readonly reply?: (data: Buffer, peer: Peer) => string | Uint8Array | undefined;
  readonly onPeer?: (
    peer: Peer,
    request?: { url: string; headers: Record<string, string | string[] | undefined> },
  ) => void;
}

/** Has a peer answered, as a server does. */
export function serve(peer: Peer, { reply = (data) => data, onPeer }: ServerOptions): Peer {
  const push = peer.messages.push.bind(peer.messages);
  peer.messages.push = (...all: Buffer[]) => {
    const length = push(...all);
    for (const data of all) {
      const answer = reply(data, peer);
      if (answer !== undefined) peer.send(answer);
    }
    return length;
  };
  onPeer?.(peer);
  return peer;
}

/** `allowHalfOpen: false`: its direction ends with the client's. */
export async function serveStream(
  t: TestContext,
  options: ServerOptions & { path?: string; host?: string; allowHalfOpen?: boolean } = {},
): Promise<Server> {
  const peers: Peer[] = [];
  const sockets = new Set<net.Socket>();
  const server = net.createServer({ allowHalfOpen: options.allowHalfOpen ?? true }, (socket) => {
    sockets.add(socket);
    const peer = socketPeer(socket);
    peers.push(peer);
    serve(peer, options);
  });
  const port = options.path === undefined ? (options.port ?? (await freePort())) : 0;
  server.listen(options.path === undefined ? { port, host: options.host ?? HOST } : { path: options.path });
  await once(server, 'listening');
  const stop = async (): Promise<void> => {
    for (const socket of sockets) socket.destroy();
    if (server.listening) await new Promise((resolve) => server.close(resolve));
  };
  t.after(stop);
  return { port, peers, stop };
}

/** Each request is a peer: its body comes from there, what is sent is the answer's. */
export async function serveHttp(t: TestContext, options: ServerOptions = {}): Promise<Server> {
  const peers: Peer[] = [];
  const server = http.createServer({ keepAliveTimeout: 0 }, (req, res) => {
    const peer = requestPeer(req, res);
    peers.push(peer);
    serve(peer, options);
    res.flushHeaders();
  });
  const port = options.port ?? (await freePort());
  server.listen(port, HOST);
  await once(server, 'listening');
  const stop = async (): Promise<void> => {
    server.closeAllConnections();
    if (server.listening) await new Promise((resolve) => server.close(resolve));
  };
  t.after(stop);
  return { port, peers, stop };
}

function requestPeer(req: http.IncomingMessage, res: http.ServerResponse): Peer {
  const peer: Peer = {
    messages: [],
    closed: undefined,
    ended: false,
    port: req.socket.remotePort ?? 0,
    send: (data) => res.write(data),
    end: () => res.end(),
    close: () => res.end(),
    reset: () => (req.socket as net.Socket).resetAndDestroy(),
    pause: () => req.pause(),
  };
  req.on('data', (data: Buffer) => peer.messages.push(data));
  req.on('end', () => {
    peer.ended = true;
    res.end();
  });
  return peer;
}

/** The same by HTTP/2 with prior knowledge. */
export async function serveHttp2(t: TestContext, options: ServerOptions = {}): Promise<Server> {
  const peers: Peer[] = [];
  const sessions = new Set<http2.Http2Session>();
  const server = http2.createServer();
  server.on('session', (session) => sessions.add(session));
  server.on('stream', (stream: http2.ServerHttp2Stream) => {
    const peer = streamPeer(stream);
    peers.push(peer);
    serve(peer, options);
    stream.respond();
  });
  const port = options.port ?? (await freePort());
  server.listen(port, HOST);
  await once(server, 'listening');
  const stop = async (): Promise<void> => {
    for (const session of sessions) session.destroy();
    if (server.listening) await new Promise((resolve) => server.close(resolve));
  };
  t.after(stop);
  return { port, peers, stop };
}

function streamPeer(stream: http2.ServerHttp2Stream): Peer {
  const peer: Peer = {
    messages: [],
    closed: undefined,
    ended: false,
    port: stream.session?.socket.remotePort ?? 0,
    send: (data) => stream.write(data),
    end: () => stream.end(),
    close: () => stream.end(),
    reset: () => stream.close(http2.constants.NGHTTP2_INTERNAL_ERROR),
    pause: () => stream.pause(),
  };
  stream.on('error', () => {});
  stream.on('data', (data: Buffer) => peer.messages.push(data));
  stream.on('end', () => {
    peer.ended = true;
    stream.end();
  });
  return peer;
}

/** A stream server with TLS, whose direction ends with the client's. */
export async function serveSecure(
  t: TestContext,
  pair: { readonly cert: string; readonly key: string },
  options: ServerOptions = {},
): Promise<Server> {
  const peers: Peer[] = [];
  const sockets = new Set<tls.TLSSocket>();
  const server = tls.createServer(pair, (socket) => {
    sockets.add(socket);
    const peer = socketPeer(socket);
    peers.push(peer);
    serve(peer, options);
  });
  const port = options.port ?? (await freePort());
  server.listen({ port, host: HOST });
  await once(server, 'listening');
  const stop = async (): Promise<void> => {
    for (const socket of sockets) socket.destroy();
    if (server.listening) await new Promise((resolve) => server.close(resolve));
  };
  t.after(stop);
  return { port, peers, stop };
}

export async function serveDatagram(t: TestContext, options: ServerOptions & { host?: string } = {}): Promise<Server> {
  const peers = new Map<string, Peer>();
  const socket = dgram.createSocket('udp4');
  const list: Peer[] = [];
  socket.on('message', (data, { address, port }) => {
    const key = `${address}:${port}`;
    let peer = peers.get(key);
    if (!peer) {
      const nothing = (): void => {};
      const send = (answer: string | Uint8Array): void => socket.send(answer, port, address);
      peer = serve(
        {
          messages: [],
          closed: undefined,
          ended: false,
          port,
          send,
          end: nothing,
          close: nothing,
          reset: nothing,
          pause: nothing,
        },
        options,
      );
      peers.set(key, peer);
      list.push(peer);
    }
    peer.messages.push(data);
  });
  socket.on('error', () => {});
  const port = options.port ?? (await freePort());
  socket.bind({ address: options.host ?? HOST, port });
  await once(socket, 'listening');
  const stop = async (): Promise<void> => closeDatagram(socket);
  t.after(stop);
  return { port, peers: list, stop };
}

export async function serveWebSocket(t: TestContext, options: ServerOptions & { path?: string } = {}): Promise<Server> {
  const peers: Peer[] = [];
  const { path, port = path === undefined ? await freePort() : 0 } = options;
  const below = http.createServer();
  const server = new WebSocketServer({
    server: below,
    perMessageDeflate: false,
    handleProtocols: (all) => [...all][0] ?? false,
  });
  below.listen(path === undefined ? { host: HOST, port } : { path });
  server.on('connection', (ws, { url = '', headers }) => {
    const peer = webSocketPeer(ws);
    peers.push(peer);
    serve(peer, { ...options, onPeer: (one) => options.onPeer?.(one, { url, headers }) });
  });
  await once(server, 'listening');
  const stop = async (): Promise<void> => {
    for (const client of server.clients) client.terminate();
    server.close();
    if (below.listening) await new Promise((resolve) => below.close(resolve));
  };
  t.after(stop);
  return { port, peers, stop };
}
