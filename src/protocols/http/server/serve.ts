/** An HTTP server on node:http and node:http2, for the protocols that begin with a request. */
import * as http from 'node:http';
import type { Duplex } from 'node:stream';
import type { Channel } from '../../../core/channel.ts';
import type { ByteStream } from '../../../core/channel-duplex.ts';
import { CompactingMap } from '../../../core/compacting.ts';
import type { ListenerHost, ListenerOptions, Listening, Reconfigurable, Spec } from '../../../core/protocol.ts';
import { Shares } from '../../../core/shares.ts';
import { sourceOf } from '../../../core/source.ts';
import { belowOffering, handingDown, listenerOn } from '../../on-streams.ts';
import { distrust, type Trust, trustOf } from '../forwarded.ts';
import { timeoutsOf } from '../options.ts';
import { answerError, answerSocket, drain } from './answer.ts';
import { Connection, type ConnectionHandlers } from './connection.ts';
import { misdirected } from './host.ts';
import type { Http2Connection } from './http2/connection.ts';
import { Http2Server, type TakeStream } from './http2/server.ts';
import { asksForWebSocket } from './upgrade.ts';

/** What is answered to what node's parser would not take, by node's error code; others are a 400. */
const STATUS_OF: Readonly<Record<string, number>> = {
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
  /** What follows it on the connection may be of another protocol: it is not read. */
  readonly last: boolean;
  /** It asks for WebSocket, which whoever answers may agree to. */
  readonly switches: boolean;
}

/** A request to change protocols. */
export interface UpgradeCall {
  readonly req: http.IncomingMessage;
  /** What came behind the request's head is there to be read. */
  readonly socket: ByteStream;
  readonly connection: Connection;
}

export interface Handlers {
  request(call: Call): void;
  /** Of a request on HTTP/2. Without it, clients are told to speak HTTP/1.1. */
  readonly stream?: TakeStream;
  /** Without it, a request to change protocols is taken as any other (RFC 9110 section 7.8). */
  upgrade?(call: UpgradeCall): void;
}

/** Listens for requests on what the specification stands on, and takes up changes of that. Rejects with E_BIND. */
export async function serve(
  spec: object,
  host: ListenerHost,
  handlers: Handlers,
): Promise<Listening & Required<Reconfigurable>> {
  const server = new Server(host, handlers);
  const under = belowOffering(listenerOn, handlers.stream ? ['h2', 'http/1.1'] : ['http/1.1']);
  const below = await host.listenOn(under(spec as Spec), (channel) => server.take(channel));
  return {
    close: () => {
      server.close();
      return below.close();
    },
    reconfigure: handingDown(under, spec as Spec, below),
  };
}

/** Answers a request that does not become a session. */
export function refuseCall(call: Call, status: number, content: string, headers: http.OutgoingHttpHeaders = {}): void {
  // A client that was not told to send its body may send it nevertheless, or its next request: nobody can tell.
  answerError(call.res, status, content, call.awaitsContinue ? { ...headers, connection: 'close' } : headers);
  drain(call.req);
}

interface Believed {
  readonly forwarded: unknown;
  readonly trust: Trust;
}

/** RFC 9112 section 6.1: what node's parser takes for framing, and we cannot undo, or others on the way would not take. */
function wrongCoding({ headers, httpVersion }: http.IncomingMessage): { status: number; why: string } | undefined {
  const coding = headers['transfer-encoding'];
  if (coding === undefined) return undefined;
  if (httpVersion !== '1.1') return { status: 400, why: 'HTTP/1.0 has no transfer codings' };
  return coding.toLowerCase() === 'chunked' ? undefined : { status: 501, why: 'only chunked is understood' };
}

