/** Addresses as the kernel writes them: 4 or 16 bytes in network order. */
import * as net from 'node:net';

export function addressBytes(address: string): Buffer {
  if (net.isIPv4(address)) return Buffer.from(address.split('.').map(Number));
  // The URL parser writes every form of an IPv6 address in the shortest one, without a dotted tail (RFC 5952).
  const [head = '', tail] = new URL(`http://[${address}]`).hostname.slice(1, -1).split('::');
  const before = words(head);
  const after = words(tail ?? '');
  const zeros = new Array<number>(8 - before.length - after.length).fill(0);
  const bytes = Buffer.alloc(16);
  for (const [n, word] of [...before, ...zeros, ...after].entries()) bytes.writeUInt16BE(word, 2 * n);
  return bytes;
}

export function addressText(bytes: Buffer): string {
  if (bytes.length === 4) return bytes.join('.');
  const words = Array.from({ length: 8 }, (_, n) => bytes.readUInt16BE(2 * n).toString(16));
  return words.join(':');
}

/** 127.0.0.0/8, ::1: only ever seen on the loopback. */
export function isLoopback(bytes: Buffer): boolean {
  return bytes.length === 4 ? bytes[0] === 127 : bytes.readBigUInt64BE(0) === 0n && bytes.readBigUInt64BE(8) === 1n;
}

function words(text: string): number[] {
  return text === '' ? [] : text.split(':').map((word) => Number.parseInt(word, 16));
}
