/** Puts into a frame what the kernel has taken out of it, or has left to the network card. */
import type { Arena } from '../../system/arena.ts';

// struct tpacket_auxdata (packet(7), linux/if_packet.h): its status, VLAN tag, and the type of that.
const STATUS = 0;
const VLAN_TCI = 16;
const VLAN_TPID = 18;
const CHECKSUM_NOT_READY = 8;
const VLAN_VALID = 0x10;
const VLAN_TPID_VALID = 0x40;

/** Bytes of an Ethernet header's two addresses, and of a VLAN tag (IEEE 802.1Q). */
const ADDRESSES = 12;
const TAG = 4;
const CUSTOMER_TAG = 0x8100;
const SERVICE_TAG = 0x88a8;

const IPV4 = 0x0800;
const IPV6 = 0x86dd;
const TCP = 6;
const UDP = 17;
/** Bytes of an IPv6 header, and the least of an IPv4 one. */
const IPV6_HEADER = 40;
const IPV4_HEADER = 20;

/** Where a frame lies in the arena. */
export interface Frame {
  readonly at: number;
  readonly size: number;
}

/** Whether the control message at this offset says that the frame is not whole as it lies there. */
export function isIncomplete({ u32 }: Arena, auxdata: number): boolean {
  return auxdata !== 0 && ((u32[(auxdata + STATUS) >> 2] as number) & (VLAN_VALID | CHECKSUM_NOT_READY)) !== 0;
}

/** Completes a frame with its link header; 4 bytes before it may be written to. Returns where it lies then. */
export function completeFrame(arena: Arena, { at, size }: Frame, auxdata: number): Frame {
  const status = arena.u32[(auxdata + STATUS) >> 2] as number;
  const frame = status & VLAN_VALID ? putTag(arena, { at, size }, auxdata, status) : { at, size };
  if (status & CHECKSUM_NOT_READY) {
    let type = frame.at + ADDRESSES;
    while (isTag(word(arena.u8, type)) && type < frame.at + size) type += TAG;
    putChecksum(arena.u8, word(arena.u8, type), type + 2, frame.at + frame.size);
  }
  return frame;
}

/** Completes a packet without its link header, of an EtherType. */
export function completePacket(arena: Arena, { at, size }: Frame, auxdata: number, etherType: number): void {
  const status = arena.u32[(auxdata + STATUS) >> 2] as number;
  if (status & CHECKSUM_NOT_READY) putChecksum(arena.u8, etherType, at, at + size);
}

function putTag({ u8, u16 }: Arena, { at, size }: Frame, auxdata: number, status: number): Frame {
  const tpid = status & VLAN_TPID_VALID ? (u16[(auxdata + VLAN_TPID) >> 1] as number) : CUSTOMER_TAG;
  const tci = u16[(auxdata + VLAN_TCI) >> 1] as number;
  const from = at - TAG;
  u8.copyWithin(from, at, at + ADDRESSES);
  putWord(u8, from + ADDRESSES, tpid);
  putWord(u8, from + ADDRESSES + 2, tci);
  return { at: from, size: size + TAG };
}

function isTag(type: number): boolean {
  return type === CUSTOMER_TAG || type === SERVICE_TAG;
}

/**
 * Computes the checksum of a TCP segment or UDP datagram (RFC 1071; RFC 8200, section 8.1), which its sender, on this machine,
 * has left to the card. In its place lies the sum of the pseudo-header already, so that of the rest is added.
 */
function putChecksum(u8: Uint8Array, etherType: number, network: number, end: number): void {
  const transport = transportOf(u8, etherType, network);
  if (!transport) return;
  const field = transport.at + (transport.protocol === TCP ? 16 : 6);
  const until = Math.min(end, transport.end);
  if (field + 2 > until) return;
  const folded = fold(sum(u8, transport.at, until));
  // A UDP checksum of 0 says that there is none (RFC 768).
  putWord(u8, field, folded === 0xffff && transport.protocol === UDP ? 0xffff : ~folded & 0xffff);
}

interface Transport {
  readonly protocol: number;
  readonly at: number;
  readonly end: number;
}

/** Where TCP or UDP begin and end; undefined where it is neither, or behind extension headers. */
function transportOf(u8: Uint8Array, etherType: number, network: number): Transport | undefined {
  const six = etherType === IPV6;
  if (!six && etherType !== IPV4) return undefined;
  const header = six ? IPV6_HEADER : ((u8[network] as number) & 0xf) * 4;
  const protocol = u8[network + (six ? 6 : 9)] as number;
  if (header < IPV4_HEADER || (protocol !== TCP && protocol !== UDP)) return undefined;
  const end = six ? network + IPV6_HEADER + word(u8, network + 4) : network + word(u8, network + 2);
  return { protocol, at: network + header, end };
}

/** Of at most 64 KiB: it cannot overflow. */
function sum(u8: Uint8Array, from: number, to: number): number {
  let total = 0;
  for (let at = from; at + 1 < to; at += 2) total += word(u8, at);
  return (to - from) % 2 === 1 ? total + ((u8[to - 1] as number) << 8) : total;
}

function fold(total: number): number {
  let folded = total;
  while (folded > 0xffff) folded = (folded & 0xffff) + Math.floor(folded / 65_536);
  return folded;
}

function word(u8: Uint8Array, at: number): number {
  return ((u8[at] as number) << 8) | (u8[at + 1] as number);
}

function putWord(u8: Uint8Array, at: number, value: number): void {
  u8[at] = value >> 8;
  u8[at + 1] = value & 0xff;
}
