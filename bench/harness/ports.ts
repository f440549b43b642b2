/** Free ports between 20,000 and 29,998, below the range from which the kernel takes ports itself. */
import { createSocket } from 'node:dgram';
import { createServer } from 'node:net';

const FIRST = 20_000;
const LAST = 29_998;
let next = FIRST;

function tcpIsFree(port: number): Promise<boolean> {
  return new Promise((done) => {
    const server = createServer();
    server.once('error', () => done(false));
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => server.close(() => done(true)));
  });
}

function udpIsFree(port: number): Promise<boolean> {
  return new Promise((done) => {
    const socket = createSocket('udp4');
    socket.once('error', () => socket.close(() => done(false)));
    socket.bind({ port, exclusive: true }, () => socket.close(() => done(true)));
  });
}

/** A port that is free for TCP and UDP, and not one of the last ones given: what was there may linger. */
export async function freePort(): Promise<number> {
  for (let tries = FIRST; tries < LAST; tries++) {
    const port = next;
    next = port < LAST ? port + 1 : FIRST;
    if ((await tcpIsFree(port)) && (await udpIsFree(port))) return port;
  }
  throw new Error(`no port between ${FIRST} and ${LAST} is free`);
}
