import type { Row } from '../harness/types.ts';
import { type ClosedLoop, closedLoop } from './closed-loop.ts';

const GBIT = { name: 'Gbit', size: 1e9 / 8, rate: 'Gbit/s', cpu: 'ms' };
/** Bytes of a ping-pong message. */
const SIZE = 64;

function bulk(streams: number): ClosedLoop {
  return {
    id: `tcp-bulk-${streams}`,
    title: `TCP bulk, ${streams} ${streams > 1 ? 'streams' : 'stream'}`,
    carries: 'tcp',
    server: ['tcp_source'],
    program: 'tcp_sink',
    args: [streams],
    unit: GBIT,
  };
}

function pingPong(connections: number): ClosedLoop {
  return {
    id: `tcp-pingpong-${connections}`,
    title: `TCP ping-pong × ${connections}`,
    carries: 'tcp',
    server: ['tcp_echo'],
    program: 'tcp_pingpong',
    args: [connections, SIZE],
  };
}

const connections: ClosedLoop = {
  id: 'tcp-connections',
  title: 'TCP connections',
  carries: 'tcp',
  server: ['tcp_echo', 'once'],
  program: 'tcp_connect',
  args: [16],
  unit: { name: 'connection', size: 1, rate: '/s', cpu: 'µs' },
};

/** The same through two hops, between which it is encrypted. */
const encrypted = (loop: ClosedLoop): Row =>
  closedLoop({
    ...loop,
    id: loop.id.replace('tcp', 'tcp-tls-tcp'),
    title: loop.title.replace('TCP', 'TCP → TLS → TCP,'),
    carries: 'tcp-tls-tcp',
  });

const resumed: Row = closedLoop({
  ...connections,
  id: 'tcp-tls-tcp-resumed',
  title: 'TCP → TLS → TCP, connections that resume',
  carries: 'tcp-tls-tcp-resumed',
});

export const tcp: readonly Row[] = [
  ...[bulk(1), bulk(10), pingPong(1), pingPong(32), pingPong(500), connections].map(closedLoop),
  ...[bulk(1), bulk(10), pingPong(32), connections].map(encrypted),
  resumed,
];
