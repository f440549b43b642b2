import { randomInt } from 'node:crypto';
import * as dgram from 'node:dgram';
import { once } from 'node:events';
import * as net from 'node:net';

/** Below the range from which the kernel takes the ports of outgoing connections: those would be in the way. */
export const FIRST_PORT = 20_000;
const BLOCKS = 100;
const BLOCK_SIZE = 100;

/** The ports of the blocks that this process holds, and the place of the next one. */
const held: number[] = [];
let next = 0;

/**
 * A port on which nothing listens, for TCP and UDP, that no other call of any test process gives out: test files run
 * side by side, and one that wants a port to be closed, or binds it a little later, must not find another's server
 * there. Only when all ports are held are this process's own given out again.
 *
 * Throws an Error where other processes hold all of its ports.
 *
 * @example const port = await freePort();
 */
export async function freePort(): Promise<number> {
  for (;;) {
    if (next === held.length) await holdBlock();
    const port = held[next++] as number;
    if ((await tcpFree(port)) && (await udpFree(port))) return port;
  }
}

/**
 * The first of so many such ports that follow each other, at most 100.
 *
 * Throws as `freePort`.
 *
 * @example const first = await freePorts(10);
 */
export async function freePorts(count: number): Promise<number> {
  for (;;) {
    const left = BLOCK_SIZE - (next % BLOCK_SIZE);
    if (count > left) next += left;
    if (next >= held.length) await holdBlock();
    const first = held[next] as number;
    next += count;
    const all = Array.from({ length: count }, (_, n) => first + n);
    const free = await Promise.all(all.map(async (port) => (await tcpFree(port)) && (await udpFree(port))));
    if (!free.includes(false)) return first;
  }
}

async function holdBlock(): Promise<void> {
  const first = randomInt(BLOCKS);
  for (let n = 0; n < BLOCKS; n++) {
    const block = (first + n) % BLOCKS;
    if (!(await lock(block))) continue;
    for (let port = 0; port < BLOCK_SIZE; port++) held.push(FIRST_PORT + block * BLOCK_SIZE + port);
    return;
  }
  if (held.length === 0) throw new Error('other test processes hold all ports');
  next = 0;
}

/** The name of an abstract UNIX socket is a lock that the kernel takes back when the process ends (unix(7)). */
async function lock(block: number): Promise<boolean> {
  const server = net.createServer((socket) => socket.destroy()).unref();
  server.listen(`\0l7mp-test-ports-${block}`);
  try {
    await once(server, 'listening');
    return true;
  } catch {
    return false;
  }
}

function tcpFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = net.createServer();
    server.once('error', () => resolve(false));
    server.listen({ port, host: '0.0.0.0' }, () => server.close(() => resolve(true)));
  });
}

function udpFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = dgram.createSocket('udp4');
    socket.once('error', () => socket.close(() => resolve(false)));
    socket.bind({ port, exclusive: true }, () => socket.close(() => resolve(true)));
  });
}
