/** An HTTP/1.1 server on node:http, for the protocols that begin with a request. */
import * as http from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { plainAddress } from '../../core/address.ts';
import type { ListenerHost, Listening } from '../../core/protocol.ts';
import { TurnoverMap } from '../../core/turnover.ts';
import type { Ends } from '../../io/engine.ts';
import { endsOf } from '../../io/node/address.ts';
import { bindError } from '../../io/node/stream.ts';
import { answerError, answerSocket, drain } from './answer.ts';
import { Connection } from './connection.ts';

/** Milliseconds in which a request's head must come, so that slow clients do not hold connections. */
const HEADERS_TIMEOUT = 60_000;

/** What is answered to what node's parser would not take, by node's error code; others are a 400. */
const STATUS_OF: Readonly<Record<string, number>> = {
  ERR_HTTP_REQUEST_TIMEOUT: 408,
  HPE_CHUNK_EXTENSIONS_OVERFLOW: 413,
  HPE_HEADER_OVERFLOW: 431,
};

/** A request, and where its answer goes. */
export interface Call {
  readonly req: http.IncomingMessage;
  readonly res: http.ServerResponse;
  readonly connection: Connection;
  /** The client sends the body only when it is told to (RFC 9110 section 10.1.1). */
  readonly awaitsContinue: boolean;
}

/** A request to change protocols. */
export interface UpgradeCall {
  readonly req: http.IncomingMessage;
  readonly socket: Duplex;
  /** What came behind the request's head. */
  readonly early: Buffer;
  readonly ends: Ends;
}

export interface Handlers {
  request(call: Call): void;
  /** Without it, a request to change protocols is taken as any other (RFC 9110 section 7.8). */
  upgrade?(call: UpgradeCall): void;
}

/** Listens for requests. Rejects with E_BIND. */
export async function serve(
  at: { readonly host: string; readonly port: number },
  host: ListenerHost,
  handlers: Handlers,
): Promise<Listening> {
  const server = new Server(host, handlers);
  await server.listen(at);
  return server;
}

/** Answers a request that does not become a session. */
export function refuseCall(call: Call, status: number, content: string, headers: http.OutgoingHttpHeaders = {}): void {
  // A client that was not told to send its body may send it nevertheless, or its next request: nobody can tell.
  answerError(call.res, status, content, call.awaitsContinue ? { ...headers, connection: 'close' } : headers);
  drain(call.req);
}

class Server implements Listening {
  // A time limit on the whole request would end uploads that go on for long.
  readonly #server = http.createServer({ requestTimeout: 0, headersTimeout: HEADERS_TIMEOUT });
  readonly #host: ListenerHost;
  readonly #handlers: Handlers;
  readonly #connections = new TurnoverMap<Duplex, Connection>();
  #closed = false;

  constructor(host: ListenerHost, handlers: Handlers) {
    this.#host = host;
    this.#handlers = handlers;
    const server = this.#server;
    server.on('connection', (socket) => this.#connected(socket));
    server.on('request', (req, res) => this.#requested(req, res, false));
    server.on('checkContinue', (req, res) => this.#requested(req, res, true));
    server.on('checkExpectation', (_req, res) => {
      answerError(res, 417, 'only 100-continue can be expected', { connection: 'close' });
    });
    server.on('connect', (_req, socket) => this.#refuseTunnel(socket));
    if (handlers.upgrade) server.on('upgrade', (req, socket, early) => this.#upgrade(req, socket, early));
    server.on('clientError', (error, socket) => this.#failed(error, socket));
  }

  listen(at: { readonly host: string; readonly port: number }): Promise<void> {
    const server = this.#server;
    return new Promise((resolve, reject) => {
      server.once('error', (error) => reject(bindError(at, error)));
      server.listen({ host: plainAddress(at.host), port: at.port, backlog: 4096 }, () => {
        server.removeAllListeners('error');
        // An accept that fails (no descriptors left) concerns that connection only.
        server.on('error', () => {});
        resolve();
      });
    });
  }

  // The address is free at once; the callback of close() would wait for the last connection.
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#server.close();
    for (const connection of this.#connections.values()) connection.close();
  }

  #connected(socket: Socket): void {
    const ends = endsOf(socket);
    // Reset before it was accepted: it has no address any more.
    if (!ends) {
      socket.destroy();
      return;
    }
    if (!this.#host.admitConnection()) {
      socket.destroy();
      return;
    }
    this.#host.io.connections.add(socket);
    this.#connections.set(socket, new Connection(socket, ends));
    socket.once('close', () => this.#connections.delete(socket));
  }

  #requested(req: http.IncomingMessage, res: http.ServerResponse, awaitsContinue: boolean): void {
    const connection = this.#connections.get(req.socket);
    if (!connection) return;
    const call: Call = { req, res, connection, awaitsContinue };
    if (this.#closed) refuseCall(call, 503, 'the listener is closed', { connection: 'close' });
    else this.#handlers.request(call);
  }

  #upgrade(req: http.IncomingMessage, socket: Duplex, early: Buffer): void {
    const connection = this.#connections.get(socket);
    this.#connections.delete(socket);
    // Node has taken its own handlers away, and an error without one would end the process.
    socket.on('error', () => {});
    if (connection) this.#handlers.upgrade?.({ req, socket, early, ends: connection.ends });
  }

  #refuseTunnel(socket: Duplex): void {
    socket.on('error', () => {});
    this.#host.reject('bad-request');
    const why = 'CONNECT is not supported: this is no forward proxy';
    if (this.#connections.get(socket)?.spoil(why)) answerSocket(socket, 400, why);
    else socket.destroy();
  }

  #failed(error: NodeJS.ErrnoException, socket: Duplex): void {
    const { code = '' } = error;
    const connection = this.#connections.get(socket);
    const status = STATUS_OF[code] ?? (code.startsWith('HPE_') ? 400 : undefined);
    const left = code === 'HPE_INVALID_EOF_STATE' && connection?.busy;
    if (!connection || status === undefined || left || !socket.writable) {
      socket.destroy();
      return;
    }
    const why = status === 408 ? 'the request did not come in time' : `the request is not valid HTTP (${code})`;
    const told = connection.spoil(why);
    if (told === undefined) return;
    this.#host.reject(status === 408 ? 'request-timeout' : 'bad-request');
    if (told) answerSocket(socket, status, why);
    else socket.destroy();
  }
}
