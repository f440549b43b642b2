/** What both sides of the opening handshake have in common (RFC 6455 section 4). */
import { createHash } from 'node:crypto';

/** Section 1.3. */
const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

/** A subprotocol is a token (section 4.1). */
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

/** The Sec-WebSocket-Accept that answers a Sec-WebSocket-Key. */
export function acceptOf(key: string): string {
  return createHash('sha1').update(`${key}${GUID}`).digest('base64');
}

/** The subprotocols in a header; undefined where it is malformed, or has one of them twice. */
export function splitProtocols(header: string): string[] | undefined {
  const protocols = header.split(',').map((one) => one.trim());
  const valid = protocols.every((one) => TOKEN.test(one)) && new Set(protocols).size === protocols.length;
  return valid ? protocols : undefined;
}
