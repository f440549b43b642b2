/** Socket addresses of the Internet and of UNIX, as the kernel writes them (ip(7), ipv6(7), unix(7)) and as text. */
import { isAbstract } from '../../unix-path.ts';
import { type Arena, scratchArena } from './arena.ts';
import { AF_INET, AF_INET6, AF_UNIX, SOCKADDR, SOCKADDR_IN } from './constants.ts';
import { libc } from './libc.ts';

const DOT = 46;
const ZERO = 48;
/** The offset of an interface's name in the scratch arena: 16 bytes (IF_NAMESIZE). */
const NAME = 320;
/** Bytes of sockaddr_un.sun_path. */
const SUN_PATH = 108;

/** Of an IP address, of which only those of IPv6 have a colon. */
export function familyOf(host: string): number {
  return host.includes(':') ? AF_INET6 : AF_INET;
}

/** Writes an IP address and a port at an offset that is a multiple of 4. Returns the size. */
export function putInternet(arena: Arena, at: number, host: string, port: number): number {
  const { u8, u16, u32 } = arena;
  for (let n = 0; n < SOCKADDR / 4; n++) u32[(at >> 2) + n] = 0;
  u8[at + 2] = port >> 8;
  u8[at + 3] = port & 0xff;
  if (familyOf(host) === AF_INET) {
    u16[at >> 1] = AF_INET;
    putDotted(u8, at + 4, host);
    return SOCKADDR_IN;
  }
  u16[at >> 1] = AF_INET6;
  const [address = '', zone] = host.split('%');
  for (const [n, word] of wordsOf(address).entries()) {
    u8[at + 8 + 2 * n] = word >> 8;
    u8[at + 9 + 2 * n] = word & 0xff;
  }
  if (zone !== undefined) u32[(at + 24) >> 2] = zoneIndex(arena, at + 32, zone);
  return SOCKADDR;
}

// For each connection: without arrays and parts of text.
function putDotted(u8: Uint8Array, at: number, host: string): void {
  let byte = at;
  for (let n = 0; n < host.length; n++) {
    const code = host.charCodeAt(n);
    if (code === DOT) byte++;
    else u8[byte] = (u8[byte] as number) * 10 + code - ZERO;
  }
}

/** Writes the path of a UNIX socket, or its abstract name: `@name`. Returns the size. */
export function putPath(arena: Arena, at: number, path: string): number {
  const bytes = Buffer.from(path);
  const abstract = isAbstract(path);
  arena.u8.fill(0, at, at + 2 + SUN_PATH);
  arena.u16[at >> 1] = AF_UNIX;
  arena.u8.set(bytes.subarray(0, abstract ? SUN_PATH : SUN_PATH - 1), at + 2);
  if (!abstract) return 2 + bytes.length + 1;
  // A name has no end but that of the address: it would be another one with a NUL behind it (unix(7)).
  arena.u8[at + 2] = 0;
  return 2 + bytes.length;
}

/** The path or abstract name in a UNIX socket's address of so many bytes; empty where it has none. */
export function pathAt(u8: Uint8Array, at: number, size: number): string {
  if (size <= 2) return '';
  const bytes = u8.subarray(at + 2, at + size);
  if (bytes[0] === 0) return `@${Buffer.from(bytes.subarray(1))}`;
  const end = bytes.indexOf(0);
  return Buffer.from(end < 0 ? bytes : bytes.subarray(0, end)).toString();
}

/** The port of the Internet address at an offset; 0 for others. */
export function portAt(u8: Uint8Array, at: number): number {
  return ((u8[at + 2] as number) << 8) | (u8[at + 3] as number);
}

/** The address at an offset, IPv4-mapped ones in their own form; empty for UNIX sockets. */
export function hostAt(u8: Uint8Array, at: number): string {
  const family = (u8[at] as number) | ((u8[at + 1] as number) << 8);
  if (family === AF_INET) return dotted(u8, at + 4);
  return family === AF_INET6 ? ipv6At(u8, at + 8) + zoneAt(u8, at) : '';
}

/** The link of a link-local address (fe80::/10), with which alone it is one. */
function zoneAt(u8: Uint8Array, at: number): string {
  if (u8[at + 8] !== 0xfe || ((u8[at + 9] as number) & 0xc0) !== 0x80) return '';
  const index = [27, 26, 25, 24].reduce((word, n) => word * 256 + (u8[at + n] as number), 0);
  return index === 0 ? '' : `%${interfaceName(index)}`;
}

/** Its number, where it is gone. */
function interfaceName(index: number): string {
  const arena = scratchArena();
  if (libc().if_indextoname(index, arena.base + NAME) === 0) return String(index);
  const end = arena.u8.indexOf(0, NAME);
  return Buffer.from(arena.u8.subarray(NAME, end)).toString();
}

/** The IPv6 address at an offset, an IPv4-mapped one in its own form. */
export function ipv6At(u8: Uint8Array, at: number): string {
  const words = Array.from({ length: 8 }, (_, n) => ((u8[at + 2 * n] as number) << 8) | (u8[at + 1 + 2 * n] as number));
  if (words.slice(0, 5).every((word) => word === 0) && words[5] === 0xffff) return dotted(u8, at + 12);
  return compressed(words);
}

/** The IPv4 address at an offset. */
export function dotted(u8: Uint8Array, at: number): string {
  return `${u8[at]}.${u8[at + 1]}.${u8[at + 2]}.${u8[at + 3]}`;
}

/** RFC 5952: the first longest run of two or more zero words is left out. */
function compressed(words: readonly number[]): string {
  const text = words.map((word) => word.toString(16)).join(':');
  const runs = [...text.matchAll(/(?:^|:)0(?::0)+(?=:|$)/g)].map(([run]) => run);
  const longest = runs.reduce((best, run) => (zeros(run) > zeros(best) ? run : best), '');
  if (!longest) return text;
  return text.replace(longest, '::').replace(/:{3,}/, '::');
}

function zeros(run: string): number {
  return run.split('0').length;
}

/** The eight words of an IPv6 address. */
function wordsOf(address: string): number[] {
  const dots = /^(.*:)(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(address);
  if (dots) {
    const [, head, a, b, c, d] = dots.map((part, n) => (n < 2 ? part : Number(part))) as [
      string,
      string,
      number,
      number,
      number,
      number,
    ];
    return wordsOf(`${head}${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`);
  }
  const [head = '', tail] = address.split('::');
  const first = head ? head.split(':') : [];
  const last = tail ? tail.split(':') : [];
  const missing = tail === undefined ? 0 : 8 - first.length - last.length;
  return [...first, ...Array<string>(missing).fill('0'), ...last].map((word) => Number.parseInt(word, 16));
}

function zoneIndex(arena: Arena, scratch: number, zone: string): number {
  if (/^\d+$/.test(zone)) return Number(zone);
  const name = Buffer.from(`${zone.slice(0, 15)}\0`);
  arena.u8.set(name, scratch);
  return libc().if_nametoindex(arena.base + scratch);
}
