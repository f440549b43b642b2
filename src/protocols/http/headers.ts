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
  const fields = Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value] as const);
  const listed = fields.filter(([name]) => name === 'connection').flatMap(([, value]) => tokens(value));
  const passing = fields
    .filter(([name, value]) => value !== undefined && value !== null && !HOP_BY_HOP.has(name) && !but.has(name))
    .filter(([name]) => !listed.includes(name))
    .map(([name, value]) => [name, checked(name, value)] as const);
  return Object.fromEntries(passing);
}

/** The elements of a list such as that of Connection, in lower case. */
export function tokens(value: unknown): string[] {
  return String(value ?? '')
    .toLowerCase()
    .split(',')
    .map((token) => token.trim());
}

/** Fields as node has parsed them, as a plain object: a name such as `__proto__` is an own property like any other. */
export function plainHeaders(headers: NodeJS.Dict<string | string[]>): Headers {
  const given = Object.entries(headers).filter((entry): entry is [string, string | string[]] => entry[1] !== undefined);
  return Object.fromEntries(given);
}

function checked(name: string, value: unknown): string | string[] {
  try {
    validateHeaderName(name);
    const values = (Array.isArray(value) ? value : [value]).map((one) => text(one));
    for (const one of values) validateHeaderValue(name, one);
    return Array.isArray(value) ? values : (values[0] as string);
  } catch (error) {
    throw new L7mpError('E_HANDSHAKE', `the header ${JSON.stringify(name)} cannot be sent`, { cause: error });
  }
}

function text(value: unknown): string {
  if (typeof value === 'object') throw new TypeError('not a text');
  return String(value);
}
