/** The head of an HTTP/2 request, and what is wrong with one that nghttp2 has let through. */
import type { IncomingHttpHeaders } from 'node:http2';
import type { Headers } from '../../../../core/channel.ts';
import { put } from '../../headers.ts';
import type { RequestHead } from '../../metadata.ts';
import { HOST, plainAuthority } from '../host.ts';

/** Bytes of names and values: as many as node takes of an HTTP/1.1 request. */
const MAX_BYTES = 16 << 10;

const COLON = 0x3a;

/** What is answered to a request that becomes no session. */
export interface Wrong {
  readonly status: number;
  readonly why: string;
}

/**
 * As HTTP/1.1 would have it: the authority is the Host field, and no other pseudo-header is a field. Node has joined cookies
 * and lists.
 */
export function headOf(given: IncomingHttpHeaders): RequestHead {
  const host = given[':authority'] ?? given.host;
  const { ':method': method = 'GET', ':path': target = '/' } = given;
  const headers: Headers = host === undefined ? {} : { host };
  for (const name of Object.keys(given)) {
    if (name.charCodeAt(0) !== COLON && name !== 'host') put(headers, name, given[name] as string | string[]);
  }
  return { version: '2.0', method, target, host, headers };
}

/** By RFC 9113 section 8.3.1, and as HTTP/1.1 has it; `list`: names and values in turn, as they came. */
export function wrongIn(given: IncomingHttpHeaders, list: readonly string[]): Wrong | undefined {
  const { ':method': method, ':authority': authority, host, expect } = given;
  if (sizeOf(list) > MAX_BYTES) return { status: 431, why: `the head of the request has more than ${MAX_BYTES} bytes` };
  if (method === 'CONNECT') return { status: 400, why: 'CONNECT is not supported: this is no forward proxy' };
  const why = misdirected(authority, host);
  if (why !== undefined) return { status: 400, why };
  if (expect === undefined || expect.toLowerCase() === '100-continue') return undefined;
  return { status: 417, why: 'only 100-continue can be expected' };
}

function misdirected(authority: string | undefined, host: string | undefined): string | undefined {
  const at = authority ?? host;
  if (at === undefined) return 'the request names no authority';
  if (!HOST.test(at)) return 'the authority is not valid';
  // A client sends the same in both; what differs is meant to be taken for one by us, and for the other by somebody else.
  const differ = authority !== undefined && host !== undefined && plainAuthority(authority) !== plainAuthority(host);
  return differ ? 'the Host field is not the authority' : undefined;
}

function sizeOf(list: readonly string[]): number {
  let size = 0;
  for (const text of list) size += text.length;
  return size;
}
