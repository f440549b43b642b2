import type { Socket } from 'node:net';
import { plainAddress } from '../../core/address.ts';
import type { Ends } from '../../core/engine.ts';

/** The ends of a connected socket; undefined where it has no Internet addresses. */
export function endsOf(socket: Socket): Ends | undefined {
  if (socket.remotePort === undefined) return undefined;
  return {
    localAddress: plainAddress(socket.localAddress ?? ''),
    localPort: socket.localPort ?? 0,
    remoteAddress: plainAddress(socket.remoteAddress ?? ''),
    remotePort: socket.remotePort,
  };
}
