/** For the tests of JSONSocket: bare sockets that remember what came, and places to listen. */
import * as dgram from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import * as net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Spec } from '../../core/protocol.ts';
import { freePort } from '../../testing/ports.ts';
import { Inbox, type Rig } from './testing.ts';

export const HOST = '127.0.0.1';

/** Where a listener listens, and the transport and the address that lead there. */
export interface Place {
  readonly listener: Spec;
  readonly cluster: Spec;
  readonly address: string;
}

/** Makes places for each transport. */
export const PLACES: Readonly<Record<'UDP' | 'TCP' | 'UnixDomainSocket', (rig: Rig) => Promise<Place>>> = {
  UDP: () => internetPlace('UDP'),
  TCP: () => internetPlace('TCP'),
  UnixDomainSocket: async (rig) => {
    const filename = socketPath(rig);
    const protocol = 'UnixDomainSocket';
    return { listener: { protocol, filename }, cluster: { protocol }, address: filename };
  },
};

async function internetPlace(protocol: string): Promise<Place> {
  const port = await freePort();
  return { listener: { protocol, address: HOST, port }, cluster: { protocol, port }, address: HOST };
}

export interface UdpPeer {
  readonly port: number;
  readonly inbox: Inbox<{ readonly text: string; readonly from: number }>;
  send(text: string, port: number): void;
}

export async function udpPeer(rig: Rig): Promise<UdpPeer> {
  const socket = dgram.createSocket('udp4');
  const inbox: UdpPeer['inbox'] = new Inbox();
  rig.onEnd(() => socket.close());
  socket.on('message', (bytes, { port }) => inbox.push({ text: bytes.toString(), from: port }));
  socket.bind(0, HOST);
  await once(socket, 'listening');
  return { port: socket.address().port, inbox, send: (text, port) => socket.send(text, port, HOST) };
}

export type StreamAddress = { readonly port: number } | { readonly path: string };

/** One end of a byte stream; remembers all that came. */
export class StreamPeer {
  readonly socket: net.Socket;
  /** The peer's FIN was read. */
  readonly ended: Promise<unknown>;
  text = '';
  #waiting: (() => void) | undefined;

  constructor(socket: net.Socket) {
    this.socket = socket;
    this.ended = new Promise((resolve) => socket.once('end', resolve));
    socket.on('error', () => {});
    socket.on('data', (bytes) => {
      this.text += bytes.toString();
      this.#waiting?.();
    });
  }

  /** Waits until this text is in what came. */
  async comes(text: string): Promise<void> {
    while (!this.text.includes(text)) await new Promise<void>((resolve) => (this.#waiting = resolve));
  }
}

export async function connectStream(rig: Rig, to: StreamAddress): Promise<StreamPeer> {
  const socket = net.connect({ host: HOST, allowHalfOpen: true, ...to });
  rig.onEnd(() => socket.destroy());
  const peer = new StreamPeer(socket);
  await once(socket, 'connect');
  return peer;
}

/** A server of byte streams; gives its connections. */
export async function streamServer(rig: Rig, at: StreamAddress): Promise<{ port: number; peers: Inbox<StreamPeer> }> {
  const peers = new Inbox<StreamPeer>();
  const server = net.createServer({ allowHalfOpen: true }, (socket) => {
    rig.onEnd(() => socket.destroy());
    peers.push(new StreamPeer(socket));
  });
  rig.onEnd(() => server.close());
  server.listen({ host: HOST, ...at });
  await once(server, 'listening');
  const address = server.address();
  return { port: typeof address === 'object' && address ? address.port : 0, peers };
}

export function socketPath(rig: Rig): string {
  const folder = mkdtempSync(join(tmpdir(), 'jsonsocket-'));
  rig.onEnd(() => rmSync(folder, { recursive: true }));
  return join(folder, 's');
}
