/** The portable engine: node's own sockets. The reference for what any other engine must do. */
import type * as net from 'node:net';
import { CompactingSet } from '../../core/compacting.ts';
import { Connections } from '../../core/connections.ts';
import type { Acceptor, Engine, SocketAddress } from '../../core/engine.ts';
import type { Binder, BoundSocket } from '../binder.ts';
import { Fifos } from '../fifo/index.ts';
import { closeBesideOthers, freePath, removeFile, type SocketFile, socketFile } from '../unix-path.ts';
import { type ConnectedChannels, connect as connectDatagram, ListeningPorts } from './datagram.ts';
import { connect as connectStream, cut, listen as listenStream, Sockets } from './stream.ts';

/** Milliseconds that sockets have to deliver what was written when the engine closes. */
const CLOSE_GRACE = 1000;

/**
 * The portable engine, on node:net and node:dgram. `connections`: where sockets are counted, and bounded. `sockets`: where
 * it keeps those that it closes with itself, for an engine that adds some. `binder`: who says how to listen, where others
 * may listen at the same addresses.
 *
 * @example
 * const io = createNodeEngine();
 * after(() => io.close());
 */
export function createNodeEngine(
  connections = new Connections(),
  sockets = new Sockets(connections),
  binder?: Binder,
): Engine {
  const servers = new Map<net.Server, SocketFile | undefined>();
  const ports = new ListeningPorts();
  const fifos = new Fifos(connections, binder);
  const datagrams: ConnectedChannels = { connections, open: new CompactingSet() };
  return {
    name: 'node',
    connections,
    listenStream: async (at, acceptor) => {
      const bound = await binder?.bindStream(at);
      const release = async (): Promise<void> => bound?.release();
      if (bound?.listen === 'elsewhere') return { close: release };
      const server = await open(at, acceptor, sockets, bound).catch(async (error: unknown) => {
        await release();
        throw error;
      });
      servers.set(server, 'path' in at ? socketFile(at.path) : undefined);
      return {
        close: async () => {
          const file = servers.get(server);
          if (servers.delete(server)) stop(server, file);
          await release();
        },
      };
    },
    connectStream: (to, attempt, limits, bind) => connectStream(to, attempt, limits, bind, sockets),
    listenDatagram: async (at, acceptor) => {
      const bound = await binder?.bindDatagram(at);
      const release = async (): Promise<void> => bound?.release();
      if (bound?.listen === 'elsewhere') return { close: release, emit: () => {} };
      const listening = await ports.listen(at, acceptor).catch(async (error: unknown) => {
        await release();
        throw error;
      });
      const close = async (): Promise<void> => {
        await listening.close();
        await release();
      };
      return { ...listening, close };
    },
    connectDatagram: (to, attempt, limits, bind) => connectDatagram(to, attempt, limits, bind, datagrams),
    listenFifos: (at, acceptor) => fifos.listen(at, acceptor),
    connectFifos: (to, attempt, limits) => fifos.connect(to, attempt, limits),
    close: async () => {
      await fifos.close();
      for (const [server, file] of servers) stop(server, file);
      servers.clear();
      await ports.close();
      for (const channel of datagrams.open) channel.close({ kind: 'shutdown', message: 'the engine is closed' });
      await flushed(sockets);
      for (const socket of sockets.all) cut(socket);
    },
  };
}

async function open(
  at: SocketAddress,
  acceptor: Acceptor,
  sockets: Sockets,
  bound: BoundSocket | undefined,
): Promise<net.Server> {
  if ('path' in at) await freePath(at.path);
  return listenStream(at, acceptor, sockets, bound?.listen === 'beside');
}

// close() gives the address back at once, and calls back when the last connection has ended, which may be never.
function stop(server: net.Server, file: SocketFile | undefined): void {
  if (file && server.address() === file.path) closeBesideOthers(file, () => server.close());
  else {
    // Made aside: node unlinks nothing there.
    removeFile(file);
    server.close();
  }
}

async function flushed(sockets: Sockets): Promise<void> {
  const all = Promise.all([...sockets.all].map((socket) => new Promise((resolve) => socket.once('close', resolve))));
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
