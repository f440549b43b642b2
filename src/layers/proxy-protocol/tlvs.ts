/** What a header of version 2 says beside the addresses: types, lengths, values (section 2.2.1 and following). */
import type { Json } from '../../core/metadata.ts';
import { crc32c } from './crc32c.ts';
import { broken } from './header.ts';

/** By name, or by the type's number where it has none: `0xea`. */
export type Tlvs = { [name: string]: Json };

const CRC32C = 0x03;
const NOOP = 0x04;
const SSL = 0x20;

const NAMES: ReadonlyMap<number, string> = new Map([
  [0x01, 'alpn'],
  [0x02, 'authority'],
  [0x30, 'netns'],
]);

const UNIQUE_ID = 0x05;

/** Of SSL: bits of its first byte, and the names of what follows. */
const CLIENT: readonly (readonly [bit: number, name: string])[] = [
  [0x01, 'ssl'],
  [0x02, 'cert_conn'],
  [0x04, 'cert_sess'],
];

const SSL_NAMES: ReadonlyMap<number, string> = new Map([
  [0x21, 'version'],
  [0x22, 'cn'],
  [0x23, 'cipher'],
  [0x24, 'sig_alg'],
  [0x25, 'key_alg'],
]);

/** Bytes in front of a value. */
const HEAD = 3;

/** Throws E_HANDSHAKE where one is cut short. */
export function readTlvs(bytes: Buffer): Tlvs {
  const tlvs: Tlvs = {};
  for (const [type, value] of eachTlv(bytes)) {
    if (type === NOOP || type === CRC32C) continue;
    if (type === SSL) tlvs.ssl = readSsl(value);
    else if (type === UNIQUE_ID) tlvs.unique_id = value.toString('hex');
    else put(tlvs, type, value, NAMES);
  }
  return tlvs;
}

function readSsl(bytes: Buffer): Tlvs {
  if (bytes.length < 5) throw broken('a TLV that is cut short');
  const client = bytes[0] as number;
  const ssl: Tlvs = Object.fromEntries(CLIENT.map(([bit, name]) => [name, (client & bit) !== 0]));
  ssl.verified = bytes.readUInt32BE(1) === 0;
  for (const [type, value] of eachTlv(bytes.subarray(5))) put(ssl, type, value, SSL_NAMES);
  return ssl;
}

/** Text where the type is known to be one; else hexadecimal. */
function put(tlvs: Tlvs, type: number, value: Buffer, names: ReadonlyMap<number, string>): void {
  const name = names.get(type);
  if (name === undefined) tlvs[`0x${type.toString(16).padStart(2, '0')}`] = value.toString('hex');
  else tlvs[name] = value.toString('utf8');
}

function* eachTlv(bytes: Buffer): Iterable<readonly [type: number, value: Buffer]> {
  for (let at = 0; at < bytes.length; ) {
    const length = bytes.length < at + HEAD ? Number.NaN : bytes.readUInt16BE(at + 1);
    const end = at + HEAD + length;
    if (!(end <= bytes.length)) throw broken('a TLV that is cut short');
    yield [bytes[at] as number, bytes.subarray(at + HEAD, end)];
    at = end;
  }
}

/** Where a header has a checksum, it must be the right one: that of the header with four zeros in its place. Throws E_HANDSHAKE. */
export function checkCrc(header: Buffer, tlvs: Buffer): void {
  for (const [type, value] of eachTlv(tlvs)) {
    if (type !== CRC32C) continue;
    if (value.length !== 4) throw broken('a checksum that is none');
    const zeroed = Buffer.from(header);
    zeroed.fill(0, value.byteOffset - header.byteOffset, value.byteOffset - header.byteOffset + 4);
    if (crc32c(zeroed) !== value.readUInt32BE()) throw broken('a wrong checksum');
  }
}
