import { randomBytes } from 'node:crypto';
import * as http from 'node:http';
import * as net from 'node:net';
import { authority, hostPort, plainAddress } from '../../core/address.ts';
import type { Head, Headers, QueueLimits } from '../../core/channel.ts';
import { L7mpError } from '../../core/errors.ts';
import type { Json, Metadata } from '../../core/metadata.ts';
import { getAt } from '../../core/pointer.ts';
import type { Attempt, ClusterHost } from '../../core/protocol.ts';
import { describeError, tellWhere } from '../../io/connect-error.ts';
import { ALIVE, claimingLookup } from '../../io/node/stream.ts';
import { endToEnd } from '../http/headers.ts';
import { WebSocketChannel, type WebSocketOptions } from './channel.ts';
import { acceptOf, splitProtocols } from './handshake.ts';

/** Fields of the client's handshake with us, or about a body that a handshake does not have. */
const OWN_HEADERS: ReadonlySet<string> = new Set([
  'content-length',
  'expect',
  'sec-websocket-accept',
  'sec-websocket-extensions',
  'sec-websocket-key',
  'sec-websocket-protocol',
  'sec-websocket-version',
]);

/** What a client needs beside the status, to do as the endpoint says. */
const PASSED_ON = ['location', 'retry-after', 'www-authenticate'] as const;

/** What may stand in a request's target: anything else would end it (RFC 9112 section 3), or is not sent by node. */
const TARGET = /^[\x21-\x7e\x80-\xff]+$/;

export interface Target extends WebSocketOptions {
  readonly port: number;
  readonly bind?: { readonly address?: string; readonly port?: number };
}

/** An endpoint's answer to the handshake that is an HTTP response: the cause of an E_HANDSHAKE. */
export class UnexpectedResponse extends Error {
  readonly status: number;
  readonly headers: Record<string, string>;

  constructor({ statusCode = 0, headers }: Pick<http.IncomingMessage, 'statusCode' | 'headers'>) {
    super(`answered ${statusCode} to the WebSocket handshake`);
    this.status = statusCode;
    const given = PASSED_ON.map((name) => [name, headers[name]] as const);
    this.headers = Object.fromEntries(
      given.filter((entry): entry is [(typeof PASSED_ON)[number], string] => !!entry[1]),
    );
  }
}

class DialledChannel extends WebSocketChannel {
  readonly #answer: Head;

  constructor({ socket, early, answer }: Answered, options: WebSocketOptions, limits: QueueLimits) {
    super(true, options, limits);
    this.#answer = answer;
    this.attach(socket, early);
  }

  override get answer(): Head {
    return this.#answer;
  }
}

/** A handshake that the endpoint has agreed to. */
interface Answered {
  readonly socket: net.Socket;
  /** What came behind the answer. */
  readonly early: Uint8Array;
  readonly answer: Head;
}

/** What it needs of its cluster. */
type DialHost = Pick<ClusterHost, 'io' | 'limits'>;

export async function dial(attempt: Attempt, target: Target, host: DialHost): Promise<WebSocketChannel> {
  const where = hostPort(attempt.address, target.port);
  const request = requestFor(attempt, target.port);
  const socket = begin(attempt.address, target, host, where);
  host.io.adopt(socket);
  return new Promise((resolve, reject) => {
    let code: 'E_CONNECT' | 'E_HANDSHAKE' = 'E_CONNECT';
    const fail = (error: Error): void => {
      attempt.onCancel = undefined;
      socket
        .off('error', fail)
        .on('error', () => {})
        .destroy();
      const told = new L7mpError(code, tellWhere(where, describeError(error)), { cause: error });
      reject(error instanceof L7mpError ? error : told);
    };
    socket.once('error', fail);
    socket.once('connect', () => {
      code = 'E_HANDSHAKE';
      shake(socket, request, fail, (answered) => {
        attempt.onCancel = undefined;
        socket.off('error', fail);
        resolve(new DialledChannel(answered, target, host.limits));
      });
    });
    attempt.onCancel = () => {
      code = 'E_CONNECT';
      fail(new Error('no connection in time'));
    };
  });
}

