/** Who a peer is, where each may have a share only. */
import type { Metadata } from './metadata.ts';

/** Groups of 16 bits of an IPv6 address, and those of the network that one customer has (RFC 6177: a /64 at least). */
const GROUPS = 8;
const NETWORK = 4;

/** The source that a channel's peer belongs to; undefined where it has no address (UNIX sockets). */
export function sourceOf(channel: { describe(): Metadata }): string | undefined {
  const { IP: ip } = channel.describe();
  const address = typeof ip === 'object' && ip !== null && !Array.isArray(ip) ? ip.src_addr : undefined;
  return typeof address === 'string' ? sourceOfAddress(address) : undefined;
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
