import { isWildcard } from '../../../core/address.ts';
import type { Acceptor, Ends, SocketAddress, SocketChannel, SocketListening } from '../../../core/engine.ts';
import type { BoundSocket } from '../../binder.ts';
import type { Pollable, Ticking } from '../loop.ts';
import { hostAt, portAt } from '../system/address.ts';
import {
  EAGAIN,
  EMFILE,
  ENFILE,
  ENOBUFS,
  ENOMEM,
  EPOLLEXCLUSIVE,
  EPOLLIN,
  NONBLOCK_CLOEXEC,
  SOCKADDR,
} from '../system/constants.ts';
import * as sockets from '../system/sockets.ts';
import { NativeStreamChannel } from './channel.ts';
import type { ConnectionHub } from './connected.ts';
import type { StreamHub } from './hub.ts';
import { UnixStreamChannel } from './unix.ts';

/** Connections that are taken before others have their turn. */
const BATCH = 64;
/** How long none is taken when there are no descriptors or no memory, in milliseconds. */
const PAUSE = 100;

/** Several data planes listen on one socket, each in its own set: not all need to hear of a connection. */
const EVENTS = EPOLLIN | EPOLLEXCLUSIVE;

/** Listens for streams on a socket that the binder gives. Rejects with E_BIND. */
export async function listenStream(hub: StreamHub, at: SocketAddress, acceptor: Acceptor): Promise<SocketListening> {
  const bound = await hub.context.binder.bindStream(at);
  const address = hub.address;
  return new ConnectionListener(hub, bound, { path: 'path' in at, address, acceptor }, (fd, ends) => {
    if (ends) return new NativeStreamChannel(hub, fd, acceptor.limits, ends, { acceptor });
    // What a UNIX socket accepts inherits nothing.
    sockets.keepUrgentData(fd);
    return new UnixStreamChannel(hub, fd, acceptor.limits, undefined, { acceptor });
  });
}

/** Makes the channel of a connection that was accepted and counted. `ends`: undefined for UNIX sockets. */
export type Accepted = (fd: number, ends: Ends | undefined) => SocketChannel;

export interface ListenerTraits {
  /** It is a UNIX socket. */
  readonly path: boolean;
  /** The offset of room for the address of who was accepted, and its length. */
  readonly address: number;
  readonly acceptor: Acceptor;
}

/** Takes a listening socket's connections. */
export class ConnectionListener implements SocketListening, Pollable, Ticking {
  readonly #hub: ConnectionHub;
  readonly #bound: BoundSocket;
  readonly #acceptor: Acceptor;
  readonly #address: number;
  readonly #accepted: Accepted;
  /** What its connections have at this end; a port of 0 where that is each one's own. Undefined for UNIX sockets. */
  readonly #local: sockets.InternetAddress | undefined;
  #resumeAt = 0;
  #closed: Promise<void> | undefined;

  constructor(hub: ConnectionHub, bound: BoundSocket, { path, address, acceptor }: ListenerTraits, accepted: Accepted) {
    this.#hub = hub;
    this.#bound = bound;
    this.#acceptor = acceptor;
    this.#address = address;
    this.#accepted = accepted;
    this.#local = path ? undefined : commonAddress(bound.fd);
    hub.context.loop.addBound(bound.fd, EVENTS, this);
    hub.share?.listen(bound.fd, (fd, address) => this.#decide(fd, address));
  }

  ready(): boolean {
    for (let n = 0; n < BATCH && this.#closed === undefined; n++) if (!this.#takeOne()) break;
    return true;
  }

  broken(): void {
    this.#pause();
  }

  stop(): void {
    void this.close();
  }

  tick(now: number): boolean {
    if (this.#closed !== undefined) return false;
    if (now < this.#resumeAt) return true;
    this.#hub.context.loop.addBound(this.#bound.fd, EVENTS, this);
    this.#resumeAt = 0;
    return false;
  }

  close(): Promise<void> {
    if (this.#closed === undefined) {
      if (this.#resumeAt === 0) this.#hub.context.loop.remove(this.#bound.fd);
      this.#hub.share?.unlisten(this.#bound.fd);
      this.#closed = this.#bound.release();
    }
    return this.#closed;
  }

  /** Returns whether there may be more at once. */
  #takeOne(): boolean {
    const { c, context, share } = this.#hub;
    const address = this.#address;
    const { i32, base } = context.loop.arena;
    i32[(address + SOCKADDR) >> 2] = SOCKADDR;
    const fd = c.accept4(this.#bound.fd, base + address, base + address + SOCKADDR, NONBLOCK_CLOEXEC);
    if (fd < 0) return this.#failed(c.errno());
    if (!share || share.keeps(this.#bound.fd, fd, address)) this.#decide(fd, address);
    return true;
  }

  /** Whether one is taken, whose peer's address lies at an offset. */
  #decide(fd: number, address: number): void {
    const { context } = this.#hub;
    const { u8 } = context.loop.arena;
    if (!context.connections.accept(this.#acceptor, fd)) {
      this.#reject(fd);
      return;
    }
    const ends = this.#local && endsOf(this.#local, u8, address);
    const peer = { address: ends?.remoteAddress ?? '', port: ends?.remotePort ?? 0 };
    if (!this.#acceptor.admit(peer)) {
      context.connections.give();
      this.#reject(fd);
      return;
    }
    this.#acceptor.accept(this.#accepted(fd, ends));
  }

  #reject(fd: number): void {
    this.#hub.share?.left();
    this.#hub.context.loop.close(fd);
  }

  /** Returns whether it may be tried again at once: other errors are those of one connection that is gone (accept(2)). */
  #failed(errno: number): boolean {
    if (errno === EAGAIN) return false;
    if (![EMFILE, ENFILE, ENOBUFS, ENOMEM].includes(errno)) return true;
    this.#pause();
    return false;
  }

  // A descriptor that was added exclusively cannot be modified (epoll_ctl(2)).
  #pause(): void {
    const { loop } = this.#hub.context;
    this.#resumeAt = loop.now + PAUSE;
    loop.remove(this.#bound.fd);
    loop.tickFor(this);
  }
}

/** The address that all connections of a listening socket have; a port of 0 where it listens on any. */
function commonAddress(fd: number): sockets.InternetAddress {
  const { address: host, port } = sockets.localAddress(fd);
  return { host, port: isWildcard(host) ? 0 : port };
}

/** The ends of a connection, whose peer's address lies at an offset. */
function endsOf(local: sockets.InternetAddress, u8: Uint8Array, remote: number): Ends {
  return {
    localAddress: local.host,
    localPort: local.port,
    remoteAddress: hostAt(u8, remote),
    remotePort: portAt(u8, remote),
  };
}
