/** Headers of version 2, made by hand: as others write them, and wrong ones. */

const SIGNATURE = Buffer.from('0d0a0d0a000d0a515549540a', 'hex');

export interface Written {
  /** Version and command. */
  readonly command?: number;
  readonly family?: number;
  /** Addresses and ports, as they come over the wire. */
  readonly addresses?: Uint8Array;
  readonly tlvs?: Uint8Array;
  /** In place of the right one. */
  readonly length?: number;
}

/** 192.0.2.1:1234 to 192.0.2.2:80 by default. */
export function version2({
  command = 0x21,
  family = 0x11,
  addresses = IPV4,
  tlvs = NONE,
  length,
}: Written = {}): Buffer {
  const head = Buffer.from([command, family, 0, 0]);
  head.writeUInt16BE(length ?? addresses.length + tlvs.length, 2);
  return Buffer.concat([SIGNATURE, head, addresses, tlvs]);
}

export const NONE = Buffer.alloc(0);

export function ipv4(source: string, from: number, destination = '192.0.2.2', to = 80): Buffer {
  const bytes = Buffer.from([...source.split('.'), ...destination.split('.'), 0, 0, 0, 0].map(Number));
  bytes.writeUInt16BE(from, 8);
  bytes.writeUInt16BE(to, 10);
  return bytes;
}

const IPV4 = ipv4('192.0.2.1', 1234);

export function tlv(type: number, value: string | Uint8Array): Buffer {
  const bytes = Buffer.from(value as string);
  const head = Buffer.from([type, 0, 0]);
  head.writeUInt16BE(bytes.length, 1);
  return Buffer.concat([head, bytes]);
}
