import type { Row } from '../harness/types.ts';
import { closedLoop, OWN_PORT } from './closed-loop.ts';

/** Bytes of a datagram: a small video or voice packet, or a query. */
const SIZE = 200;

function echo(flows: number, inFlight: number): Row {
  return closedLoop({
    id: `udp-${flows}x${inFlight}`,
    title: `UDP echo, ${flows} × ${inFlight}`,
    carries: 'udp',
    server: ['udp_echo'],
    program: 'udp_load',
    args: [OWN_PORT, flows, inFlight, SIZE],
  });
}

export const udp: readonly Row[] = [echo(1, 1), echo(1, 32), echo(16, 8), echo(1_000, 1)];

export const websocket: Row = closedLoop({
  id: 'udp-websocket-udp',
  title: 'UDP → WebSocket → UDP, 16 × 8',
  carries: 'udp-websocket-udp',
  server: ['udp_echo'],
  program: 'udp_load',
  args: [OWN_PORT, 16, 8, SIZE],
  unit: { name: 'message there and back', size: 1, rate: '/s', cpu: 'µs' },
});
