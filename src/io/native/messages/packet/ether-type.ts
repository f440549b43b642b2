/** Which EtherType a packet has that comes without one. */
/** Frames of any (ETH_P_ALL, linux/if_ether.h). */
export const ALL_TYPES = 0x0003;

const IPV4 = 0x0800;
const IPV6 = 0x86dd;

const SMALLEST_IPV4 = 20;
const IPV6_HEADER = 40;

/** That of an IP packet, whose header says how long it is (RFC 791, RFC 8200); undefined of anything else. */
export function ipTypeOf(packet: Uint8Array): number | undefined {
  const { length } = packet;
  const version = (packet[0] ?? 0) >> 4;
  if (version === 4 && length >= SMALLEST_IPV4) return word(packet, 2) === length ? IPV4 : undefined;
  if (version === 6 && length >= IPV6_HEADER) return word(packet, 4) + IPV6_HEADER === length ? IPV6 : undefined;
  return undefined;
}

function word(bytes: Uint8Array, at: number): number {
  return ((bytes[at] as number) << 8) | (bytes[at + 1] as number);
}
