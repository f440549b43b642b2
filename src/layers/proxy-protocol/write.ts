/** Headers of the PROXY protocol as they are written: of a session's addresses, as its metadata have them. */
import { isIP } from 'node:net';
import { plainAddress } from '../../core/address.ts';
import { isObject, type Json, type Metadata } from '../../core/metadata.ts';
import { FIXED, SIGNATURE } from './header.ts';

export type Version = 'v1' | 'v2';

/** The ends of a session's connection. */
interface Known {
  readonly family: 4 | 6;
  readonly transport: 'TCP' | 'UDP';
  readonly source: string;
  readonly destination: string;
  readonly ports: readonly [source: number, destination: number];
}

/**
 * The header that says for whom a connection is made: `metadata` are its session's, undefined where it has none. Where these
 * have no addresses, or of another transport, it says that nothing is known (version 1: UNKNOWN; version 2: LOCAL).
 */
export function writeHeader(version: Version, metadata: Metadata = {}): Buffer {
  const known = knownIn(metadata);
  return version === 'v1' ? writeVersion1(known) : writeVersion2(known);
}

function knownIn(metadata: Metadata): Known | undefined {
  const { IP: ip } = metadata;
  const transport = (['TCP', 'UDP'] as const).find((name) => isObject(metadata[name]));
  if (!transport || !isObject(ip)) return undefined;
  const { src_port, dst_port } = metadata[transport] as { [key: string]: Json };
  const source = addressIn(ip.src_addr);
  const destination = addressIn(ip.dst_addr);
  if (!source || !destination || !isPort(src_port) || !isPort(dst_port)) return undefined;
  const family = isIP(source) === 4 && isIP(destination) === 4 ? 4 : 6;
  return { family, transport, source, destination, ports: [src_port, dst_port] };
}

/** Without its zone, which is one of this machine. */
function addressIn(value: Json | undefined): string | undefined {
  const [address = ''] = typeof value === 'string' ? plainAddress(value).split('%') : [];
  return isIP(address) === 0 ? undefined : address;
}

function isPort(value: Json | undefined): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= 65_535;
}

function writeVersion1(known: Known | undefined): Buffer {
  if (known?.transport !== 'TCP') return Buffer.from('PROXY UNKNOWN\r\n');
  const { family, source, destination, ports } = known;
  const write = (address: string) => (family === 6 && isIP(address) === 4 ? `::ffff:${address}` : address);
  return Buffer.from(`PROXY TCP${family} ${write(source)} ${write(destination)} ${ports.join(' ')}\r\n`);
}

function writeVersion2(known: Known | undefined): Buffer {
  if (!known) return Buffer.concat([SIGNATURE, Uint8Array.of(0x20, 0, 0, 0)]);
  const { family, transport, source, destination, ports } = known;
  const size = family === 4 ? 4 : 16;
  const header = Buffer.alloc(FIXED + 2 * size + 4);
  header.set(SIGNATURE);
  header[12] = 0x21;
  header[13] = (family === 4 ? 0x10 : 0x20) | (transport === 'TCP' ? 1 : 2);
  header.writeUInt16BE(2 * size + 4, 14);
  header.set(bytesOf(source, size), FIXED);
  header.set(bytesOf(destination, size), FIXED + size);
  header.writeUInt16BE(ports[0], FIXED + 2 * size);
  header.writeUInt16BE(ports[1], FIXED + 2 * size + 2);
  return header;
}

/** An IPv4 address among those of IPv6 is a mapped one (RFC 4291 section 2.5.5.2). */
function bytesOf(address: string, size: number): Uint8Array {
  if (isIP(address) === 4) {
    const bytes = address.split('.').map(Number);
    return Uint8Array.from(size === 4 ? bytes : [...new Array(10).fill(0), 0xff, 0xff, ...bytes]);
  }
  const [head = [], tail = []] = address.split('::').map((part) => part.split(':').filter((group) => group !== ''));
  const zeros = new Array(8 - head.length - tail.length).fill('0');
  const groups = [...head, ...(address.includes('::') ? zeros : []), ...tail].map((group) =>
    Number.parseInt(group, 16),
  );
  return Uint8Array.from(groups.flatMap((group) => [group >> 8, group & 0xff]));
}
