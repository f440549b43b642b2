/** The identity of a peer, where each may have a share only. */
import { isObject, type Json, type Metadata } from './metadata.ts';

/** Groups of 16 bits of an IPv6 address, and those of the network that one customer has (RFC 6177: a /64 at least). */
const GROUPS = 8;
const NETWORK = 4;

/** Ports below are those of services (RFC 6335 section 6): a client does not send from there. */
const SERVICE_PORTS = 1024;

/** What is known of a channel's peer, and what it reaches where that is another one. */
interface Peered {
  describe(): Metadata;
  readonly via?: { describe(): Metadata } | undefined;
}

/** The address and port that a channel reaches; undefined where it has none. */
export function peerOf(channel: Peered): { address: string; port: number } | undefined {
  const { IP: ip, ...protocols } = (channel.via ?? channel).describe();
  const address = sourceAddressOf(ip);
  // The transport comes first: what is after it may be the peer's own words.
  const [transport] = Object.values(protocols);
  const port = isObject(transport) ? transport.src_port : undefined;
  return address !== undefined && typeof port === 'number' ? { address, port } : undefined;
}

/** Whether it seems to come from the port of a service: by UDP, most likely from a forged address. */
export function fromServicePort(channel: Peered): boolean {
  const peer = peerOf(channel);
  return peer !== undefined && peer.port < SERVICE_PORTS;
}

/** The address of a channel's peer; undefined where it has none (UNIX sockets). */
export function addressOf(channel: { describe(): Metadata }): string | undefined {
  return sourceAddressOf(channel.describe().IP);
}

/** The source that a channel's peer belongs to; undefined where it has no address (UNIX sockets). */
export function sourceOf(channel: { describe(): Metadata }): string | undefined {
  return sourceIn(channel.describe());
}

/** Likewise, by what the channel says of itself. */
export function sourceIn({ IP: ip }: Metadata): string | undefined {
  const address = sourceAddressOf(ip);
  return address === undefined ? undefined : sourceOfAddress(address);
}

function sourceAddressOf(ip: Json | undefined): string | undefined {
  const address = isObject(ip) ? ip.src_addr : undefined;
  return typeof address === 'string' ? address : undefined;
}

/**
 * An IPv4 address stands for itself. Of IPv6, who has one address has all of its network (/64), but for link-local ones
 * (fe80::/10), whose network is everybody's.
 */
export function sourceOfAddress(address: string): string {
  if (!address.includes(':') || /^fe[89ab]/i.test(address)) return address;
  const [head = [], tail = []] = address.split('::').map((part) => part.split(':').filter((group) => group !== ''));
  const zeros = address.includes('::') ? GROUPS - head.length - tail.length : 0;
  const groups = [...head, ...new Array(Math.max(0, zeros)).fill('0'), ...tail];
  return `${groups.slice(0, NETWORK).join(':')}::/64`;
}
