import { isIP, type Socket } from 'node:net';
import type { Ends } from '../engine.ts';

/** An IPv4 address that a dual-stack socket shows as IPv6 (`::ffff:192.0.2.1`), in its own form. */
export function plainAddress(address: string | undefined): string {
  if (!address) return '';
  return address.startsWith('::ffff:') && address.includes('.') ? address.slice(7) : address;
}

/** 0.0.0.0, ::, and other ways to write them. */
export function isWildcard(host: string): boolean {
  return isIP(host) !== 0 && /^[0:.]+$/.test(host);
}

/** The ends of a connected socket; undefined where it has no Internet addresses. */
export function endsOf(socket: Socket): Ends | undefined {
  if (socket.remotePort === undefined) return undefined;
  return {
    localAddress: plainAddress(socket.localAddress),
    localPort: socket.localPort ?? 0,
    remoteAddress: plainAddress(socket.remoteAddress),
    remotePort: socket.remotePort,
  };
}
