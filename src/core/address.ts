/**
 * IP addresses and host names as text: how they are read, compared and written, everywhere. An address has one plain
 * form: IPv6 as RFC 5952 has it, IPv4-mapped ones as IPv4, without brackets, zones by the name of the interface and only where
 * an address needs one.
 *
 * Not here: socket addresses as the kernel lays them out (src/io/native/system/address.ts, src/offload/tc/address.ts).
 */
import { isIP, isIPv4, isIPv6 } from 'node:net';
import { networkInterfaces } from 'node:os';
import { L7mpError } from './errors.ts';

/** The default address of listeners: every IPv4 address of the machine. */
export const ANY = '0.0.0.0';

/** ::ffff:0:0/96 as the URL parser writes it: the address is in two hexadecimal words. */
const MAPPED = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/;

/**
 * fe80::/10, and groups of the interface or the link: one address on each link. The zone of any other says nothing, and the
 * kernel reads and tells none (RFC 4007, section 6; ipv6(7), sin6_scope_id).
 */
const NEEDS_ZONE = /^(fe[89ab][0-9a-f]|ff[0-9a-f][12]):/;

/** A label of a host name, with those of other scripts, which the resolver makes ASCII of (RFC 5890), and `_` (RFC 2782). */
const LABEL = /^[\p{L}\p{M}\p{N}_]([\p{L}\p{M}\p{N}_-]*[\p{L}\p{M}\p{N}_])?$/u;

/** Characters of a host name, and of one of its labels, at most (RFC 1035, section 2.3.4). */
const LONGEST_NAME = 253;
const LONGEST_LABEL = 63;

/** The plain form of an IP address, also of one in brackets; other text as it is, such as the name of a host. */
export function plainAddress(text: string): string {
  if (!text.includes(':')) return text;
  const [address, zone] = splitZone(text.startsWith('[') && text.endsWith(']') ? text.slice(1, -1) : text);
  if (!isIPv6(address)) return text;
  const plain = plainIpv6(address);
  return zone === undefined || !NEEDS_ZONE.test(plain) ? plain : `${plain}%${zoneName(zone)}`;
}

// The URL parser knows each form of an IPv6 address, and writes one (WHATWG URL, as RFC 5952).
function plainIpv6(address: string): string {
  const text = new URL(`http://[${address}]`).hostname.slice(1, -1);
  const [, high, low] = MAPPED.exec(text) ?? [];
  if (high === undefined || low === undefined) return text;
  const [a, b] = [Number.parseInt(high, 16), Number.parseInt(low, 16)];
  return `${a >> 8}.${a & 0xff}.${b >> 8}.${b & 0xff}`;
}

/** An address that is looked for in others: with a zone it is that of one link, without one of any. Both are plain. */
export function matchesAddress(wanted: string, address: string): boolean {
  return wanted === address || (!wanted.includes('%') && wanted === splitZone(address)[0]);
}

/** Every address of the machine, of IPv4 or of both. */
export function isWildcard(host: string): boolean {
  const plain = plainAddress(host);
  return plain === ANY || plain === '::';
}

/** Whether only this machine reaches what listens there (RFC 1122, RFC 4291, RFC 6761 section 6.3). */
export function isLoopback(host: string): boolean {
  const plain = plainAddress(host).toLowerCase();
  if (isIP(plain) !== 0) return plain === '::1' || (isIPv4(plain) && plain.startsWith('127.'));
  return plain === 'localhost' || plain.endsWith('.localhost');
}

/** `<host>:<port>`, an IPv6 address in brackets (RFC 3986, section 3.2.2). */
export function hostPort(host: string, port: number): string {
  const plain = plainAddress(host);
  return plain.includes(':') ? `[${plain}]:${port}` : `${plain}:${port}`;
}

/** The same for other machines, to which a zone of ours means nothing (RFC 6874, section 3). */
export function authority(host: string, port: number): string {
  return hostPort(splitZone(plainAddress(host))[0], port);
}

// -------------------------------------------------------------------- what users write

/** An IP address or the name of a host. Throws E_INVALID, whose message begins with the field, if one is named. */
export function checkHost(host: string, field = ''): void {
  const why = whyNoHost(host);
  if (why !== undefined) refuse(host, why, field);
}

/** An IP address. Throws E_INVALID, whose message begins with the field, if one is named. */
export function checkIp(address: string, field = ''): void {
  checkHost(address, field);
  if (!isAddress(address)) refuse(address, 'is a name, and must be an IP address', field);
}

function refuse(text: string, why: string, field: string): never {
  throw new L7mpError('E_INVALID', `${field}${field && ': '}${JSON.stringify(text)} ${why}`);
}

/** Whether it is an IP address, of whatever form, with its zone or without. */
export function isAddress(text: string): boolean {
  const [address, zone] = splitZone(plainAddress(text));
  return zone === undefined ? isIP(address) !== 0 : isIPv6(address);
}

function whyNoHost(host: string): string | undefined {
  if (isAddress(host)) {
    return splitZone(host)[1] === '' || host.endsWith('%]') ? 'names no interface after the %' : undefined;
  }
  const [, before, port] = /^(.+):(\d+)$/.exec(host) ?? [];
  if (before !== undefined && whyNoHost(before) === undefined && !before.replace(/^\[.*\]$/, '').includes(':')) {
    return `has a port in it: the address is ${before}, and ${port} belongs into the field "port"`;
  }
  if (isIPv4(splitZone(host)[0])) return 'has a zone, which only IPv6 addresses have';
  if (/[:[\]%]/.test(host)) return 'is no IPv6 address';
  const labels = host.replace(/\.$/, '').split('.');
  // What ends in a number is no name (RFC 1123, section 2.1): the resolver would take 127.1 for 127.0.0.1.
  if (/^(\d+|0x[0-9a-f]*)$/i.test(labels.at(-1) as string)) return 'is no IPv4 address: four numbers up to 255';
  const named = labels.every((label) => label.length <= LONGEST_LABEL && LABEL.test(label));
  if (host.length > LONGEST_NAME || !named) return 'is no name of a host';
  return undefined;
}

/** The address and its zone (RFC 4007, section 11). */
function splitZone(text: string): [address: string, zone: string | undefined] {
  const at = text.indexOf('%');
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)];
}

/** A zone may be given by its number. */
function zoneName(zone: string): string {
  if (!/^\d+$/.test(zone)) return zone;
  for (const [name, addresses] of Object.entries(networkInterfaces())) {
    if (addresses?.some(({ family, scopeid }) => family === 'IPv6' && scopeid === Number(zone))) return name;
  }
  return zone;
}
