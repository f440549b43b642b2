import type { Carries, Row } from '../harness/types.ts';
import { closedLoop, OWN_PORT } from './closed-loop.ts';

/** Bytes of a datagram: a small video or voice packet, or a query. */
const SIZE = 200;

interface Loop {
  readonly name: string;
  readonly title: string;
  readonly carries?: Carries;
  /** Load and echo send each datagram by itself, though several to one peer could go together. */
  readonly single?: boolean;
}

function echo({ name, title, carries = 'udp', single = false }: Loop, flows: number, inFlight: number): Row {
  const how = single ? ['single'] : [];
  return closedLoop({
    id: [name, `${flows}x${inFlight}`, ...how].join('-'),
    title: `${title}, ${flows} × ${inFlight}${single ? ', one by one' : ''}`,
    carries,
    server: ['udp_echo', ...how],
    program: 'udp_load',
    args: [OWN_PORT, flows, inFlight, SIZE, ...how],
  });
}

const ECHO: Loop = { name: 'udp', title: 'UDP echo' };
const NAMESPACES: Loop = { name: 'udp-namespaces', title: 'UDP through three namespaces', carries: 'udp-namespaces' };

const single = (loop: Loop): Loop => ({ ...loop, single: true });

export const udp: readonly Row[] = [
  echo(ECHO, 1, 1),
  echo(ECHO, 1, 32),
  echo(single(ECHO), 1, 32),
  echo(ECHO, 16, 8),
  echo(single(ECHO), 16, 8),
  echo(ECHO, 1_000, 1),
  echo(NAMESPACES, 1, 1),
  echo(NAMESPACES, 16, 8),
  echo(single(NAMESPACES), 16, 8),
];

export const websocket: Row = closedLoop({
  id: 'udp-websocket-udp',
  title: 'UDP → WebSocket → UDP, 16 × 8',
  carries: 'udp-websocket-udp',
  server: ['udp_echo'],
  program: 'udp_load',
  args: [OWN_PORT, 16, 8, SIZE],
  unit: { name: 'message there and back', size: 1, rate: '/s', cpu: 'µs' },
});

const dtlsEcho = (flows: number, inFlight: number): Row =>
  closedLoop({
    id: `udp-dtls-udp-${flows}x${inFlight}`,
    title: `UDP → DTLS → UDP, ${flows} × ${inFlight}`,
    carries: 'udp-dtls-udp',
    server: ['udp_echo'],
    program: 'udp_load',
    args: [OWN_PORT, flows, inFlight, SIZE],
    unit: { name: 'message there and back', size: 1, rate: '/s', cpu: 'µs' },
  });

export const dtls: readonly Row[] = [dtlsEcho(1, 1), dtlsEcho(16, 8)];
