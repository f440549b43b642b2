/** What is known of an HTTP request, as session metadata; WebSocket's handshake is one. */
import type { IncomingMessage } from 'node:http';
import { authority } from '../../core/address.ts';
import type { Ends } from '../../core/engine.ts';
import type { Metadata } from '../../core/metadata.ts';
import { endsMetadata } from '../addresses.ts';
import { plainHeaders } from './headers.ts';

const DEFAULT_PORT = 80;

/** The absolute form of a request's target (RFC 9112 section 3.2.2): authority and the rest. */
const ABSOLUTE = /^https?:\/\/([^/?#]*)(.*)$/i;

export function requestMetadata(req: IncomingMessage, ends: Ends): Metadata {
  const { httpVersion: version, method = 'GET', headers } = req;
  return {
    ...endsMetadata('TCP', ends),
    HTTP: { version, method, url: urlOf(req, ends), headers: plainHeaders(headers) },
  };
}

/** The path of a request without its query. */
export function pathName(req: IncomingMessage): string {
  return splitTarget(req.url).path.split('?', 1)[0] as string;
}

/** The authority in a target of the absolute form. */
export function authorityOf(target: string | undefined): string | undefined {
  return splitTarget(target).authority;
}

function urlOf(req: IncomingMessage, ends: Ends): Metadata {
  const { authority: given, path } = splitTarget(req.url);
  const at = given ?? req.headers.host ?? authority(ends.localAddress, ends.localPort);
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
