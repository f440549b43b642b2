/** Puts into a frame what the kernel has taken out of it, or has left to the network card; and leaves to it what is too large. */
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
const UDP_CHECKSUM = 6;
/** Bytes of an IPv6 header, and the least of an IPv4 one. */
const IPV6_HEADER = 40;
const IPV4_HEADER = 20;
const TCP_HEADER = 20;
/** Of the flags and the offset of an IPv4 fragment: more follow, or some went before (RFC 791). */
const FRAGMENT = 0x3fff;

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
    const end = frame.at + frame.size;
    const network = networkOf(arena.u8, frame.at, end);
    putChecksum(arena.u8, word(arena.u8, network - 2), network, end);
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

/** Where a frame's network header begins: behind its EtherType, which VLAN tags may stand before. */
function networkOf(u8: Uint8Array, at: number, end: number): number {
  let type = at + ADDRESSES;
  while (isTag(word(u8, type)) && type + TAG < end) type += TAG;
  return type + 2;
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
  const field = transport.at + (transport.protocol === TCP ? TCP_CHECKSUM : UDP_CHECKSUM);
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

/** Where TCP or UDP begin and end; undefined where it is neither, a fragment, or behind extension headers. */
function transportOf(u8: Uint8Array, etherType: number, network: number): Transport | undefined {
  const six = etherType === IPV6;
  if (!six && (etherType !== IPV4 || (word(u8, network + 6) & FRAGMENT) !== 0)) return undefined;
  const header = six ? IPV6_HEADER : ((u8[network] as number) & 0xf) * 4;
  const protocol = u8[network + (six ? 6 : 9)] as number;
  if (header < IPV4_HEADER || (protocol !== TCP && protocol !== UDP)) return undefined;
  const end = six ? network + IPV6_HEADER + word(u8, network + 4) : network + word(u8, network + 2);
  return { protocol, at: network + header, end };
}

// struct virtio_net_hdr (VIRTIO 1.3, section 5.1.6): its flags at 0, then these.
const GSO_TYPE = 1;
const HEADERS = 2;
const GSO_SIZE = 4;
const CHECKSUM_START = 6;
const CHECKSUM_OFFSET = 8;
const NEEDS_CHECKSUM = 1;
const GSO_TCPV4 = 1;
const GSO_TCPV6 = 4;
const GSO_ECN = 0x80;

/** Of a TCP header: the offset of its checksum, that of its flags, and the one of those that is for the first segment only (RFC 3168). */
const TCP_CHECKSUM = 16;
const TCP_FLAGS = 13;
const CWR = 0x80;

/**
 * Tells the kernel, in the header at an offset, to cut a frame with a TCP segment into such as fit the MTU. Returns whether that can
 * be done. The frame is changed.
 */
export function cutIntoSegments({ u8, u16 }: Arena, { at, size }: Frame, header: number, mtu: number): boolean {
  const network = networkOf(u8, at, at + size);
  const etherType = word(u8, network - 2);
  const transport = transportOf(u8, etherType, network);
  if (transport?.protocol !== TCP || transport.end > at + size) return false;
  const headers = ((u8[transport.at + 12] as number) >> 4) << 2;
  const segment = mtu - (transport.at - network) - headers;
  if (headers < TCP_HEADER || segment <= 0 || segment > 0xffff) return false;
  putWord(u8, transport.at + TCP_CHECKSUM, pseudoSum(u8, etherType, network, transport));
  const marked = ((u8[transport.at + TCP_FLAGS] as number) & CWR) !== 0;
  u8[header] = NEEDS_CHECKSUM;
  u8[header + GSO_TYPE] = (etherType === IPV6 ? GSO_TCPV6 : GSO_TCPV4) | (marked ? GSO_ECN : 0);
  u16[(header + HEADERS) >> 1] = transport.at + headers - at;
  u16[(header + GSO_SIZE) >> 1] = segment;
  u16[(header + CHECKSUM_START) >> 1] = transport.at - at;
  u16[(header + CHECKSUM_OFFSET) >> 1] = TCP_CHECKSUM;
  return true;
}

/** The sum of a pseudo-header (RFC 9293, section 3.1; RFC 8200, section 8.1). */
function pseudoSum(u8: Uint8Array, etherType: number, network: number, { protocol, at, end }: Transport): number {
  const [from, to] = etherType === IPV6 ? [8, IPV6_HEADER] : [12, IPV4_HEADER];
  return fold(sum(u8, network + from, network + to) + protocol + end - at);
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
