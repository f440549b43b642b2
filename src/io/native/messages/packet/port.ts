import { BINARY, type CloseReason, type QueueLimits } from '../../../../core/channel.ts';
import type { Acceptor, Link, PacketAddress } from '../../../../core/engine.ts';
import type { Metadata } from '../../../../core/metadata.ts';
import type { Ticking } from '../../loop.ts';
import { EMSGSIZE, ENETDOWN, EPOLLIN, EPROTONOSUPPORT } from '../../system/constants.ts';
import { errorName } from '../../system/libc.ts';
import { SocketError } from '../../system/sockets.ts';
import type { MessageHub } from '../hub.ts';
import { MessagePort, PortPeer } from '../port.ts';
import { ALL_TYPES, ipTypeOf } from './ether-type.ts';
import { completeFrame, completePacket, cutIntoSegments, isIncomplete } from './frame.ts';
import * as link from './socket.ts';

/** Milliseconds after which it is looked again whether an interface that had gone has come. */
const RETRY = 1000;

/** The key of whoever is on the link. */
const ANYBODY = 'anybody';

/** What a packet socket is for. */
export interface PacketUse {
  /** Takes new correspondents. */
  readonly acceptor?: Acceptor | undefined;
  /** Gives the descriptor back, once it is out of the loop. */
  readonly release: () => void;
}

/** Drives one socket on a link: of a listener, or of one session of a cluster. */
export class PacketPort extends MessagePort<PacketPeer> implements Ticking {
  readonly at: PacketAddress;
  readonly #use: PacketUse;
  /** By link address, as a text: whoever is on the link can choose numbers that meet, since V8 hashes those without a secret. */
  readonly #peers = new Map<string, PacketPeer>();
  /** Frames come in trains. */
  #latest: { readonly mac: number; readonly peer: PacketPeer } | undefined;
  index: number;
  #open = true;
  /** No new correspondents are taken, and it closes with the last one. */
  #retired = false;
  #retryAt = 0;

  /** Throws where the kernel does not take it into the loop. */
  constructor(hub: MessageHub, fd: number, at: PacketAddress, use: PacketUse) {
    super(hub, fd);
    this.at = at;
    this.#use = use;
    this.index = link.indexOf(at.interface);
    if (!hub.context.loop.addBound(fd, EPOLLIN, this)) throw new SocketError('epoll_ctl', hub.c.errno(), at.interface);
  }

  protected get open(): boolean {
    return this.#open;
  }

  peers(): Iterable<PacketPeer> {
    return this.#peers.values();
  }

  // ------------------------------------------------------------------ for who has it

