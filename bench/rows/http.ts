import type { Row } from '../harness/types.ts';
import { closedLoop } from './closed-loop.ts';

function requests(connections: number): Row {
  return closedLoop({
    id: `http-${connections}`,
    title: `HTTP requests, ${connections} connections`,
    carries: 'http',
    // It is not asked: the proxies answer.
    server: ['tcp_echo'],
    program: 'http_load',
    args: [connections],
    unit: { name: 'request', size: 1, rate: '/s', cpu: 'µs' },
  });
}

function proxied(connections: number): Row {
  return closedLoop({
    id: `http-proxied-${connections}`,
    title: `HTTP requests to a server, ${connections} connections`,
    carries: 'http-proxied',
    server: ['http_serve'],
    program: 'http_load',
    args: [connections],
    unit: { name: 'request', size: 1, rate: '/s', cpu: 'µs' },
  });
}

/** Bytes of a WebSocket message. */
const SIZE = 200;

function messages(connections: number, inFlight: number): Row {
  return closedLoop({
    id: `websocket-${connections}x${inFlight}`,
    title: `WebSocket messages, ${connections} × ${inFlight}`,
    carries: 'websocket',
    server: ['ws_echo', `${SIZE}`],
    program: 'ws_load',
    args: [connections, inFlight, SIZE],
  });
}

export const http: readonly Row[] = [
  requests(1),
  requests(64),
  proxied(1),
  proxied(64),
  messages(32, 1),
  messages(16, 8),
];
