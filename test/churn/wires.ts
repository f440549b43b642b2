/** Clients and servers of each protocol, which exchange lines. */
import * as dgram from 'node:dgram';
import { once } from 'node:events';
import * as http from 'node:http';
import * as net from 'node:net';
import { WebSocket, WebSocketServer } from 'ws';
import type { Ear, Wire } from './talk.ts';

const BUFFER = 4 << 20;
const BACKLOG = 4096;
const GREETING = JSON.stringify({ JSONSocketVersion: 1 });
const OK = JSON.stringify({ JSONSocketVersion: 1, JSONSocketStatus: 200, JSONSocketMessage: 'OK' });

/** Where a client connects to, or a server listens. */
export type Place = { readonly host: string; readonly port: number } | { readonly path: string };

/** Hands on what has come line by line. */
function lineReader(hear: (line: string) => void): (bytes: Buffer) => void {
  let rest = '';
  return (bytes) => {
    const lines = (rest + bytes.toString('latin1')).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) hear(line);
  };
}

/** The first answer to a JSONSocket client is not for its user. */
function greeted(ear: Ear): Ear {
  let answered = false;
  return {
    hear: (line) => {
      if (answered) return ear.hear(line);
      answered = true;
      if (line !== OK) ear.ended(`its greeting is answered ${line}`);
    },
    ended: (why) => ear.ended(why),
  };
}

// -------------------------------------------------------------------- clients

export type Connect = (to: Place, ear: Ear) => Promise<Wire>;

export const connectStream: Connect = async (to, ear) => {
  const socket = net.connect({ ...to, noDelay: true });
  socket.on('data', lineReader(ear.hear.bind(ear)));
  socket.on('error', (error) => ear.ended(error.message));
  socket.on('close', () => ear.ended('it is closed'));
  await once(socket, 'connect');
  return { port: socket.localPort, send: (line) => void socket.write(`${line}\n`), close: () => socket.destroy() };
};

export const connectDatagram: Connect = async (to, ear) => {
  const { port, host } = to as { port: number; host: string };
  const socket = dgram.createSocket('udp4');
  socket.on('message', (bytes) => ear.hear(bytes.toString('latin1')));
  socket.on('error', (error) => ear.ended(error.message));
  socket.bind({ address: host });
  await once(socket, 'listening');
  const own = socket.address().port;
  return { port: own, send: (line) => socket.send(line, port, host), close: () => void socket.close() };
};

/** `connect`, and a JSONSocket header before all. */
export function withGreeting(connect: Connect): Connect {
  return async (to, ear) => {
    const wire = await connect(to, greeted(ear));
    wire.send(GREETING);
    return wire;
  };
}

export const connectWebSocket: Connect = async (to, ear) => {
  const { port, host } = to as { port: number; host: string };
  const socket = new WebSocket(`ws://${host}:${port}/`, { perMessageDeflate: false });
  socket.on('message', (bytes: Buffer) => ear.hear(bytes.toString('latin1')));
  socket.on('error', (error) => ear.ended(error.message));
  socket.on('close', (code) => ear.ended(`it is closed with ${code}`));
  let own: number | undefined;
  socket.on('upgrade', (response) => {
    own = response.socket.localPort;
  });
  await once(socket, 'open');
  return { port: own, send: (line) => socket.send(line), close: () => socket.terminate() };
};

/** One request, whose body and whose answer's body go on side by side. */
export const connectHttp: Connect = async (to, ear) => {
  const request = http.request({ ...to, method: 'POST', agent: false, headers: { 'transfer-encoding': 'chunked' } });
  request.on('error', (error) => ear.ended(error.message));
  request.on('response', (response) => {
    if (response.statusCode !== 200) ear.ended(`status ${response.statusCode}`);
    response.on('data', lineReader(ear.hear.bind(ear)));
    response.on('close', () => ear.ended('its answer is closed'));
    response.on('error', (error) => ear.ended(error.message));
  });
  request.flushHeaders();
  const [socket] = (await once(request, 'socket')) as [net.Socket];
  await once(socket, 'connect');
  const { localPort: port } = socket;
  return { port, send: (line) => void request.write(`${line}\n`), close: () => void request.destroy() };
};

// -------------------------------------------------------------------- servers

/** Resolves with what ends it, its connections included. */
export type Serve = (at: Place, name: string) => Promise<() => void>;

let connections = 0;

/** What one connection of a server answers, each line behind the name of the two. */
function answerer(server: string): (line: string) => string {
  const name = `${server}:${++connections}`;
  return (line) => (line.startsWith('{') ? OK : `${name} ${line}`);
}

export const serveStream: Serve = async (at, name) => {
  const sockets = new Set<net.Socket>();
  const server = net.createServer({ noDelay: true }, (socket) => {
    const answer = answerer(name);
    sockets.add(socket);
    socket.on(
      'data',
      lineReader((line) => void socket.write(`${answer(line)}\n`)),
    );
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
  });
  server.listen({ ...at, backlog: BACKLOG });
  await once(server, 'listening');
  return () => {
    server.close();
    for (const socket of sockets) socket.destroy();
  };
};

export const serveDatagram: Serve = async (at, name) => {
  const { port, host } = at as { port: number; host: string };
  const socket = dgram.createSocket({ type: 'udp4', recvBufferSize: BUFFER });
  const peers = new Map<string, (line: string) => string>();
  socket.on('message', (bytes, from) => {
    const key = `${from.address}:${from.port}`;
    const answer = peers.get(key) ?? answerer(name);
    peers.set(key, answer);
    socket.send(answer(bytes.toString('latin1')), from.port, from.address);
  });
  socket.on('error', () => {});
  socket.bind({ port, address: host });
  await once(socket, 'listening');
  return () => void socket.close();
};

export const serveWebSocket: Serve = async (at, name) => {
  const server = new WebSocketServer({ ...at, backlog: BACKLOG, perMessageDeflate: false });
  server.on('connection', (socket) => {
    const answer = answerer(name);
    socket.on('message', (bytes: Buffer) => socket.send(answer(bytes.toString('latin1'))));
    socket.on('error', () => {});
  });
  await once(server, 'listening');
  return () => {
    for (const client of server.clients) client.terminate();
    server.close();
  };
};
