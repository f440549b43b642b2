import { hostPort, isWildcard } from '../../core/address.ts';
import type { QueueLimits } from '../../core/channel.ts';
import type { Acceptor, Bind, DatagramListening, SocketChannel } from '../../core/engine.ts';
import { L7mpError } from '../../core/errors.ts';
import type { Attempt } from '../../core/protocol.ts';
import { connectError } from '../connect-error.ts';
import { bindError } from '../node/stream.ts';
import { addressToBind, addressToConnect } from '../resolve.ts';
import { familyOf } from './address.ts';
import * as k from './constants.ts';
import { ConnectedChannel } from './datagram-channel.ts';
import { libc } from './libc.ts';
import { ListeningPort, type Place, PortSocket } from './listening-port.ts';
import * as sockets from './sockets.ts';
import { deafen, steer } from './steering.ts';
import type { IoThread } from './thread.ts';
import type { IoThreads } from './threads.ts';
import * as wire from './wire.ts';

/** What the kernel is asked to hold, in bytes (it doubles, and caps at rmem_max): of many peers, of one. */
const LISTENER_BUFFER = 4 << 20;
const CONNECTED_BUFFER = 1 << 20;

/** The listening datagram ports of an engine, by address and port. */
export class DatagramPorts {
  readonly #threads: IoThreads;
  readonly #ports = new Map<string, ListeningPort>();
  readonly #sockets = new Map<number, PortSocket>();
  readonly #closing = new Map<string, Promise<void>>();
  #next = 0;

  constructor(threads: IoThreads) {
    this.#threads = threads;
    threads.handle(wire.Report.NewPeer, ({ shared }, at) => {
      const socket = this.#sockets.get(shared.arena.i32[at] as number);
      socket?.port.newPeer(socket, shared.arena.i32[at + 1] as number);
    });
    threads.handle(wire.Report.PeersRefused, ({ shared: { arena } }, at) => {
      const socket = this.#sockets.get(arena.i32[at] as number);
      socket?.port.acceptor?.refused?.('peers', arena.i32[at + 1] as number);
    });
    threads.handle(wire.Report.PortClosed, ({ shared }, at) => this.#closed(shared.arena.i32[at] as number));
  }

  async listen(at: Place, acceptor: Acceptor): Promise<DatagramListening> {
    const host = await addressToBind(at);
    const key = `${host}|${at.port}`;
    await this.#closing.get(key);
    let port = this.#ports.get(key);
    if (port?.acceptor) throw bindError(at, Object.assign(new Error(), { code: 'EADDRINUSE' }));
    port ??= this.#open(key, { host, port: at.port });
    port.admit(acceptor);
    const taken = port;
    return { close: () => taken.retire(), emit: (peer) => taken.emit(peer) };
  }

  /** A thread has ended. */
  leave(thread: IoThread, heir: IoThread | undefined): void {
    for (const socket of this.#sockets.values()) {
      if (socket.thread === thread && !socket.port.inherit(socket, heir)) this.#sockets.delete(socket.number);
    }
  }

  #open(key: string, at: Place): ListeningPort {
    const threads = this.#threads.living;
    const port = new ListeningPort(at, (closed) => {
      this.#ports.delete(key);
      this.#closing.set(
        key,
        closed.finally(() => this.#closing.delete(key)),
      );
    });
    const own = bindPort(at, threads.length, port.seed).map(
      (fd, n) => new PortSocket(port, this.#next++, fd, threads[n] as IoThread),
    );
    for (const socket of own) this.#sockets.set(socket.number, socket);
    port.use(own);
    this.#ports.set(key, port);
    return port;
  }

  #closed(number: number): void {
    const socket = this.#sockets.get(number);
    this.#sockets.delete(number);
    socket?.port.gone(socket);
  }
}

/** So many sockets at one address, which share its peers. */
function bindPort(at: Place, count: number, seed: number): number[] {
  const fds: number[] = [];
  try {
    while (fds.length < count) fds.push(bindSocket(at, fds.length === 0, count > 1));
    if (count > 1) steer(fds, seed);
    return fds;
  } catch (error) {
    for (const fd of fds) libc().close(fd);
    throw bindError(at, error as Error);
  }
}

function bindSocket(at: Place, first: boolean, shared: boolean): number {
  const fd = sockets.open(familyOf(at.host), k.SOCK_DGRAM);
  sockets.setOption(fd, k.SOL_SOCKET, k.SO_RCVBUF, LISTENER_BUFFER);
  if (isWildcard(at.host)) {
    if (familyOf(at.host) === k.AF_INET6) sockets.setOption(fd, k.IPPROTO_IPV6, k.IPV6_RECVPKTINFO, 1);
    else sockets.setOption(fd, k.IPPROTO_IP, k.IP_PKTINFO, 1);
  }
  if (shared) deafen(fd);
  if (!first) sockets.setOption(fd, k.SOL_SOCKET, k.SO_REUSEPORT, 1);
  sockets.bind(fd, at);
  // Only now: together with others that share, it could be bound although somebody else has the port (socket(7)).
  if (shared) sockets.setOption(fd, k.SOL_SOCKET, k.SO_REUSEPORT, 1);
  return fd;
}

/** A socket that is connected to one peer. */
export async function connectDatagram(
  thread: IoThread,
  to: Place,
  attempt: Attempt,
  limits: QueueLimits,
  bind: Bind | undefined,
): Promise<SocketChannel> {
  const host = await addressToConnect(to.host);
  if (attempt.cancelled) throw new L7mpError('E_TIMEOUT', `${to.host}: not resolved in time`);
  if (host !== to.host) thread.connections.claim();
  let fd = -1;
  try {
    fd = openConnected({ host, port: to.port }, bind);
    return new ConnectedChannel(thread, fd, limits, host, to.port);
  } catch (error) {
    if (fd >= 0) libc().close(fd);
    if (error instanceof L7mpError) throw error;
    throw connectError(hostPort(to.host, to.port), error as Error);
  }
}

function openConnected(to: Place, bind: Bind | undefined): number {
  const fd = sockets.open(familyOf(to.host), k.SOCK_DGRAM);
  sockets.setOption(fd, k.SOL_SOCKET, k.SO_RCVBUF, CONNECTED_BUFFER);
  if (bind) sockets.bind(fd, sockets.localOf(bind, to.host));
  const errno = sockets.connect(fd, to);
  if (errno === 0) return fd;
  libc().close(fd);
  throw new sockets.SocketError('connect', errno, hostPort(to.host, to.port));
}
