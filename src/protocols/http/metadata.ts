/** What is known of an HTTP request, as session metadata; WebSocket's handshake is one. */
import type { IncomingMessage } from 'node:http';
import { authority } from '../../core/address.ts';
import type { Channel } from '../../core/channel.ts';
import type { Metadata } from '../../core/metadata.ts';
import { plainHeaders } from './headers.ts';

const DEFAULT_PORT = 80;

/** The absolute form of a request's target (RFC 9112 section 3.2.2): authority and the rest. */
const ABSOLUTE = /^https?:\/\/([^/?#]*)(.*)$/i;

/** `lower`: the connection on which the request has come. */
export function requestMetadata(req: IncomingMessage, lower: Channel): Metadata {
  const { httpVersion: version, method = 'GET', headers } = req;
  const below = lower.describe();
  return { ...below, HTTP: { version, method, url: urlOf(req, below), headers: plainHeaders(headers) } };
}

/** The path of a request without its query. */
export function pathName(req: IncomingMessage): string {
  return splitTarget(req.url).path.split('?', 1)[0] as string;
}

/** The authority in a target of the absolute form. */
export function authorityOf(target: string | undefined): string | undefined {
  return splitTarget(target).authority;
}

function urlOf(req: IncomingMessage, below: Metadata): Metadata {
  const { authority: given, path } = splitTarget(req.url);
  const at = given ?? req.headers.host ?? ownAuthority(below);
  const question = path.indexOf('?');
  return {
    url: req.url ?? path,
    href: `http://${at}${path}`,
    protocol: 'http:',
    ...splitAuthority(at),
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

function splitAuthority(authority: string): { host: string; port: number } {
  const colon = authority.lastIndexOf(':');
  const digits = authority.slice(colon + 1);
  if (colon < 0 || !/^\d+$/.test(digits)) return { host: authority, port: DEFAULT_PORT };
  return { host: authority.slice(0, colon), port: Number(digits) };
}
