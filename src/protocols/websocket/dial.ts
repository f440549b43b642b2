import type { IncomingMessage } from 'node:http';
import * as net from 'node:net';
import type { Duplex } from 'node:stream';
import { WebSocket } from 'ws';
import { authority, hostPort, plainAddress } from '../../core/address.ts';
import type { Head, Headers, QueueLimits } from '../../core/channel.ts';
import { asL7mpError, L7mpError } from '../../core/errors.ts';
import type { Json, Metadata } from '../../core/metadata.ts';
import { getAt } from '../../core/pointer.ts';
import type { Attempt } from '../../core/protocol.ts';
import { describeError, tellWhere } from '../../io/connect-error.ts';
import type { Connections } from '../../io/connections.ts';
import { claimingLookup } from '../../io/node/stream.ts';
import { endToEnd } from '../http/headers.ts';
import { WebSocketChannel, WS_OPTIONS } from './channel.ts';

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

/** A subprotocol is a token (RFC 6455 section 4.1). */
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

export interface Target {
  readonly port: number;
  readonly bind?: { readonly address?: string; readonly port?: number };
  readonly maxMessage: number;
  readonly connections: Connections;
}

/** An endpoint's answer to the handshake that is an HTTP response: the cause of an E_HANDSHAKE. */
export class UnexpectedResponse extends Error {
  readonly status: number;
  readonly headers: Record<string, string>;

  constructor({ statusCode = 0, headers }: Pick<IncomingMessage, 'statusCode' | 'headers'>) {
    super(`answered ${statusCode}`);
    this.status = statusCode;
    const given = PASSED_ON.map((name) => [name, headers[name]] as const);
    this.headers = Object.fromEntries(
      given.filter((entry): entry is [(typeof PASSED_ON)[number], string] => !!entry[1]),
    );
  }
}

class DialledChannel extends WebSocketChannel {
  readonly #answer: Head;

  constructor(ws: WebSocket, socket: Duplex, limits: QueueLimits, maxMessage: number) {
    super(limits, maxMessage);
    this.#answer = ws.protocol ? { protocol: ws.protocol } : {};
    this.attach(ws, socket);
  }

  override get answer(): Head {
    return this.#answer;
  }
}

export function dial(attempt: Attempt, target: Target, limits: QueueLimits): Promise<WebSocketChannel> {
  const where = hostPort(attempt.address, target.port);
  return new Promise((resolve, reject) => {
    let connected = false;
    const socket = begin(attempt, target, () => {
      connected = true;
    });
    const fail = (code: 'E_CONNECT' | 'E_HANDSHAKE', message: string, cause?: Error): void => {
      attempt.onCancel = undefined;
      socket.terminate();
      reject(cause instanceof L7mpError ? cause : new L7mpError(code, tellWhere(where, message), { cause }));
    };
    const onError = (error: Error): void => fail(connected ? 'E_HANDSHAKE' : 'E_CONNECT', describeError(error), error);
    socket.on('error', onError);
    socket.on('unexpected-response', (_req, response) => {
      const cause = new UnexpectedResponse(response);
      fail('E_HANDSHAKE', `${cause.message} to the WebSocket handshake`, cause);
    });
    // 'open' follows at once.
    socket.on('upgrade', ({ socket: below }) => {
      socket.once('open', () => {
        socket.off('error', onError);
        attempt.onCancel = undefined;
        resolve(new DialledChannel(socket, below, limits, target.maxMessage));
      });
    });
    attempt.onCancel = () => fail('E_CONNECT', 'no connection in time');
  });
}

/** Throws where the session's metadata make no request, before anything is connected. */
function begin(attempt: Attempt, target: Target, connected: () => void): WebSocket {
  const { port, bind, maxMessage, connections } = target;
  const { metadata } = attempt.session;
  const path = pathOf(metadata);
  const headers = { host: authority(attempt.address, port), ...headersOf(metadata) };
  const from = { localAddress: bind?.address && plainAddress(bind.address), localPort: bind?.port };
  const options = {
    ...WS_OPTIONS,
    maxPayload: maxMessage,
    headers: headers as Record<string, string>,
    createConnection: () => {
      const lookup = claimingLookup(connections);
      const socket = net.connect({ host: plainAddress(attempt.address), port, noDelay: true, lookup, ...from });
      connections.add(socket);
      socket.once('connect', connected);
      // Node's client listens for errors from the next turn on.
      socket.on('error', () => {});
      return socket;
    },
    // A URL would change the path (dots, escapes) on its way.
    finishRequest: (req: { path: string; end(): void }) => {
      req.path = path;
      req.end();
    },
  };
  try {
    return new WebSocket('ws://endpoint/', protocolsOf(metadata), options as object);
  } catch (error) {
    throw asL7mpError(error, 'E_CONNECT');
  }
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

/** The subprotocols in a header; undefined where it is malformed, or has one of them twice. */
export function splitProtocols(header: string): string[] | undefined {
  const protocols = header.split(',').map((one) => one.trim());
  const valid = protocols.every((one) => TOKEN.test(one)) && new Set(protocols).size === protocols.length;
  return valid ? protocols : undefined;
}

function isObject(value: Json | undefined): value is { [key: string]: Json } {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
