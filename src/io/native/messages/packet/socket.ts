/** Sockets on the link of an interface (packet(7)). */
import type { PacketAddress } from '../../../../core/engine.ts';
import { L7mpError } from '../../../../core/errors.ts';
import type { Arena } from '../../system/arena.ts';
import { scratchArena } from '../../system/arena.ts';
import * as k from '../../system/constants.ts';
import { libc } from '../../system/libc.ts';
import * as sockets from '../../system/sockets.ts';

export const SOL_PACKET = 263;
const ADD_MEMBERSHIP = 1;
export const AUXDATA = 8;
const VNET_HDR = 15;
const IGNORE_OUTGOING = 23;

/** Bytes of the struct virtio_net_hdr in front of each raw frame: what is left to do for it. */
export const VNET_HEADER = 10;

const SIOCGIFMTU = 0x8921;
/** Of struct ifreq: its size, and where the MTU is, behind the name. */
const IFREQ = 40;
const IFREQ_MTU = 16;
/** Of a membership (struct packet_mreq, 16 bytes): all frames, whoever they are for. */
const PROMISCUOUS = 1;

/** Bytes of struct sockaddr_ll, and where its fields lie. */
export const SOCKADDR_LL = 20;
const PROTOCOL = 2;
const INDEX = 4;
const PACKET_TYPE = 10;
const ADDRESS_LENGTH = 11;
const ADDRESS = 12;

/** The frame is for another host (linux/if_packet.h). */
const OTHER_HOST = 3;
/** Bytes of an Ethernet address. */
const MAC = 6;

/** What the kernel is asked to hold, in bytes (it doubles, and caps at rmem_max). */
const RECEIVE_BUFFER = 1 << 20;

/** In the scratch arena, behind what `sockets` uses. */
const SCRATCH = 4096;

/** The number of an interface; 0 where there is none of that name. */
export function indexOf(name: string): number {
  const arena = scratchArena();
  arena.u8.set(Buffer.from(`${name}\0`), SCRATCH);
  return libc().if_nametoindex(arena.base + SCRATCH);
}

/** A bound socket. Throws E_BIND where there is no such interface, E_UNSUPPORTED without CAP_NET_RAW, or a SocketError. */
export function open(at: PacketAddress): number {
  const index = indexOf(at.interface);
  if (index === 0) throw new L7mpError('E_BIND', `interface ${at.interface}: there is none of that name`);
  const fd = openAny(at);
  try {
    sockets.setOption(fd, k.SOL_SOCKET, k.SO_RCVBUF, RECEIVE_BUFFER);
    set(fd, at, AUXDATA);
    set(fd, at, IGNORE_OUTGOING);
    if (at.mode === 'raw') set(fd, at, VNET_HDR);
    const errno = bind(fd, at, index);
    if (errno !== 0) throw new sockets.SocketError('bind', errno, at.interface);
    return fd;
  } catch (error) {
    libc().close(fd);
    throw error;
  }
}

/** What a frame on an interface may have behind its link header, in bytes; 0 where the interface is gone. */
export function mtuOf(fd: number, name: string): number {
  const { base, u8, i32 } = scratchArena();
  u8.fill(0, SCRATCH, SCRATCH + IFREQ);
  u8.set(Buffer.from(name), SCRATCH);
  return libc().ioctl(fd, SIOCGIFMTU, base + SCRATCH) < 0 ? 0 : (i32[(SCRATCH + IFREQ_MTU) >> 2] as number);
}

/** Binds it, also once more, after the interface has gone and come. Returns 0, or the error. */
export function bind(fd: number, { etherType, promiscuous }: PacketAddress, index: number): number {
  const c = libc();
  const arena = scratchArena();
  const { base, u16, u32 } = arena;
  putAddress(arena, SCRATCH, { index, etherType });
  if (c.bind(fd, base + SCRATCH, SOCKADDR_LL) < 0) return c.errno();
  if (!promiscuous) return 0;
  u32.fill(0, SCRATCH >> 2, (SCRATCH + 16) >> 2);
  u32[SCRATCH >> 2] = index;
  u16[(SCRATCH + 4) >> 1] = PROMISCUOUS;
  return c.setsockopt(fd, SOL_PACKET, ADD_MEMBERSHIP, base + SCRATCH, 16) < 0 ? c.errno() : 0;
}

// With a protocol it would receive from every interface until it is bound to one.
function openAny({ mode }: PacketAddress): number {
  try {
    return sockets.open(k.AF_PACKET, mode === 'raw' ? k.SOCK_RAW : k.SOCK_DGRAM);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EPERM' || code === 'EACCES')
      throw new L7mpError('E_UNSUPPORTED', 'AF_PACKET needs the capability CAP_NET_RAW', { cause: error });
    if (code === 'EAFNOSUPPORT')
      throw new L7mpError('E_UNSUPPORTED', 'this kernel has no AF_PACKET: the module af_packet is missing');
    throw error;
  }
}

function set(fd: number, at: PacketAddress, option: number): void {
  if (sockets.setOption(fd, SOL_PACKET, option, 1) < 0)
    throw new sockets.SocketError('setsockopt', libc().errno(), at.interface);
}

// -------------------------------------------------------------------- addresses

/** What a link address in the arena says. */
export interface LinkAddress {
  readonly index: number;
  readonly etherType: number;
  /** An Ethernet address, as an integer. */
  readonly mac?: number | undefined;
}

/** Writes one at an offset that is a multiple of 4. */
export function putAddress({ u8, u16, u32 }: Arena, at: number, { index, etherType, mac }: LinkAddress): void {
  u32.fill(0, at >> 2, (at + SOCKADDR_LL) >> 2);
  u16[at >> 1] = k.AF_PACKET;
  u8[at + PROTOCOL] = etherType >> 8;
  u8[at + PROTOCOL + 1] = etherType & 0xff;
  u32[(at + INDEX) >> 2] = index;
  if (mac === undefined) return;
  u8[at + ADDRESS_LENGTH] = MAC;
  for (let n = 0, rest = mac; n < MAC; n++, rest = Math.floor(rest / 256)) u8[at + ADDRESS + MAC - 1 - n] = rest % 256;
}

export function etherTypeAt(u8: Uint8Array, at: number): number {
  return ((u8[at + PROTOCOL] as number) << 8) | (u8[at + PROTOCOL + 1] as number);
}

export function isForOtherHost(u8: Uint8Array, at: number): boolean {
  return u8[at + PACKET_TYPE] === OTHER_HOST;
}

/** The Ethernet address of a sender, as an integer of 48 bits; 0 where the link has no such addresses. */
export function macAt(u8: Uint8Array, at: number): number {
  if (u8[at + ADDRESS_LENGTH] !== MAC) return 0;
  let mac = 0;
  for (let n = 0; n < MAC; n++) mac = mac * 256 + (u8[at + ADDRESS + n] as number);
  return mac;
}

/** An Ethernet address as text: `02:00:00:00:00:01`. */
export function macText(mac: number): string {
  return mac
    .toString(16)
    .padStart(2 * MAC, '0')
    .replace(/..(?!$)/g, '$&:');
}

/** And back; also with hyphens. */
export function parseMac(text: string): number {
  return Number.parseInt(text.replaceAll(/[:-]/g, ''), 16);
}

/** Of more than one host: a multicast or broadcast address (IEEE 802). */
export function isGroup(mac: number): boolean {
  return Math.floor(mac / 2 ** 40) % 2 === 1;
}