class Server implements ConnectionHandlers {
  // Time limits are kept by the connections; a missing Host is answered here, as whatever else is wrong.
  readonly #server = http.createServer({
    requestTimeout: 0,
    headersTimeout: 0,
    requireHostHeader: false,
  });
  readonly #host: ListenerHost;
  readonly #handlers: Handlers;
  readonly #connections = new CompactingMap<Duplex, Connection>();
  readonly #shares = new Shares<Connection | Http2Connection>();
  readonly #http2: Http2Server;
  #believed: Believed | undefined;

  constructor(host: ListenerHost, handlers: Handlers) {
    this.#host = host;
    this.#handlers = handlers;
    this.#http2 = new Http2Server(host, handlers.stream, this.#shares);
    const server = this.#server;
    // Node would leave out the fields behind so many; the size of a head is bounded.
    server.maxHeadersCount = 0;
    server.on('request', (req, res) => this.#requested(req, res, false));
    server.on('checkContinue', (req, res) => this.#requested(req, res, true));
    server.on('checkExpectation', (req, res) => this.#refuseExpectation(req, res));
    server.on('connect', (_req, stream) => this.#refuseTunnel(stream));
    if (handlers.upgrade) server.on('upgrade', (req, _stream, early) => this.#upgrade(req, early));
    server.on('clientError', (error, stream) => this.#failed(error, stream));
  }

  /** Serves a connection. */
  take(lower: Channel): void {
    // Silent clients, or such as keep their connections, must not keep others out.
    const source = sourceOf(lower);
    if (this.#host.io.connections.scarce) this.#makeRoom(source);
    const { options } = this.#host;
    const connection = new Connection(lower, () => timeoutsOf(this.#host.options), this);
    connection.trusted = options.forwarded !== undefined && this.#trust(options)(connection.address);
    const { stream } = connection;
    this.#connections.set(stream, connection);
    this.#shares.add(connection, source);
    stream.socket.once('close', () => {
      this.#connections.delete(stream);
      this.#shares.delete(connection);
    });
  }

  close(): void {
    for (const connection of this.#connections.values()) connection.close();
    this.#http2.close();
  }

  // ------------------------------------------------------------------ for the connections

  begun(connection: Connection, http2: boolean): void {
    if (http2) {
      this.#connections.delete(connection.stream);
      this.#http2.take(connection);
    } else {
      // As node's server would do with a socket of its own.
      this.#server.emit('connection', connection.stream);
    }
  }

  call(call: Call): void {
    const misled = misdirected(call.req);
    const wrong = misled === undefined ? wrongCoding(call.req) : { status: 400, why: misled };
    if (wrong === undefined) {
      this.#handlers.request(call);
      return;
    }
    this.#host.reject('bad-request');
    call.connection.condemn();
    refuseCall(call, wrong.status, wrong.why, { connection: 'close' });
  }

  late(connection: Connection): void {
    this.#refuse(connection, 408, 'request-timeout', 'the request did not come in time');
  }

  // ------------------------------------------------------------------ own

  /** As the options say now: what they have said before is kept until they change. */
  #trust({ forwarded }: ListenerOptions): Trust {
    if (this.#believed?.forwarded !== forwarded) this.#believed = { forwarded, trust: trustOf({ forwarded }) };
    return (this.#believed as Believed).trust;
  }

  /** Closes one without a request. */
  #makeRoom(source: string | undefined): void {
    const idle = this.#shares.victim(source, ({ busy }) => !busy);
    if (!idle) return;
    this.#shares.delete(idle);
    this.#host.reject('idle-connection');
    idle.cut();
  }

  #requested(req: http.IncomingMessage, res: http.ServerResponse, awaitsContinue: boolean): void {
    const connection = this.#connections.get(req.socket);
    if (!connection) return;
    if (!connection.trusted) distrust(req.headers);
    // Node's parser drops what came with it behind its head, since that may be of the other protocol: nobody can tell
    // where a next request would begin.
    const last = req.headers.upgrade !== undefined;
    if (last) res.shouldKeepAlive = false;
    const switches = last && !awaitsContinue && connection.stream.endsHead && asksForWebSocket(req);
    connection.take({ req, res, connection, awaitsContinue, last, switches });
  }

  #refuseExpectation(req: http.IncomingMessage, res: http.ServerResponse): void {
    this.#host.reject('bad-request');
    answerError(res, 417, 'only 100-continue can be expected', { connection: 'close' });
    drain(req);
  }

  // What node gives as the stream is another one where the request has a body.
  #upgrade(req: http.IncomingMessage, early: Buffer): void {
    const connection = this.#connections.get(req.socket);
    if (!connection) return;
    if (!connection.trusted) distrust(req.headers);
    // Node has taken its own handlers away, and an error without one would end the process.
    connection.stream.on('error', () => {});
    const wrong = connection.busy ? 'an upgrade behind a request that is not answered yet' : misdirected(req);
    if (wrong !== undefined) {
      this.#refuse(connection, 400, 'bad-request', wrong);
      return;
    }
    this.#connections.delete(connection.stream);
    this.#shares.delete(connection);
    const socket = connection.detach(early);
    socket.on('error', () => {});
    this.#handlers.upgrade?.({ req, socket, connection });
  }

  #refuseTunnel(stream: Duplex): void {
    const connection = this.#connections.get(stream);
    stream.on('error', () => {});
    if (connection) this.#refuse(connection, 400, 'bad-request', 'CONNECT is not supported: this is no forward proxy');
  }

  #failed(error: NodeJS.ErrnoException, stream: Duplex): void {
    const { code = '' } = error;
    const connection = this.#connections.get(stream);
    // What comes behind the last request is nobody's.
    if (connection?.busy && code === 'HPE_CLOSED_CONNECTION') return;
    const left = code === 'HPE_INVALID_EOF_STATE' && connection?.busy;
    if (!connection || !code.startsWith('HPE_') || left || !stream.writable) {
      stream.destroy();
      return;
    }
    this.#refuse(connection, STATUS_OF[code] ?? 400, 'bad-request', `the request is not valid HTTP (${code})`);
  }

  /** Answers what is no request, where that can be told; cuts the connection where it cannot. */
  #refuse(connection: Connection, status: number, reason: string, why: string): void {
    const told = connection.breakOff(why);
    if (told === undefined) return;
    this.#host.reject(reason);
    if (told) answerSocket(connection.stream, status, why);
    else connection.stream.destroy();
  }
}
