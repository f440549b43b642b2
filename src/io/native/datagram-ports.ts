import * as dns from 'node:dns';
import * as net from 'node:net';
import type { QueueLimits } from '../../core/channel.ts';
import { L7mpError } from '../../core/errors.ts';
import type { Attempt } from '../../core/protocol.ts';
import type { Acceptor, Bind, DatagramListening, Ends, SocketChannel } from '../engine.ts';
import { bindError, describeError } from '../node/stream.ts';
import { familyOf, hostAt, portAt, putInternet } from './address.ts';
import * as k from './constants.ts';
import { bounded, ConnectedChannel, PeerChannel, type PeerHost } from './datagram-channel.ts';
import { libc } from './libc.ts';
import * as sockets from './sockets.ts';
import type { IoThread } from './thread.ts';
import * as wire from './wire.ts';

type Place = { readonly host: string; readonly port: number };
type Peer = { readonly address: string; readonly port: number };

/** What the kernel is asked to hold, in bytes (it doubles, and caps at rmem_max): of many peers, of one. */
const LISTENER_BUFFER = 4 << 20;
const CONNECTED_BUFFER = 1 << 20;

/** A listening socket and its peers. Lives while somebody listens or a peer has a session. */
class ListeningPort implements PeerHost {
  readonly fd: number;
  readonly thread: IoThread;
  acceptor: Acceptor | undefined;
  readonly #number: number;
  readonly #at: Place;
  readonly #released: (closed: Promise<void>) => void;
  /** Peers that were made here and have not been heard of: the engine's thread may tell of them meanwhile. */
  readonly #emitted = new Map<string, PeerChannel>();
  #peers = 0;
  #closing: Promise<void> | undefined;
  #closed = (): void => {};

  constructor(number: number, fd: number, at: Place, thread: IoThread, released: (closed: Promise<void>) => void) {
    this.#number = number;
    this.fd = fd;
    this.#at = at;
    this.thread = thread;
    this.#released = released;
    thread.use();
    thread.send(wire.Command.OpenPort, number, fd, familyOf(at.host), isWildcard(at.host) ? 1 : 0);
  }