function begin(host: string, { port, bind = {} }: Target, { io }: DialHost, where: string): net.Socket {
  const localAddress = bind.address && plainAddress(bind.address);
  const from = { localAddress, localPort: bind.port, lookup: claimingLookup(io.connections) };
  try {
    return net.connect({ host: plainAddress(host), port, noDelay: true, allowHalfOpen: true, ...ALIVE, ...from });
  } catch (error) {
    throw new L7mpError('E_CONNECT', tellWhere(where, (error as Error).message), { cause: error });
  }
}

/** What is asked of an endpoint. */
interface Request {
  readonly path: string;
  readonly headers: Headers;
  /** The subprotocols that are offered. */
  readonly offered: readonly string[];
}

/** Throws where the session's metadata make no request, before anything is connected. */
function requestFor({ address, session: { metadata } }: Attempt, port: number): Request {
  const offered = protocolsOf(metadata);
  return {
    path: pathOf(metadata),
    headers: {
      host: authority(address, port),
      ...headersOf(metadata),
      ...(offered.length > 0 && { 'sec-websocket-protocol': offered.join(',') }),
    },
    offered,
  };
}

/** The client's side of the opening handshake (RFC 6455 section 4.1). */
function shake(
  socket: net.Socket,
  { path, headers, offered }: Request,
  fail: (error: Error) => void,
  done: (answered: Answered) => void,
): void {
  const key = randomBytes(16).toString('base64');
  const upgrade = {
    connection: 'Upgrade',
    upgrade: 'websocket',
    'sec-websocket-key': key,
    'sec-websocket-version': '13',
  };
  const req = http.request({ createConnection: () => socket, path, headers: { ...headers, ...upgrade } });
  req.on('error', fail);
  req.on('response', (res) => fail(new UnexpectedResponse(res)));
  req.on('upgrade', (res, _socket, early) => {
    const wrong = wrongAnswer(res, key, offered);
    const protocol = res.headers['sec-websocket-protocol'];
    if (wrong !== undefined) fail(new Error(`the answer to the WebSocket handshake has ${wrong}`));
    // None of those that were offered is an answer too: the client is told so.
    else done({ socket, early, answer: protocol === undefined ? {} : { protocol } });
  });
  req.end();
}

function wrongAnswer(
  { statusCode, headers }: http.IncomingMessage,
  key: string,
  offered: readonly string[],
): string | undefined {
  if (statusCode !== 101) return `the status ${statusCode}`;
  if (headers.upgrade?.toLowerCase() !== 'websocket') return 'another protocol than WebSocket';
  if (headers['sec-websocket-accept'] !== acceptOf(key)) return 'no valid Sec-WebSocket-Accept';
  if (headers['sec-websocket-extensions'] !== undefined) return 'extensions that were not offered';
  const protocol = headers['sec-websocket-protocol'];
  if (protocol !== undefined && !offered.includes(protocol)) return 'a subprotocol that was not offered';
  return undefined;
}

function pathOf(metadata: Metadata): string {
  const path = getAt(metadata, ['HTTP', 'url', 'path']);
  if (typeof path !== 'string') return '/';
  if (path !== '' && !TARGET.test(path)) {
    throw new L7mpError('E_HANDSHAKE', `the path ${JSON.stringify(path)} cannot be sent`);
  }
  return path.startsWith('/') ? path : `/${path}`;
}

function headersOf(metadata: Metadata): Headers {
  const headers = getAt(metadata, ['HTTP', 'headers']);
  return isObject(headers) ? endToEnd(headers, OWN_HEADERS) : {};
}

/** The subprotocols to offer. */
function protocolsOf(metadata: Metadata): string[] {
  const offered = getAt(metadata, ['HTTP', 'headers', 'sec-websocket-protocol']);
  if (typeof offered !== 'string') return [];
  const protocols = splitProtocols(offered);
  if (protocols) return protocols;
  throw new L7mpError('E_HANDSHAKE', `the subprotocols ${JSON.stringify(offered)} cannot be offered`);
}

function isObject(value: Json | undefined): value is { [key: string]: Json } {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
