/**
 * What a proxy says of a request's way (RFC 7239, and the older x-forwarded fields): who is believed what it has heard from
 * others, and what it adds.
 */
import { isIPv6 } from 'node:net';

import type { Headers } from '../../core/channel.ts';
import { Cidrs } from '../../core/cidr.ts';
import { L7mpError } from '../../core/errors.ts';
import { isObject, type Metadata } from '../../core/metadata.ts';
import type { SchemaParts } from '../../core/schema.ts';

/** `x-forwarded`: x-forwarded-for, -proto and -host; `forwarded`: RFC 7239's field; `none`: nothing is added. */
export type Forwarding = 'x-forwarded' | 'forwarded' | 'both' | 'none';

const DEFAULT: Forwarding = 'x-forwarded';

/** In a list of peers: those of UNIX sockets, which have no address. */
const UNIX = 'unix';

// -------------------------------------------------------------------- options

export const listenerForwarded = ({ Type, strict }: SchemaParts) => ({
  forwarded: Type.Optional(
    strict(
      {
        trusted: Type.Array(
          Type.String({ maxLength: 64, description: 'An IP address, a CIDR, or unix: peers without an address.' }),
          { maxItems: 1024, description: 'Who is believed.' },
        ),
      },
      {
        description:
          'Peers that are believed what they say in forwarded and x-forwarded-…; of others these fields are taken away. Default: none.',
      },
    ),
  ),
});

export const clusterForwarded = ({ Type }: SchemaParts) => ({
  forwarded: Type.Optional(
    Type.Enum(['x-forwarded', 'forwarded', 'both', 'none'], {
      description:
        'How endpoints are told of the client: by x-forwarded-for, -proto and -host, by the field forwarded (RFC 7239), by both, or not. Default x-forwarded.',
    }),
  ),
});

export function forwardingOf({ forwarded = DEFAULT }: { readonly [field: string]: unknown }): Forwarding {
  return forwarded as Forwarding;
}

/** Throws E_INVALID. */
export function checkForwarded({ forwarded }: { readonly [field: string]: unknown }): void {
  for (const [n, given] of ((forwarded as ListenerForwarded | undefined)?.trusted ?? []).entries()) {
    if (given === UNIX) continue;
    try {
      new Cidrs([given]);
    } catch (error) {
      const what = `${JSON.stringify(given)} is neither "${UNIX}" nor ${(error as Error).message}`;
      throw new L7mpError('E_INVALID', `/forwarded/trusted/${n}: ${what}`);
    }
  }
}

interface ListenerForwarded {
  readonly trusted: readonly string[];
}

// -------------------------------------------------------------------- who is believed

/** Whether a peer is believed, by its address; undefined where it has none. */
export type Trust = (address: string | undefined) => boolean;

const NOBODY: Trust = () => false;

export function trustOf({ forwarded }: { readonly [field: string]: unknown }): Trust {
  if (forwarded === undefined) return NOBODY;
  const { trusted } = forwarded as ListenerForwarded;
  const cidrs = new Cidrs(trusted.filter((one) => one !== UNIX));
  const unix = trusted.includes(UNIX);
  return (address) => (address === undefined ? unix : cidrs.has(address));
}

/** Takes the words of somebody who is not believed out of a request's fields. */
export function distrust(headers: NodeJS.Dict<string | string[]>): void {
  for (const name in headers) if (name === 'forwarded' || name.startsWith('x-forwarded-')) delete headers[name];
}

// -------------------------------------------------------------------- what is added

/** Adds the client of a session to what a request says of its way. The fields are the caller's own, and changed. */
export function forward(headers: Headers, metadata: Metadata, forwarding: Forwarding): Headers {
  if (forwarding === 'none') return headers;
  const hop = hopOf(metadata);
  if (forwarding !== 'forwarded') addOlder(headers, hop);
  if (forwarding !== 'x-forwarded') headers.forwarded = appended(headers.forwarded, elementOf(hop));
  return headers;
}

/** What is known of the client's side of a session; of one that is not HTTP's, neither host nor scheme. */
interface Hop {
  readonly address: string | undefined;
  readonly host: string | undefined;
  readonly proto: string | undefined;
}

function hopOf({ IP: ip, HTTP: http, TLS: tls }: Metadata): Hop {
  const address = isObject(ip) ? ip.src_addr : undefined;
  const headers = isObject(http) ? http.headers : undefined;
  const host = isObject(headers) ? headers.host : undefined;
  return {
    address: typeof address === 'string' ? address : undefined,
    host: typeof host === 'string' ? host : undefined,
    proto: http === undefined ? undefined : tls === undefined ? 'http' : 'https',
  };
}

function addOlder(headers: Headers, { address, host, proto }: Hop): void {
  if (address !== undefined) headers['x-forwarded-for'] = appended(headers['x-forwarded-for'], address);
  // What the client has asked for, and how, the first proxy on the way has said.
  if (proto !== undefined) headers['x-forwarded-proto'] ??= proto;
  if (host !== undefined) headers['x-forwarded-host'] ??= host;
}

/** RFC 7239 section 4. */
function elementOf({ address = 'unknown', host, proto }: Hop): string {
  const pairs = [`for=${isIPv6(address) ? `"[${address}]"` : address}`];
  if (host !== undefined) pairs.push(`host=${quoted(host)}`);
  if (proto !== undefined) pairs.push(`proto=${proto}`);
  return pairs.join(';');
}

/** A token as it is, anything else as a quoted string (RFC 9110 section 5.6). */
function quoted(value: string): string {
  return /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(value) ? value : `"${value.replace(/["\\]/g, '\\$&')}"`;
}

function appended(before: string | string[] | undefined, element: string): string {
  return before === undefined ? element : `${before}, ${element}`;
}
