/**
 * Headers of the PROXY protocol, versions 1 and 2, as they are read
 * (https://www.haproxy.org/download/3.2/doc/proxy-protocol.txt, sections 2.1 and 2.2).
 */
import { isIPv4, isIPv6 } from 'node:net';
import { plainAddress } from '../../core/address.ts';
import { L7mpError } from '../../core/errors.ts';
import { checkCrc, readTlvs, type Tlvs } from './tlvs.ts';

/** The ends of the connection for which the peer stands. */
export interface Announced {
  /** Plain addresses, or the paths of UNIX sockets. */
  readonly source: string;
  readonly destination: string;
  /** Left out of UNIX sockets. */
  readonly ports?: { readonly source: number; readonly destination: number };
  readonly transport: 'TCP' | 'UDP' | 'UNIX';
}

export interface Header {
  readonly version: 1 | 2;
  /** Its bytes: what follows is data. */
  readonly length: number;
  /** Undefined where the peer stands for itself, or does not know: then the connection's own ends count. */
  readonly announced?: Announced;
  readonly tlvs?: Tlvs;
}

/** The bytes that a header of version 2 begins with; none of version 1 does. */
export const SIGNATURE = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1');

/** Of version 2: signature, version and command, family, length. */
export const FIXED = 16;

/** Bytes of version 2 behind the fixed part, at most. It may say 65,535; nobody needs that much before a connection is admitted. */
const MAX_BODY = 4096;

/** Bytes of a version 1 header with its CRLF, at most (section 2.1). */
const MAX_LINE = 107;

const PREFIX = Buffer.from('PROXY ');

const CR = 0x0d;
const LF = 0x0a;

/** No header is larger. */
export const MAX_HEADER = FIXED + MAX_BODY;

/** What the peer has sent is no header. */
export function broken(why: string): L7mpError {
  return new L7mpError('E_HANDSHAKE', `PROXY protocol: ${why}`);
}

/** The header at the beginning of the bytes; undefined while it is not whole. Throws E_HANDSHAKE where it cannot be one. */
export function readHeader(bytes: Buffer): Header | undefined {
  if (begins(bytes, SIGNATURE)) return bytes.length < FIXED ? undefined : readVersion2(bytes);
  if (begins(bytes, PREFIX)) return bytes.length < PREFIX.length ? undefined : readVersion1(bytes);
  throw broken('no header in front');
}

/** Whether the bytes are the beginning of these, or begin with them. */
function begins(bytes: Buffer, with_: Buffer): boolean {
  const length = Math.min(bytes.length, with_.length);
  return bytes.compare(with_, 0, length, 0, length) === 0;
}

// -------------------------------------------------------------------- version 1

function readVersion1(bytes: Buffer): Header | undefined {
  const line = bytes.subarray(0, MAX_LINE);
  const end = line.indexOf(LF);
  if (end < 0) {
    if (bytes.length >= MAX_LINE) throw broken(`no end of line within ${MAX_LINE} bytes`);
    return undefined;
  }
  if (line[end - 1] !== CR) throw broken('a line feed without a carriage return');
  const announced = readLine(line.toString('latin1', PREFIX.length, end - 1));
  return { version: 1, length: end + 1, ...(announced && { announced }) };
}

function readLine(text: string): Announced | undefined {
  const [family, ...fields] = text.split(' ');
  // What follows it is to be ignored.
  if (family === 'UNKNOWN') return undefined;
  const isAddress = family === 'TCP4' ? isIPv4 : family === 'TCP6' ? isPlainIpv6 : undefined;
  if (!isAddress) throw broken('a family that there is not');
  const [source = '', destination = '', from = '', to = ''] = fields;
  if (fields.length !== 4 || !isAddress(source) || !isAddress(destination)) throw broken('no addresses of its family');
  const ports = { source: portOf(from), destination: portOf(to) };
  return { source: plainAddress(source), destination: plainAddress(destination), ports, transport: 'TCP' };
}

/** Of one machine's links nothing is told. */
function isPlainIpv6(text: string): boolean {
  return isIPv6(text) && !text.includes('%');
}

function portOf(text: string): number {
  const port = /^(0|[1-9]\d{0,4})$/.test(text) ? Number(text) : Number.NaN;
  if (!(port <= 65_535)) throw broken('a port that there is not');
  return port;
}

// -------------------------------------------------------------------- version 2

/** What bytes 12 and 13 say. */
const LOCAL = 0x20;
const PROXY = 0x21;

interface Family {
  readonly transport: Announced['transport'];
  /** Bytes of one address. */
  readonly size: number;
}

const FAMILIES: ReadonlyMap<number, Family> = new Map([
  [0x11, { transport: 'TCP', size: 4 }],
  [0x12, { transport: 'UDP', size: 4 }],
  [0x21, { transport: 'TCP', size: 16 }],
  [0x22, { transport: 'UDP', size: 16 }],
  [0x31, { transport: 'UNIX', size: 108 }],
  [0x32, { transport: 'UNIX', size: 108 }],
]);

/** The family of which nothing is known. */
const UNSPECIFIED = 0x00;

function readVersion2(bytes: Buffer): Header | undefined {
  const command = bytes[12] as number;
  if (command !== LOCAL && command !== PROXY) throw broken('a version or a command that there is not');
  const body = bytes.readUInt16BE(14);
  if (body > MAX_BODY) throw broken(`a header of more than ${MAX_HEADER} bytes`);
  const length = FIXED + body;
  if (bytes.length < length) return undefined;
  const header = bytes.subarray(0, length);
  // Whatever else it says is of no account (section 2.2).
  if (command === LOCAL) return { version: 2, length };
  return { version: 2, length, ...readBody(header) };
}

function readBody(header: Buffer): Pick<Header, 'announced' | 'tlvs'> {
  const code = header[13] as number;
  const family = FAMILIES.get(code);
  if (!family && code !== UNSPECIFIED) throw broken('a family that there is not');
  const addresses = family ? addressBytes(family) : 0;
  if (header.length < FIXED + addresses) throw broken('addresses that are cut short');
  const behind = header.subarray(FIXED + addresses);
  const tlvs = readTlvs(behind);
  checkCrc(header, behind);
  return {
    ...(family && { announced: readAddresses(header.subarray(FIXED), family) }),
    ...(Object.keys(tlvs).length > 0 && { tlvs }),
  };
}

/** Bytes of both addresses, and of both ports where there are any. */
function addressBytes({ transport, size }: Family): number {
  return 2 * size + (transport === 'UNIX' ? 0 : 4);
}

function readAddresses(bytes: Buffer, { transport, size }: Family): Announced {
  const [source, destination] = [bytes.subarray(0, size), bytes.subarray(size, 2 * size)];
  if (transport === 'UNIX') return { source: pathIn(source), destination: pathIn(destination), transport };
  const write = size === 4 ? (address: Buffer) => address.join('.') : ipv6Of;
  const ports = { source: bytes.readUInt16BE(2 * size), destination: bytes.readUInt16BE(2 * size + 2) };
  return { source: write(source), destination: write(destination), ports, transport };
}

function ipv6Of(bytes: Buffer): string {
  return plainAddress((bytes.toString('hex').match(/.{4}/g) as string[]).join(':'));
}

/** An abstract name begins with a NUL, written `@` (unix(7)). */
function pathIn(bytes: Buffer): string {
  const abstract = bytes[0] === 0;
  const path = bytes.subarray(abstract ? 1 : 0);
  const end = path.indexOf(0);
  const text = path.toString('utf8', 0, end < 0 ? path.length : end);
  return abstract && text !== '' ? `@${text}` : text;
}
