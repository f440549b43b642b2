/** The authority that a request is for: it must name one, and only one. */
import type { IncomingMessage } from 'node:http';
import { authorityOf } from '../metadata.ts';

/** What may stand in a Host field: uri-host and port (RFC 9110 section 7.2, RFC 3986 section 3.2.2). */
export const HOST = /^(?:\[[0-9A-Fa-f:.]+\]|(?:[A-Za-z0-9\-._~!$&'()*+,;=]|%[0-9A-Fa-f]{2})*)(?::\d*)?$/;

/** Why a request must be answered 400 for the authority that it names, by RFC 9112 section 3.2. */
export function misdirected(req: IncomingMessage): string | undefined {
  const hosts = hostsOf(req);
  if (hosts.length > 1) return 'the request has more than one Host field';
  const [host] = hosts;
  if (host === undefined) return req.httpVersion === '1.1' ? 'the request has no Host field' : undefined;
  if (!HOST.test(host)) return 'the Host field is not valid';
  // RFC 9112 section 3.2: a path, or what the request is for in full; the asterisk is for OPTIONS only.
  const { method, url = '' } = req;
  const authority = authorityOf(url);
  if (authority === undefined && !url.startsWith('/') && !(url === '*' && method === 'OPTIONS')) {
    return 'the target is neither a path nor that of an http or https URL';
  }
  // A client sends the same in both; what differs is meant to be taken for one by us, and for the other by somebody else.
  if (authority !== undefined && plainAuthority(authority) !== plainAuthority(host))
    return 'the Host field is not that of the target';
  return undefined;
}

/** Node's `headers` has only the first. */
function hostsOf({ rawHeaders }: IncomingMessage): string[] {
  return rawHeaders.filter((_value, n) => n % 2 === 1 && rawHeaders[n - 1]?.toLowerCase() === 'host');
}

/** For comparisons: without the port that goes without saying. */
export function plainAuthority(authority: string): string {
  return authority.toLowerCase().replace(/:(?:80)?$/, '');
}
