/** What is known of an HTTP request, as session metadata; WebSocket's handshake is one. */
import type { IncomingMessage } from 'node:http';
import { authority } from '../../core/address.ts';
import type { Channel, Headers } from '../../core/channel.ts';
import type { Metadata } from '../../core/metadata.ts';
import { plainHeaders } from './headers.ts';

const PORTS = { 'http:': 80, 'https:': 443 } as const;

/** The absolute form of a request's target (RFC 9112 section 3.2.2): authority and the rest. */
const ABSOLUTE = /^https?:\/\/([^/?#]*)(.*)$/i;

/** A request's head, of whichever version. */
export interface RequestHead {
  readonly version: string;
  readonly method: string;
  /** As in the request's line (RFC 9112 section 3.2); of HTTP/2 its path. */
  readonly target: string;
  readonly host: string | undefined;
  readonly headers: Headers;
}

/** `lower`: the connection on which the request has come. */
export function requestMetadata(req: IncomingMessage, lower: Channel): Metadata {
  const { httpVersion: version, method = 'GET', url: target = '/', headers } = req;
  return headMetadata({ version, method, target, host: headers.host, headers: plainHeaders(headers) }, lower);
}

/** The same of a head that is no message of node's. */
export function headMetadata(head: RequestHead, lower: Channel): Metadata {
  const { version, method, headers } = head;
  const below = lower.describe();
  return { ...below, HTTP: { version, method, url: urlOf(head, below), headers } };
}

/** The path of a request's target without its query. */
export function pathName(target: string | undefined): string {
  return splitTarget(target).path.split('?', 1)[0] as string;
}

/** The authority in a target of the absolute form. */
export function authorityOf(target: string | undefined): string | undefined {
  return splitTarget(target).authority;
}

function urlOf({ target, host }: RequestHead, below: Metadata): Metadata {
  const { authority: given, path } = splitTarget(target);
  const at = given ?? host ?? ownAuthority(below);
  const question = path.indexOf('?');
  const scheme = below.TLS === undefined ? 'http:' : 'https:';
  return {
    url: target,
    href: `${scheme}//${at}${path}`,
    protocol: scheme,
    ...splitAuthority(at, PORTS[scheme]),
    path,
    query: question < 0 ? '' : path.slice(question + 1),
  };
}

/** What a client asks for that does not say whom it asks (HTTP/1.0): the address that it has connected to. */
function ownAuthority({ IP: ip, TCP: tcp }: Metadata): string {
  const { dst_addr: address } = (ip ?? {}) as Metadata;
  const { dst_port: port } = (tcp ?? {}) as Metadata;
  return typeof address === 'string' && typeof port === 'number' ? authority(address, port) : 'localhost';
}

/** An authority in the target overrides the Host field (RFC 9112 section 3.2.2). */
function splitTarget(target = '/'): { authority?: string; path: string } {
  const [, authority, rest = ''] = ABSOLUTE.exec(target) ?? [];
  if (authority === undefined) return { path: target };
  return { authority, path: rest.startsWith('/') ? rest : `/${rest}` };
}

function splitAuthority(authority: string, port: number): { host: string; port: number } {
  const colon = authority.lastIndexOf(':');
  const digits = authority.slice(colon + 1);
  if (colon < 0 || !/^\d+$/.test(digits)) return { host: authority, port };
  return { host: authority.slice(0, colon), port: Number(digits) };
}