  /** Makes the channel of a correspondent: undefined for whoever is there. */
  emit(limits: QueueLimits, mac?: number): PacketPeer {
    const key = mac === undefined || link.isGroup(mac) ? ANYBODY : `${mac}`;
    const peer = new PacketPeer(this, limits, key, mac, this.#use.acceptor);
    this.#peers.set(key, peer);
    return peer;
  }

  /** Takes no more correspondents. Those that it has keep the socket. */
  retire(): void {
    this.#retired = true;
    if (this.#peers.size === 0) this.giveUp();
  }

  left(peer: PacketPeer): void {
    if (this.#peers.get(peer.key) === peer) this.#peers.delete(peer.key);
    this.#latest = undefined;
    if (this.#retired && this.#peers.size === 0) this.giveUp();
  }

  protected giveUp(): void {
    if (!this.#open) return;
    this.#open = false;
    this.hub.context.loop.remove(this.fd);
    this.#use.release();
  }

  // ------------------------------------------------------------------ receiving

  protected received(size: number): void {
    const { incoming } = this.hub;
    const { arena } = this.hub.context.loop;
    if (!this.at.promiscuous && link.isForOtherHost(arena.u8, incoming.name)) return;
    const peer = this.#peerOf(link.macAt(arena.u8, incoming.name));
    if (!peer) return;
    const etherType = link.etherTypeAt(arena.u8, incoming.name);
    peer.etherType = etherType;
    const raw = this.at.mode === 'raw';
    let frame = raw
      ? { at: incoming.data + link.VNET_HEADER, size: size - link.VNET_HEADER }
      : { at: incoming.data, size };
    const auxdata = this.hub.control(link.SOL_PACKET, link.AUXDATA);
    if (isIncomplete(arena, auxdata)) {
      if (raw) frame = completeFrame(arena, frame, auxdata);
      else completePacket(arena, frame, auxdata, etherType);
    }
    peer.take(arena.u8.subarray(frame.at, frame.at + frame.size), BINARY);
  }

  #peerOf(mac: number): PacketPeer | undefined {
    if (this.#latest?.mac === mac) return this.#latest.peer;
    const known = this.#peers.get(ANYBODY) ?? this.#peers.get(`${mac}`);
    if (known) this.#latest = { mac, peer: known };
    const { acceptor } = this.#use;
    if (known || !acceptor || this.#retired) return known;
    if (!acceptor.admit({ address: '', port: 0 })) return undefined;
    const peer = this.emit(acceptor.limits, this.at.mode === 'raw' ? undefined : mac);
    acceptor.accept(peer);
    return peer;
  }

  // ------------------------------------------------------------------ the interface

  /** It is down, which the kernel tells once, and may come up again with the socket; or it is gone. */
  protected failed(errno: number): void {
    const there = link.indexOf(this.at.interface) === this.index;
    if (there) {
      const what = errno === ENETDOWN ? 'is down' : `failed: ${errorName(errno)}`;
      for (const peer of [...this.peers()]) peer.owner?.fault?.(peer, `interface ${this.at.interface} ${what}`);
      return;
    }
    const reason: CloseReason = { kind: 'reset', message: `interface ${this.at.interface} is gone` };
    this.loseAll(reason);
    if (!this.#use.acceptor || this.#retired) {
      this.giveUp();
      return;
    }
    this.#retryAt = this.hub.context.loop.now + RETRY;
    this.hub.context.loop.tickFor(this);
  }

  tick(now: number): boolean {
    if (!this.#open || this.#retired) return false;
    if (now < this.#retryAt) return true;
    this.#retryAt = now + RETRY;
    const index = link.indexOf(this.at.interface);
    if (index === 0 || link.bind(this.fd, this.at, index) !== 0) return true;
    this.index = index;
    return false;
  }
}

/** A correspondent on a link: whoever is there, or one address. */
export class PacketPeer extends PortPeer {
  readonly #port: PacketPort;
  /** Of whom it is, to the port. */
  readonly key: string;
  readonly #mac: number | undefined;
  readonly #acceptor: Acceptor | undefined;
  /** Of the latest frame: so are the answers. */
  etherType: number;

  constructor(
    port: PacketPort,
    limits: QueueLimits,
    key: string,
    mac: number | undefined,
    acceptor: Acceptor | undefined,
  ) {
    super(port, limits);
    this.key = key;
    this.#port = port;
    this.#mac = mac;
    this.#acceptor = acceptor;
    this.etherType = port.at.etherType;
  }

  get link(): Link {
    const { at, index } = this.#port;
    const peer = this.#mac === undefined ? undefined : link.macText(this.#mac);
    return { interface: at.interface, index, mode: at.mode, peer };
  }

  override describe(): Metadata {
    return this.#acceptor?.describe(this) ?? {};
  }

  protected transmit(bytes: Uint8Array): number {
    const { hub, fd, index, at } = this.#port;
    if (at.mode === 'raw') return this.#transmitFrame(bytes);
    const etherType = this.#typeOf(bytes);
    if (etherType === ALL_TYPES) return EPROTONOSUPPORT;
    link.putAddress(hub.context.loop.arena, hub.outgoing.name, { index, etherType, mac: this.#mac });
    return hub.send(fd, bytes, link.SOCKADDR_LL, 0);
  }

  /** A cluster that takes frames of all types has said nothing of those that it sends. */
  #typeOf(packet: Uint8Array): number {
    const isOpen = !this.#acceptor && this.#port.at.etherType === ALL_TYPES;
    return (isOpen ? ipTypeOf(packet) : undefined) ?? this.etherType;
  }

  /** A frame says by itself where it goes. One that is too large was joined on its way, or not cut yet: the kernel cuts it. */
  #transmitFrame(bytes: Uint8Array): number {
    const { hub, fd, at } = this.#port;
    const { arena } = hub.context.loop;
    const { data } = hub.outgoing;
    const from = data - link.VNET_HEADER;
    const size = bytes.length + link.VNET_HEADER;
    arena.u8.set(bytes, data);
    arena.u8.fill(0, from, data);
    const errno = hub.sendAt(fd, from, size, 0, 0);
    if (errno !== EMSGSIZE) return errno;
    const cut = cutIntoSegments(arena, { at: data, size: bytes.length }, from, link.mtuOf(fd, at.interface));
    return cut ? hub.sendAt(fd, from, size, 0, 0) : errno;
  }
}
