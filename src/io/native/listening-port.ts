import { randomInt } from 'node:crypto';
import * as net from 'node:net';
import { isWildcard } from '../../core/address.ts';
import type { Acceptor, Ends } from '../../core/engine.ts';
import { familyOf, hostAt, portAt, putInternet } from './address.ts';
import * as k from './constants.ts';
import { bounded, noSlot, PeerChannel, type PeerHost } from './datagram-channel.ts';
import { libc } from './libc.ts';
import { type Spread, socketOf } from './steering.ts';
import { type IoThread, scratchArena } from './thread.ts';
import * as wire from './wire.ts';

export type Place = { readonly host: string; readonly port: number };
type Peer = { readonly address: string; readonly port: number };

/** The offset in the scratch arena of the address of a peer that is to be made. */
const ADDRESS = 64;

/** One of a port's sockets: a thread receives from it. */
export class PortSocket implements PeerHost {
  readonly port: ListeningPort;
  readonly number: number;
  readonly fd: number;
  thread: IoThread;

  constructor(port: ListeningPort, number: number, fd: number, thread: IoThread) {
    this.port = port;
    this.number = number;
    this.fd = fd;
    this.thread = thread;
  }

  forget(channel: PeerChannel): void {
    this.port.forget(channel);
  }

  endsOf(thread: IoThread, id: number): Ends {
    return this.port.endsOf(peerAt(thread, id));
  }
}

/** A listening port and its peers, spread over its sockets. Lives while somebody listens or a peer has a session. */
export class ListeningPort {
  acceptor: Acceptor | undefined;
  /** Decides which of its sockets a peer has. */
  readonly seed = randomInt(0x7fffffff);
  readonly #at: Place;
  readonly #sockets: PortSocket[] = [];
  readonly #released: (closed: Promise<void>) => void;
  /** Peers that were made here and have not been heard of: the engine's thread may tell of them meanwhile. */
  readonly #emitted = new Map<string, PeerChannel>();
  #peers = 0;
  #open = 0;
  #closing: Promise<void> | undefined;
  #closed = (): void => {};

  constructor(at: Place, released: (closed: Promise<void>) => void) {
    this.#at = at;
    this.#released = released;
  }

  get #spread(): Spread {
    return { of: this.#sockets.length, seed: this.seed };
  }

  /** All of its sockets, in the order in which they were bound. */
  use(sockets: readonly PortSocket[]): void {
    this.#sockets.push(...sockets);
    this.#open = sockets.length;
    for (const socket of sockets) this.#give(socket);
  }

  admit(acceptor: Acceptor): void {
    this.acceptor = acceptor;
    for (const socket of this.#sockets) this.#admit(socket);
  }

  /** Takes no new peers. */
  retire(): Promise<void> {
    this.acceptor = undefined;
    if (!this.#closing) for (const socket of this.#sockets) this.#admit(socket);
    return this.#closeIfUnused();
  }

  forget(channel: PeerChannel): void {
    this.#peers--;
    if (this.#emitted.size > 0) {
      const { remoteAddress, remotePort } = channel.ends;
      const key = `${remoteAddress}|${remotePort}`;
      if (this.#emitted.get(key) === channel) this.#emitted.delete(key);
    }
    void this.#closeIfUnused();
  }

  /** The thread of a socket has ended: another one has it from now on, if there is one. Returns whether it lives on. */
  inherit(socket: PortSocket, heir: IoThread | undefined): boolean {
    if (heir && !this.#closing) {
      socket.thread = heir;
      this.#give(socket);
      this.#admit(socket);
      return true;
    }
    if (socket.thread.failed) libc().close(socket.fd);
    this.gone(socket);
    return false;
  }

  /** Is told that one of its sockets is closed. */
  gone(socket: PortSocket): void {
    socket.thread.unuse();
    if (--this.#open === 0) this.#closed();
  }

  emit(peer: Peer): void {
    const key = `${peer.address}|${peer.port}`;
    if (this.#emitted.has(key) || !this.acceptor?.admit(peer)) return;
    const { u8 } = scratchArena();
    const size = this.#putAddress(peer);
    const socket = this.#sockets[socketOf(scratchArena(), ADDRESS, this.#spread)] as PortSocket;
    const { thread } = socket;
    const id = thread.slots.take();
    if (id < 0) throw noSlot();
    const { arena } = thread.shared;
    const address = wire.addressOf(thread.shared, id);
    arena.u8.set(u8.subarray(ADDRESS, ADDRESS + wire.SOCKADDR), address);
    arena.u32[(address + wire.ADDRESS_LENGTH) >> 2] = size;
    arena.u32[(address + wire.CONTROL_LENGTH) >> 2] = 0;
    thread.send(wire.Command.AddPeer, socket.number, id);
    this.#emitted.set(key, this.#accept(socket, id, this.acceptor, this.endsOf(peer)));
  }

  /** A thread has heard of a new peer. */
  newPeer(socket: PortSocket, id: number): void {
    const { thread } = socket;
    const peer = peerAt(thread, id);
    const known = this.#emitted.has(`${peer.address}|${peer.port}`);
    if (!known && !thread.closing && this.acceptor?.admit(peer, thread.crowded))
      this.#accept(socket, id, this.acceptor);
    else thread.send(wire.Command.Close, id, -1, 0);
  }

  endsOf({ address, port }: Peer): Ends {
    return { localAddress: this.#at.host, localPort: this.#at.port, remoteAddress: address, remotePort: port };
  }

  #accept(socket: PortSocket, id: number, acceptor: Acceptor, ends?: Ends): PeerChannel {
    const channel = new PeerChannel(id, ends, socket, acceptor);
    socket.thread.adopt(channel);
    this.#peers++;
    acceptor.accept(channel);
    return channel;
  }

  #give(socket: PortSocket): void {
    const { thread, number, fd } = socket;
    const { host } = this.#at;
    const { of, seed } = this.#spread;
    const place = [this.#sockets.indexOf(socket), of, seed];
    thread.use();
    thread.send(wire.Command.OpenPort, number, fd, familyOf(host), isWildcard(host) ? 1 : 0, ...place);
  }

  #admit({ thread, number }: PortSocket): void {
    const { bytes, messages } = this.acceptor?.limits ?? { bytes: 0, messages: 0 };
    thread.send(wire.Command.AdmitPeers, number, this.acceptor ? 1 : 0, bounded(bytes), bounded(messages));
  }

  // A dual-stack socket sends to IPv4 addresses in their IPv4-mapped form (ipv6(7)).
  #putAddress({ address, port }: Peer): number {
    const mapped = familyOf(this.#at.host) === k.AF_INET6 && net.isIPv4(address) ? `::ffff:${address}` : address;
    return putInternet(scratchArena(), ADDRESS, mapped, port);
  }

  #closeIfUnused(): Promise<void> {
    if (this.acceptor || this.#peers > 0) return Promise.resolve();
    this.#closing ??= this.#close();
    return this.#closing;
  }

  #close(): Promise<void> {
    const closed = new Promise<void>((resolve) => {
      this.#closed = resolve;
    });
    for (const { thread, number } of this.#sockets) thread.send(wire.Command.ClosePort, number);
    if (this.#open === 0) this.#closed();
    this.#released(closed);
    return closed;
  }
}

/** Who is in a slot. */
function peerAt({ shared }: IoThread, id: number): Peer {
  const address = wire.addressOf(shared, id);
  return { address: hostAt(shared.arena.u8, address), port: portAt(shared.arena.u8, address) };
}
