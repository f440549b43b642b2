import type * as http from 'node:http';
import type { Socket } from 'node:net';
import type { ClientOptions, WebSocket } from 'ws';
import { authority, hostPort } from '../../core/address.ts';
import { onAbort } from '../../core/attempt.ts';
import type { Head, Headers, QueueLimits } from '../../core/channel.ts';
import { type ByteStream, streamOf } from '../../core/channel-duplex.ts';
import { L7mpError } from '../../core/errors.ts';
import { isObject, type Metadata } from '../../core/metadata.ts';
import { getAt } from '../../core/pointer.ts';
import type { Attempt, Dialer } from '../../core/protocol.ts';
import { describeError, tellWhere } from '../../io/connect-error.ts';
import { type Forwarding, forward } from '../http/forwarded.ts';
import { endToEnd } from '../http/headers.ts';
import { WebSocketChannel, type WebSocketOptions, wsOptions } from './channel.ts';
import { splitProtocols } from './subprotocols.ts';

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
  /** ws's, which is loaded by who needs it. */
  readonly WebSocket: typeof WebSocket;
  /** The port of an endpoint; undefined where it is no address of the Internet. Throws as `dialPort`'s. */
  readonly portOf: (attempt: Attempt) => number | undefined;
  /** How it is told of the client. */
  readonly forwarding: Forwarding;
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

  constructor({ ws, socket, answer }: Answered, options: WebSocketOptions, limits: QueueLimits) {
    super(options, limits);
    this.#answer = answer;
    this.attach(ws, socket);
  }

  override get answer(): Head {
    return this.#answer;
  }
}

/** A handshake that the endpoint has agreed to. */
interface Answered {
  readonly ws: WebSocket;
  readonly socket: ByteStream;
  readonly answer: Head;
}

/**
 * Connects with `below`, and shakes hands. Rejects with what that rejects with, with E_HANDSHAKE where the endpoint does not
 * agree, with E_CONNECT where it takes too long.
 */
export async function dial(
  attempt: Attempt,
  target: Target,
  below: Dialer,
  limits: QueueLimits,
): Promise<WebSocketChannel> {
  const port = target.portOf(attempt);
  const request = requestFor(attempt, port, target.forwarding);
  const stream = streamOf(await below.dial(attempt));
  // ws says what is wrong.
  stream.on('error', () => {});
  return new Promise((resolve, reject) => {
    const fail = (error: Error, code: 'E_CONNECT' | 'E_HANDSHAKE' = 'E_HANDSHAKE'): void => {
      stopWaiting();
      stream.destroy();
      const where = port === undefined ? attempt.address : hostPort(attempt.address, port);
      reject(new L7mpError(code, tellWhere(where, describeError(error)), { cause: error }));
    };
    const stopWaiting = onAbort(attempt.signal, () => fail(new Error('no connection in time'), 'E_CONNECT'));
    if (attempt.signal.aborted) return;
    shake(stream, { ...request, target }, fail, (answered) => {
      stopWaiting();
      resolve(new DialledChannel(answered, target, limits));
    });
  });
}

/** What is asked of an endpoint. */
interface Request {
  readonly path: string;
  readonly headers: Headers;
  /** The subprotocols that are offered. */
  readonly offered: readonly string[];
}

/** Throws where the session's metadata make no request, before anything is connected. */
function requestFor({ address, session }: Attempt, port: number | undefined, forwarding: Forwarding): Request {
  const { metadata = {} } = session ?? {};
  const offered = protocolsOf(metadata);
  return {
    path: pathOf(metadata),
    headers: {
      host: port === undefined ? 'localhost' : authority(address, port),
      ...forward(headersOf(metadata), metadata, forwarding),
      ...(offered.length > 0 && { 'sec-websocket-protocol': offered.join(',') }),
    },
    offered,
  };
}

/**
 * The client's side of the opening handshake. The subprotocols are offered by their header, not by ws, which takes it for
 * an error that the endpoint chooses none of them: the client is told so, and may well go on (section 4.1).
 */
function shake(
  socket: ByteStream,
  { path, headers, offered, target }: Request & { readonly target: Target },
  fail: (error: Error) => void,
  done: (answered: Answered) => void,
): void {
  const options: ClientOptions = {
    ...wsOptions(target),
    headers: headers as Record<string, string>,
    createConnection: () => socket as Socket,
    // A URL would change the path (dots, escapes) on its way.
    finishRequest: (req) => {
      (req as unknown as { path: string }).path = path;
      req.end();
    },
  };
  const ws = new target.WebSocket('ws://endpoint/', [], options);
  let answer: Head = {};
  const failed = (error: Error): void => fail(isSystemError(error) ? error : wrongAnswer(error));
  ws.on('error', failed);
  ws.on('unexpected-response', (_req, response) => fail(new UnexpectedResponse(response)));
  ws.on('upgrade', (response) => {
    const protocol = response.headers['sec-websocket-protocol'];
    if (protocol === undefined || !offered.includes(protocol)) return;
    answer = { protocol };
    delete response.headers['sec-websocket-protocol'];
  });
  ws.once('open', () => {
    ws.off('error', failed);
    done({ ws, socket, answer });
  });
}

function wrongAnswer({ message }: Error): Error {
  return new Error(`the answer to the WebSocket handshake is wrong: ${message}`);
}

function isSystemError(error: Error): boolean {
  return 'code' in error;
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