  admit(acceptor: Acceptor): void {
    this.acceptor = acceptor;
    const { bytes, messages } = acceptor.limits;
    this.thread.send(wire.Command.AdmitPeers, this.#number, 1, bounded(bytes), bounded(messages));
  }

  /** Takes no new peers. */
  retire(): Promise<void> {
    this.acceptor = undefined;
    if (!this.#closing) this.thread.send(wire.Command.AdmitPeers, this.#number, 0, 0, 0);
    return this.#closeIfUnused();
  }

  forget(channel: PeerChannel): void {
    this.#peers--;
    const { remoteAddress, remotePort } = channel.ends;
    const key = `${remoteAddress}|${remotePort}`;
    if (this.#emitted.get(key) === channel) this.#emitted.delete(key);
    void this.#closeIfUnused();
  }

  /** Is told that the engine's thread has closed it. */
  gone(): void {
    this.thread.unuse();
    this.#closed();
  }

  emit(peer: Peer): void {
    const key = `${peer.address}|${peer.port}`;
    if (this.#emitted.has(key) || !this.acceptor?.admit(peer)) return;
    const id = this.thread.slots.take();
    if (id < 0) throw new L7mpError('E_LIMIT', 'the engine holds as many sockets as it can');
    const { arena } = this.thread.shared;
    const address = wire.addressOf(this.thread.shared, id);
    arena.u32[(address + wire.ADDRESS_LENGTH) >> 2] = this.#putAddress(address, peer);
    arena.u32[(address + wire.CONTROL_LENGTH) >> 2] = 0;
    this.thread.send(wire.Command.AddPeer, this.#number, id);
    this.#emitted.set(key, this.#accept(id, peer, this.acceptor));
  }

  /** The engine's thread has heard of a new peer. */
  newPeer(id: number): void {
    const { shared } = this.thread;
    const address = wire.addressOf(shared, id);
    const peer = { address: hostAt(shared.arena.u8, address), port: portAt(shared.arena.u8, address) };
    const known = this.#emitted.has(`${peer.address}|${peer.port}`);
    if (!known && !this.thread.closing && this.acceptor?.admit(peer)) this.#accept(id, peer, this.acceptor);
    else this.thread.send(wire.Command.Close, id, -1, 0);
  }

  #accept(id: number, peer: Peer, acceptor: Acceptor): PeerChannel {
    const ends: Ends = {
      localAddress: this.#at.host,
      localPort: this.#at.port,
      remoteAddress: peer.address,
      remotePort: peer.port,
    };
    const channel = new PeerChannel(id, ends, this, acceptor);
    this.thread.adopt(channel);
    this.#peers++;
    acceptor.accept(channel);
    return channel;
  }

  // A dual-stack socket sends to IPv4 addresses in their IPv4-mapped form (ipv6(7)).
  #putAddress(at: number, { address, port }: Peer): number {
    const mapped = familyOf(this.#at.host) === k.AF_INET6 && net.isIPv4(address) ? `::ffff:${address}` : address;
    return putInternet(this.thread.shared.arena, at, mapped, port);
  }

  #closeIfUnused(): Promise<void> {
    if (this.acceptor || this.#peers > 0) return Promise.resolve();
    this.#closing ??= this.#close();
    return this.#closing;
  }

  #close(): Promise<void> {
    // The thread closes its sockets when it ends, and answers no more.
    if (this.thread.ended) return Promise.resolve();
    const closed = new Promise<void>((resolve) => {
      this.#closed = resolve;
    });
    this.thread.send(wire.Command.ClosePort, this.#number);
    this.#released(closed);
    return closed;
  }
}

/** The listening datagram sockets of an engine, by address and port. */
export class DatagramPorts {
  readonly #thread: IoThread;
  readonly #ports = new Map<string, ListeningPort>();
  readonly #numbered = new Map<number, ListeningPort>();
  readonly #closing = new Map<string, Promise<void>>();
  #next = 0;

  constructor(thread: IoThread) {
    this.#thread = thread;
    const { i32 } = thread.shared.arena;
    thread.handlers[wire.Report.NewPeer] = (_type, at) => this.#newPeer(i32[at] as number, i32[at + 1] as number);
    thread.handlers[wire.Report.PortClosed] = (_type, at) => this.#gone(i32[at] as number);
  }

  async listen(at: Place, acceptor: Acceptor): Promise<DatagramListening> {
    const key = `${at.host}|${at.port}`;
    await this.#closing.get(key);
    const host = net.isIP(at.host) ? at.host : (await dns.promises.lookup(at.host)).address;
    let port = this.#ports.get(key);
    if (port?.acceptor) throw bindError(at, Object.assign(new Error(), { code: 'EADDRINUSE' }));
    port ??= this.#open(key, { host, port: at.port });
    port.admit(acceptor);
    const taken = port;
    return { close: () => taken.retire(), emit: (peer) => taken.emit(peer) };
  }

  /** The engine closes, and its thread closes them. */
  closeAll(): void {
    for (const port of this.#numbered.values()) port.gone();
    this.#numbered.clear();
    this.#ports.clear();
  }

  #open(key: string, at: Place): ListeningPort {
    const number = this.#next++;
    const port = new ListeningPort(number, bindPort(at), at, this.#thread, (closed) => {
      this.#ports.delete(key);
      this.#closing.set(
        key,
        closed.finally(() => this.#closing.delete(key)),
      );
    });
    this.#ports.set(key, port);
    this.#numbered.set(number, port);
    return port;
  }

  #newPeer(number: number, id: number): void {
    this.#numbered.get(number)?.newPeer(id);
  }

  #gone(number: number): void {
    this.#numbered.get(number)?.gone();
    this.#numbered.delete(number);
  }
}

function bindPort(at: Place): number {
  try {
    const fd = sockets.open(familyOf(at.host), k.SOCK_DGRAM);
    sockets.setOption(fd, k.SOL_SOCKET, k.SO_RCVBUF, LISTENER_BUFFER);
    if (isWildcard(at.host)) {
      if (familyOf(at.host) === k.AF_INET6) sockets.setOption(fd, k.IPPROTO_IPV6, k.IPV6_RECVPKTINFO, 1);
      else sockets.setOption(fd, k.IPPROTO_IP, k.IP_PKTINFO, 1);
    }
    sockets.bind(fd, at);
    return fd;
  } catch (error) {
    throw bindError(at, error as Error);
  }
}

/** A socket that is connected to one peer. */
export async function connectDatagram(
  thread: IoThread,
  to: Place,
  attempt: Attempt,
  limits: QueueLimits,
  bind: Bind | undefined,
): Promise<SocketChannel> {
  const host = net.isIP(to.host) ? to.host : await resolve(to.host);
  if (attempt.cancelled) throw new L7mpError('E_TIMEOUT', `${to.host}: not resolved in time`);
  try {
    const fd = sockets.open(familyOf(host), k.SOCK_DGRAM);
    sockets.setOption(fd, k.SOL_SOCKET, k.SO_RCVBUF, CONNECTED_BUFFER);
    if (bind) sockets.bind(fd, { host: bind.address ?? anyAddress(host), port: bind.port ?? 0 });
    const errno = sockets.connect(fd, { host, port: to.port });
    if (errno === 0) return new ConnectedChannel(thread, fd, limits, { address: host, port: to.port });
    libc().close(fd);
    throw new sockets.SocketError('connect', errno, `${host}:${to.port}`);
  } catch (error) {
    throw new L7mpError('E_CONNECT', `${to.host}:${to.port}: ${describeError(error as Error)}`);
  }
}

function isWildcard(host: string): boolean {
  return /^[0:.]+$/.test(host);
}

function anyAddress(host: string): string {
  return familyOf(host) === k.AF_INET6 ? '::' : '0.0.0.0';
}

async function resolve(name: string): Promise<string> {
  try {
    return (await dns.promises.lookup(name)).address;
  } catch (error) {
    throw new L7mpError('E_CONNECT', `${name}: ${describeError(error as Error)}`);
  }
}
