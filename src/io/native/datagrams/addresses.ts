/** Where the peers of listening sockets are: their addresses as the kernel wants them to be sent to. */
import { dotted, hostAt, ipv6At, portAt } from '../system/address.ts';
import type { Arena } from '../system/arena.ts';
import { AF_INET, IP_PKTINFO, IPPROTO_IP, IPPROTO_IPV6, IPV6_PKTINFO, SOCKADDR } from '../system/constants.ts';
import { CMSG_HEADER } from './layout.ts';

/** Peers that an engine may have. */
export const MOST_PEERS = 1 << 17;

/**
 * The bytes of one: a socket address, its length, that of the control message with the address that answers leave from,
 * and whether that has changed. The control message itself lies far behind, in pages that most sockets never touch, and
 * takes as many bytes at most (an in6_pktinfo).
 */
const BYTES = 40;
export const ADDRESS_LENGTH = 28;
export const CONTROL_LENGTH = 32;
const WANDERS = 36;
export const CONTROL = MOST_PEERS * BYTES;

/** Bytes of a control message with an in_pktinfo (ip(7)) and an in6_pktinfo (ipv6(7)), padded. */
const PKTINFO = 32;
const PKTINFO6 = 40;

/** The first byte of a group's address (RFC 4291, section 2.7), which is nobody's source. */
const GROUP = 0xff;

/** Bytes of what a wildcard socket of a family says of each datagram: which of our addresses it has hit. */
export function hitBytes(family: number): number {
  return family === AF_INET ? PKTINFO : PKTINFO6;
}

export class PeerAddresses {
  readonly arena: Arena;
  readonly #first: number;
  readonly #free: number[] = [];
  #next = 0;

  constructor(arena: Arena) {
    this.arena = arena;
    this.#first = arena.take(2 * CONTROL);
  }

  /** The offset of a free one; -1 where there is none. */
  take(): number {
    const free = this.#free.pop();
    if (free !== undefined) return free;
    return this.#next < MOST_PEERS ? this.#first + this.#next++ * BYTES : -1;
  }

  give(at: number): void {
    this.#free.push(at);
  }

  // ------------------------------------------------------------------ one of them

  /** Copies the socket address at an offset, of so many bytes. Nothing is known of where it sends to. */
  write(at: number, from: number, size: number): void {
    const { u8, u32 } = this.arena;
    u8.copyWithin(at, from, from + SOCKADDR);
    u32[(at + ADDRESS_LENGTH) >> 2] = size;
    u32[(at + CONTROL_LENGTH) >> 2] = 0;
    u32[(at + WANDERS) >> 2] = 0;
  }

  host(at: number): string {
    return hostAt(this.arena.u8, at);
  }

  port(at: number): number {
    return portAt(this.arena.u8, at);
  }

  /** The peer has hit several of our addresses. */
  wanders(at: number): boolean {
    return this.arena.u32[(at + WANDERS) >> 2] !== 0;
  }

  /** The address of ours that answers leave from, where that is known (in_pktinfo.ipi_spec_dst, in6_pktinfo.ipi6_addr). */
  source(at: number): string | undefined {
    const { u8, u32 } = this.arena;
    const control = at + CONTROL;
    if (u32[(at + CONTROL_LENGTH) >> 2] === 0) return undefined;
    const ipv4 = u32[(control + 8) >> 2] === IPPROTO_IP;
    return ipv4 ? dotted(u8, control + CMSG_HEADER + 4) : ipv6At(u8, control + CMSG_HEADER);
  }

  /**
   * Has answers leave from the address that was hit, as the control message at `hit` says. Returns whether it is another
   * one than before, for the first time: it wanders.
   */
  follow(at: number, hit: number, family: number): boolean {
    const { u32 } = this.arena;
    const length = (at + CONTROL_LENGTH) >> 2;
    const known = u32[length] !== 0;
    if (known && this.#same(at + CONTROL, hit, family)) return false;
    if (known && family !== AF_INET && this.arena.u8[hit + CMSG_HEADER] === GROUP) return false;
    this.#writeSource(at, hit, family);
    if (!known || this.wanders(at)) return false;
    u32[(at + WANDERS) >> 2] = 1;
    return true;
  }

  #same(control: number, hit: number, family: number): boolean {
    const { u32 } = this.arena;
    const ours = (control + CMSG_HEADER) >> 2;
    const theirs = (hit + CMSG_HEADER) >> 2;
    if (family === AF_INET) return u32[ours + 1] === u32[theirs + 1];
    for (let word = 0; word < 4; word++) if (u32[ours + word] !== u32[theirs + word]) return false;
    return true;
  }

  // On whatever interface leads there.
  #writeSource(at: number, hit: number, family: number): void {
    const { u8, u32 } = this.arena;
    const control = at + CONTROL;
    const size = hitBytes(family);
    const ipv4 = family === AF_INET;
    u8.copyWithin(control, hit, hit + size);
    u32[(control + 8) >> 2] = ipv4 ? IPPROTO_IP : IPPROTO_IPV6;
    u32[(control + 12) >> 2] = ipv4 ? IP_PKTINFO : IPV6_PKTINFO;
    u32[(control + CMSG_HEADER + (ipv4 ? 0 : 16)) >> 2] = 0;
    // IPv4 says which address of ours a group's stands for.
    const nobody = !ipv4 && u8[control + CMSG_HEADER] === GROUP;
    u32[(at + CONTROL_LENGTH) >> 2] = nobody ? 0 : size;
  }
}
