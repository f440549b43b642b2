/** The request that a session makes, out of its metadata. */
import { authority } from '../../../core/address.ts';
import { L7mpError } from '../../../core/errors.ts';
import { isObject, type Metadata } from '../../../core/metadata.ts';
import { getAt } from '../../../core/pointer.ts';
import type { Attempt } from '../../../core/protocol.ts';
import { type Forwarding, forward } from '../forwarded.ts';
import { endToEnd, tokens } from '../headers.ts';
import type { RequestHead } from './upstream.ts';

/** What may stand in a request's target: anything else would end it (RFC 9112 section 3), or is not sent by node. */
const TARGET = /^[\x21-\x7e\x80-\xff]+$/;

/** RFC 9110 section 5.6.2. */
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

/** Told by the target, or by the version's own framing. */
const HOST: ReadonlySet<string> = new Set(['host']);
const HOST_AND_LENGTH: ReadonlySet<string> = new Set(['host', 'content-length']);

/** Fields about the handshake of a WebSocket, whose messages become the body. */
const HANDSHAKE: ReadonlySet<string> = new Set([
  ...HOST_AND_LENGTH,
  'expect',
  'sec-websocket-accept',
  'sec-websocket-extensions',
  'sec-websocket-key',
  'sec-websocket-protocol',
  'sec-websocket-version',
]);

/** What a cluster asks for. */
export interface Asked {
  /** Of sessions that have none. */
  readonly path: string;
  readonly method: string;
  /** Whose name the request is for: `client`, `endpoint`, or the name itself. */
  readonly host: string;
  readonly scheme: 'http' | 'https';
  readonly forwarding: Forwarding;
}

/**
 * The head of the request for an attempt to reach an endpoint at `port` (undefined where its address is a path).
 *
 * @throws L7mpError E_HANDSHAKE where the metadata make none
 */
export function requestFor({ address, session }: Attempt, port: number | undefined, asked: Asked): RequestHead {
  const { metadata = {}, exchange = false, switches = false, transformed = false } = session ?? {};
  const http = isObject(metadata.HTTP) ? metadata.HTTP : {};
  const given = isObject(http.headers) ? http.headers : {};
  const but = exchange ? (transformed ? HOST_AND_LENGTH : HOST) : HANDSHAKE;
  const endpoint = port === undefined ? 'localhost' : authority(address, port).replace(DEFAULT_PORT[asked.scheme], '');
  const upgrades = switches && tokens(given.upgrade).includes('websocket');
  return {
    ...(upgrades && { upgrade: 'websocket' }),
    method: methodOf(http, given, exchange, asked),
    target: targetOf(metadata, asked),
    scheme: asked.scheme,
    authority: hostOf(given.host, endpoint, asked),
    headers: forward(endToEnd(given, but), metadata, asked.forwarding),
  };
}

const DEFAULT_PORT = { http: /:80$/, https: /:443$/ } as const;

function methodOf(http: Metadata, headers: Metadata, exchange: boolean, { method: other }: Asked): string {
  // A WebSocket's handshake is a GET, of which its messages are not the body.
  const ofHandshake = !exchange && http.method === 'GET' && tokens(headers.upgrade).includes('websocket');
  const { method = other } = ofHandshake ? {} : http;
  if (typeof method !== 'string' || !TOKEN.test(method) || method === 'CONNECT') {
    throw new L7mpError('E_HANDSHAKE', `the method ${JSON.stringify(method)} cannot be sent`);
  }
  return method;
}

function targetOf(metadata: Metadata, { path: other }: Asked): string {
  const path = getAt(metadata, ['HTTP', 'url', 'path']) ?? other;
  if (typeof path !== 'string' || (path !== '' && !TARGET.test(path))) {
    throw new L7mpError('E_HANDSHAKE', `the path ${JSON.stringify(path)} cannot be sent`);
  }
  return path.startsWith('/') || path === '*' ? path : `/${path}`;
}

function hostOf(given: unknown, endpoint: string, { host }: Asked): string {
  if (host === 'endpoint') return endpoint;
  if (host !== 'client') return host;
  if (given === undefined || given === '') return endpoint;
  if (typeof given !== 'string' || !HOST_FIELD.test(given)) {
    throw new L7mpError('E_HANDSHAKE', `the host ${JSON.stringify(given)} cannot be sent`);
  }
  return given;
}

/** Neither the end of the field nor two of them. */
const HOST_FIELD = /^[\x21-\x7e]+$/;
