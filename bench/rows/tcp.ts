import type { Row } from '../harness/types.ts';
import { closedLoop } from './closed-loop.ts';

const GBIT = { name: 'Gbit', size: 1e9 / 8, rate: 'Gbit/s', cpu: 'ms' };
/** Bytes of a ping-pong message. */
const SIZE = 64;

function bulk(streams: number): Row {
  return closedLoop({
    id: `tcp-bulk-${streams}`,
    title: `TCP bulk, ${streams} ${streams > 1 ? 'streams' : 'stream'}`,
    carries: 'tcp',
    server: ['tcp_source'],
    program: 'tcp_sink',
    args: [streams],
    unit: GBIT,
  });
}

function pingPong(connections: number): Row {
  return closedLoop({
    id: `tcp-pingpong-${connections}`,
    title: `TCP ping-pong × ${connections}`,
    carries: 'tcp',
    server: ['tcp_echo'],
    program: 'tcp_pingpong',
    args: [connections, SIZE],
  });
}

const connections: Row = closedLoop({
  id: 'tcp-connections',
  title: 'TCP connections',
  carries: 'tcp',
  server: ['tcp_echo', 'once'],
  program: 'tcp_connect',
  args: [16],
  unit: { name: 'connection', size: 1, rate: '/s', cpu: 'µs' },
});

export const tcp: readonly Row[] = [bulk(1), bulk(10), pingPong(1), pingPong(32), pingPong(500), connections];
