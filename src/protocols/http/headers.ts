/** Header fields as they pass through a proxy. */
import { validateHeaderName, validateHeaderValue } from 'node:http';
import type { Headers } from '../../core/channel.ts';
import { L7mpError } from '../../core/errors.ts';

/** Fields about one connection, not about the message (RFC 9110 section 7.6.1, and the older ones of RFC 2616 and RFC 7540). */
const HOP_BY_HOP: ReadonlySet<string> = new Set([
  'connection',
  'http2-settings',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

const NONE: ReadonlySet<string> = new Set();

/**
 * The fields that go on to the next hop, without those in `but` (lower case). Rules may have written anything into
 * them, and an upstream may have sent anything.
 *
 * @throws L7mpError E_HANDSHAKE where a name or value cannot be sent (it would end up as another header, say)
 */
export function endToEnd(headers: Readonly<Record<string, unknown>>, but: ReadonlySet<string> = NONE): Headers {
  const passing: Headers = {};
  const listed = options(headers);
  for (const given of Object.keys(headers)) {
    const value = headers[given];
    const name = given.toLowerCase();
    if (value === undefined || value === null || HOP_BY_HOP.has(name) || but.has(name)) continue;
    if (!listed?.includes(name)) put(passing, name, checked(name, value));
  }
  return passing;
}

/** What Connection lists, if there is one. */
function options(headers: Readonly<Record<string, unknown>>): string[] | undefined {
  let listed: string[] | undefined;
  for (const name of Object.keys(headers)) {
    if (name.length === CONNECTION.length && name.toLowerCase() === CONNECTION) {
      listed = [...(listed ?? []), ...tokens(headers[name])];
    }
  }
  return listed;
}

const CONNECTION = 'connection';

/** A name such as `__proto__` is an own property like any other. */
export function put(headers: Headers, name: string, value: string | string[]): void {
  if (name in headers)
    Object.defineProperty(headers, name, { value, writable: true, enumerable: true, configurable: true });
  else headers[name] = value;
}

/** The elements of a list such as that of Connection, in lower case. */
export function tokens(value: unknown): string[] {
  return String(value ?? '')
    .toLowerCase()
    .split(',')
    .map((token) => token.trim());
}

/** Fields as node has parsed them, as a plain object. */
export function plainHeaders(headers: NodeJS.Dict<string | string[]>): Headers {
  const plain: Headers = {};
  for (const name of Object.keys(headers)) {
    const value = headers[name];
    if (value !== undefined) put(plain, name, value);
  }
  return plain;
}

function checked(name: string, value: unknown): string | string[] {
  try {
    validateHeaderName(name);
    return Array.isArray(value) ? value.map((one) => checkedValue(name, one)) : checkedValue(name, value);
  } catch (error) {
    throw new L7mpError('E_HANDSHAKE', `the header ${JSON.stringify(name)} cannot be sent`, { cause: error });
  }
}

function checkedValue(name: string, value: unknown): string {
  const told = typeof value === 'string' ? value : text(value);
  validateHeaderValue(name, told);
  return told;
}

function text(value: unknown): string {
  if (typeof value === 'object') throw new TypeError('not a text');
  return String(value);
}
