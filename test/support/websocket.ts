/** Clients and servers of WebSocket, made of ws itself. */
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import type { TestContext } from 'node:test';
import { WebSocket, WebSocketServer } from 'ws';

export interface Message {
  readonly text: string;
  readonly binary: boolean;
}

/** A WebSocket that remembers what came, and how it ended. */
export class Peer {
  readonly ws: WebSocket;
  readonly messages: Message[] = [];
  closed: { readonly code: number; readonly text: string } | undefined;

  constructor(t: TestContext, ws: WebSocket) {
    this.ws = ws;
    t.after(() => ws.terminate());
    ws.on('error', () => {});
    ws.on('message', (data: Buffer, binary) => this.messages.push({ text: data.toString(), binary }));
    ws.on('close', (code, text) => {
      this.closed = { code, text: text.toString() };
    });
  }
}

export interface ConnectOptions {
  readonly path?: string;
  readonly protocols?: string[];
  readonly headers?: Record<string, string>;
}

/** Begins to connect. */
export function connect(
  t: TestContext,
  port: number,
  { path = '/', protocols = [], headers = {} }: ConnectOptions = {},
) {
  const ws = new WebSocket(`ws://127.0.0.1:${port}${path}`, protocols, { headers, perMessageDeflate: false });
  return new Peer(t, ws);
}

/** The HTTP response that a client gets instead of its upgrade. */
export async function refusal({
  ws,
}: Peer): Promise<{ status: number; headers: Record<string, unknown>; body: unknown }> {
  const [, res] = await once(ws, 'unexpected-response');
  const parts: Buffer[] = [];
  for await (const part of res) parts.push(part as Buffer);
  return { status: res.statusCode, headers: res.headers, body: JSON.parse(Buffer.concat(parts).toString()) };
}

/** What a server sees of a client's handshake. */
interface Seen {
  readonly url: string | undefined;
  readonly headers: NodeJS.Dict<string | string[]>;
  readonly from: string | undefined;
}

/** A server on some port; `peers` are those that have connected. */
export async function serve(t: TestContext, options: ConstructorParameters<typeof WebSocketServer>[0] = {}) {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate: false, ...options });
  const peers: (Peer & Seen)[] = [];
  server.on('connection', (ws, { url, headers, socket }) => {
    peers.push(Object.assign(new Peer(t, ws), { url, headers, from: socket.remoteAddress }));
  });
  t.after(() => server.close());
  await once(server, 'listening');
  return { server, peers, port: (server.address() as AddressInfo).port };
}
