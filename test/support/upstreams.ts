/** Upstreams of HTTP clusters, and proxies that lead to them. */
import { once } from 'node:events';
import * as http from 'node:http';
import * as net from 'node:net';
import type { TestContext } from 'node:test';
import { freePort } from '../../src/testing/ports.ts';
import { startProxy } from './proxy.ts';

const HOST = '127.0.0.1';

export interface Setting {
  readonly spec?: object;
  readonly options?: object;
  readonly route?: object;
  readonly rewrite?: readonly object[];
  readonly source?: object;
  readonly listenerOptions?: object;
  readonly admin?: object;
}

/** A proxy whose listener leads to upstreams on such ports. */
export async function proxyTo(t: TestContext, upstreams: readonly number[], setting: Setting = {}) {
  const {
    spec = {},
    options = {},
    route = {},
    rewrite,
    source = { protocol: 'HTTP' },
    listenerOptions = {},
    admin = {},
  } = setting;
  const { proxy, ports } = await startProxy(t, ['l'], ({ l }) => {
    const destination = {
      name: 'up',
      spec: { protocol: 'HTTP', port: upstreams[0] ?? 1, ...spec },
      endpoints: upstreams.map((port, n) => ({ name: `e${n}`, spec: { address: HOST, port } })),
      options,
    };
    const action = { ...(rewrite && { rewrite }), route: { destination, ...route } };
    const given = { name: 'l', spec: { port: l, address: HOST, ...source }, rules: [{ action }] };
    return { admin, listeners: [{ ...given, options: listenerOptions }] };
  });
  return { proxy, port: ports.l };
}

export type Handler = (req: http.IncomingMessage, res: http.ServerResponse) => void;

/** An upstream of node's; `requests` are what it was asked for, `connections` those that it has had. */
export async function upstream(t: TestContext, handler: Handler) {
  const requests: http.IncomingMessage[] = [];
  let connections = 0;
  const server = http.createServer((req, res) => {
    requests.push(req);
    handler(req, res);
  });
  server.on('connection', () => connections++);
  const port = await freePort();
  server.listen(port, HOST);
  await once(server, 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return { server, port, requests, connections: () => connections };
}

/** An upstream that says what it likes: `answer` is called with each piece that comes, and the connection. */
export async function rawUpstream(t: TestContext, answer: (socket: net.Socket, text: string, n: number) => void) {
  const heard: string[] = [];
  const sockets: net.Socket[] = [];
  const server = net.createServer((socket) => {
    const n = sockets.push(socket) - 1;
    heard.push('');
    socket.on('error', () => {});
    socket.on('data', (data) => {
      heard[n] += data.toString('latin1');
      answer(socket, heard[n] as string, n);
    });
  });
  const port = await freePort();
  server.listen(port, HOST);
  await once(server, 'listening');
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { port, heard, sockets };
}

/** What an upstream says that says what it likes. */
export const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';

/** Gives a request's body back while it comes. */
export const echo: Handler = (req, res) => void req.pipe(res);

/** Gives it back when it is there, with its length. */
export const answerWhole: Handler = (req, res) => {
  const parts: Buffer[] = [];
  req.on('data', (part: Buffer) => parts.push(part));
  req.on('end', () => {
    res.setHeader('content-length', Buffer.concat(parts).length);
    res.end(Buffer.concat(parts));
  });
};
