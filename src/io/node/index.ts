/** The portable engine: node's own sockets. The reference for what any other engine must do. */
import { existsSync, lstatSync, unlinkSync } from 'node:fs';
import * as net from 'node:net';
import { L7mpError } from '../../core/errors.ts';
import type { Engine, SocketAddress } from '../engine.ts';
import { connect as connectDatagram, ListeningPorts } from './datagram.ts';
import { connect as connectStream, listen as listenStream, type Sockets } from './stream.ts';

/** Milliseconds that sockets have to deliver what was written when the engine closes. */
const CLOSE_GRACE = 1000;

export function createNodeEngine(): Engine {
  const sockets: Sockets = new Set();
  const servers = new Set<net.Server>();
  const ports = new ListeningPorts();
  return {
    name: 'node',
    listenStream: async (at, acceptor) => {
      if ('path' in at) await freePath(at.path);
      const server = await listenStream(at, acceptor, sockets);
      servers.add(server);
      return {
        close: async () => {
          if (servers.delete(server)) stop(server);
        },
      };
    },
    connectStream: (to, attempt, limits, bind) => connectStream(to, attempt, limits, bind, sockets),
    listenDatagram: (at, acceptor) => ports.listen(at, acceptor),
    connectDatagram,
    close: async () => {
      for (const server of servers) stop(server);
      servers.clear();
      await ports.close();
      await flushed(sockets);
      for (const socket of sockets) socket.destroy();
    },
  };
}

// close() gives the address back at once, and calls back when the last connection has ended, which may be never.
function stop(server: net.Server): void {
  server.close();
}

async function flushed(sockets: Sockets): Promise<void> {
  const all = Promise.all([...sockets].map((socket) => new Promise((resolve) => socket.once('close', resolve))));
  const { promise, cancel } = delay(CLOSE_GRACE);
  await Promise.race([all, promise]);
  cancel();
}

function delay(ms: number): { promise: Promise<void>; cancel: () => void } {
  let timer: NodeJS.Timeout | undefined;
  const promise = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  return { promise, cancel: () => clearTimeout(timer) };
}

/** Removes a socket file that nobody listens on any more. What else stands at the path is left alone: E_BIND. */
async function freePath(path: string): Promise<void> {
  if (!existsSync(path)) return;
  const at: SocketAddress = { path };
  if (!lstatSync(path).isSocket()) throw new L7mpError('E_BIND', `cannot listen on ${at.path}: it exists and is no socket`);
  if (await answers(path)) throw new L7mpError('E_BIND', `cannot listen on ${at.path}: the address is in use`);
  unlinkSync(path);
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = net.connect({ path });
    const finish = (answered: boolean): void => {
      probe.destroy();
      resolve(answered);
    };
    probe.once('connect', () => finish(true));
    probe.once('error', (error: NodeJS.ErrnoException) => finish(error.code !== 'ECONNREFUSED'));
  });
}
