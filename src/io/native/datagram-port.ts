import type { QueueLimits } from '../../core/channel.ts';
import { TurnoverSet } from '../../core/turnover.ts';
import { AF_INET, EAGAIN, EPOLLIN, IP_PKTINFO, IPPROTO_IP, IPPROTO_IPV6, IPV6_PKTINFO } from './constants.ts';
import { BATCH, CMSG_HEADER } from './datagram-batch.ts';
import { Datagram, type Datagrams, nextSingles, ROUNDS } from './datagrams.ts';
import type { Pollable } from './loop.ts';
import { type Addressed, PeerTable } from './peer-table.ts';
import { type Share, socketOf } from './steering.ts';
import * as wire from './wire.ts';

/** Peers that the main thread has not decided on: more are not taken meanwhile. */
const MOST_UNDECIDED = 4096;

/** The first byte of a group's address (RFC 4291, section 2.7). */
const GROUP = 0xff;

/** Bytes of a control message with an in_pktinfo (ip(7)) and an in6_pktinfo (ipv6(7)), padded. */
const PKTINFO = 32;
const PKTINFO6 = 40;

/** A peer of a socket that is not connected. */
class Peer extends Datagram implements Addressed<Peer> {
  readonly address: number;
  hash = 0;
  next: Peer | undefined;
  readonly #port: DatagramPort;

  constructor(id: number, limits: QueueLimits, port: DatagramPort, shared: Datagrams) {
    super(id, port.fd, limits, shared);
    this.#port = port;
    this.address = wire.addressOf(shared.loop.shared, id);
  }

  get named(): boolean {
    return true;
  }

  take(n: number): void {
    this.received(n);
  }

  protected override decided(): void {
    this.#port.decided(this);
  }

  override close(): void {
    super.close();
    this.#port.forget(this);
    if (wire.slotOf(this.id) >= wire.HALF) this.shared.slots.give(this.id);
  }
}

/** A socket that is not connected, and its peers. */
export class DatagramPort implements Pollable {
  readonly fd: number;
  readonly #number: number;
  readonly #family: number;
  readonly #share: Share;
  /** Bytes of control messages that come with each datagram. */
  readonly #control: number;
  readonly #shared: Datagrams;
  readonly #peers: PeerTable<Peer>;
  readonly #undecided = new TurnoverSet<Peer>();
  /** Datagrams of new peers that were dropped, and not told of yet. */
  #refused = 0;
  /** One that the main thread was not told of. */
  #fresh: Peer | undefined;
  #singles = 0;
  #limits: QueueLimits = { bytes: 0, messages: 0 };
  #admits = false;

  /** `wildcard`: it is bound to any address, so that answers must be told which one to leave from. */
  constructor(number: number, fd: number, family: number, wildcard: boolean, share: Share, shared: Datagrams) {
    this.#number = number;
    this.fd = fd;
    this.#family = family;
    this.#share = share;
    this.#shared = shared;
    const size = family === AF_INET ? PKTINFO : PKTINFO6;
    this.#control = wildcard ? size : 0;
    this.#peers = new PeerTable(shared.loop.arena);
    shared.join(fd);
    shared.loop.add(fd, EPOLLIN, this);
  }

  admit(admits: boolean, limits: QueueLimits): void {
    this.#admits = admits;
    this.#limits = limits;
  }

  /** Makes the peer whose address is in the slot. */
  add(id: number): void {
    const address = wire.addressOf(this.#shared.loop.shared, id);
    const same = this.#peers.get(address);
    const peer = new Peer(id, this.#limits, this, this.#shared);
    if (same) {
      peer.inherit(same);
      same.close();
    }
    const { u32 } = this.#shared.loop.arena;
    u32[(address + wire.CONTROL_LENGTH) >> 2] = 0;
    u32[(address + wire.WANDERS) >> 2] = 0;
    // Whatever it hits is another one than none.
    if (this.#control > 0) u32.fill(0, (address + wire.CONTROL) >> 2, (address + wire.CONTROL + this.#control) >> 2);
    this.#peers.add(peer);
  }

  forget(peer: Peer): void {
    this.#peers.delete(peer);
    this.decided(peer);
  }

  decided(peer: Peer): void {
    this.#undecided.delete(peer);
  }

  close(): void {
    this.#admits = false;
    for (const peer of this.#peers.all()) peer.close();
    this.#shared.loop.close(this.fd);
  }

  ready(): void {
    const { batch, c, sender } = this.#shared;
    for (let n = 0; n < ROUNDS; n++) {
      const one = this.#singles > 0;
      sender.takeBuffers();
      const count = batch.receive(this.fd, this.#control, one);
      if (count < 0 && c.errno() === EAGAIN) return;
      if (count > 0) {
        this.#singles = nextSingles(this.#singles, count);
        // Who has sent these may have done so after something that the main thread has asked for.
        this.#shared.loop.catchUp();
        this.#spread(count);
        if (this.#refused > 0) this.#tellRefused();
      }
      if (one || count < BATCH) return;
    }
  }

  broken(): void {}

  /** Gives each buffer's datagrams to the peer that has sent them. */
  #spread(count: number): void {
    const { batch } = this.#shared;
    let peer: Peer | undefined;
    for (let n = 0; n < count; n++) {
      const name = batch.name(n);
      if (!peer || !this.#peers.same(peer.address, name)) peer = this.#peers.get(name) ?? this.#newPeer(n);
      if (!peer) continue;
      if (this.#control > 0) this.#follow(peer, n);
      this.#hand(peer, n);
    }
  }

  #tellRefused(): void {
    const { loop } = this.#shared;
    if (loop.congested) return;
    loop.report(wire.Report.PeersRefused, this.#number, this.#refused);
    this.#refused = 0;
  }

  /** Has answers leave from the address that a peer has hit last. */
  #follow(peer: Peer, n: number): void {
    const { loop, batch } = this.#shared;
    const { u8, u32 } = loop.arena;
    const hit = (batch.rest(n) + CMSG_HEADER) >> 2;
    const source = (peer.address + wire.CONTROL + CMSG_HEADER) >> 2;
    const four = this.#family === AF_INET;
    // in_pktinfo.ipi_spec_dst, in6_pktinfo.ipi6_addr
    let word = four ? 1 : 0;
    const end = four ? 2 : 4;
    while (word < end && u32[hit + word] === u32[source + word]) word++;
    if (word === end || (!four && u8[hit << 2] === GROUP)) return;
    const length = (peer.address + wire.CONTROL_LENGTH) >> 2;
    const wanders = (peer.address + wire.WANDERS) >> 2;
    const known = u32[length] !== 0;
    u32[length] = this.#control;
    this.#writeSource(peer.address + wire.CONTROL, batch.rest(n));
    if (!known || u32[wanders] !== 0) return;
    u32[wanders] = 1;
    loop.report(wire.Report.Wanders, peer.id);
  }

  // The main thread may look at a new peer's counters as soon as it is told of it.
  #hand(peer: Peer, n: number): void {
    peer.take(n);
    if (peer !== this.#fresh) return;
    this.#fresh = undefined;
    this.#shared.loop.report(wire.Report.NewPeer, this.#number, peer.id);
  }

  #newPeer(n: number): Peer | undefined {
    const { loop, slots, batch } = this.#shared;
    const { index, of } = this.#share;
    // What is sent to a group or to all comes to every socket (ip(7)).
    if (of > 1 && socketOf(loop.arena, batch.name(n), this.#share) !== index) return undefined;
    if (!this.#admits) return undefined;
    const id = loop.congested || this.#undecided.size >= MOST_UNDECIDED ? -1 : slots.take();
    if (id < 0) {
      this.#refused++;
      return undefined;
    }
    this.#writeAddress(id, n);
    wire.clearCounters(loop.shared, id);
    const peer = new Peer(id, this.#limits, this, this.#shared);
    this.#peers.add(peer);
    this.#undecided.add(peer);
    this.#fresh = peer;
    return peer;
  }

  #writeAddress(id: number, n: number): void {
    const { loop, batch } = this.#shared;
    const { u8, u32 } = loop.arena;
    const address = wire.addressOf(loop.shared, id);
    const name = batch.name(n);
    u8.copyWithin(address, name, name + wire.SOCKADDR);
    u32[(address + wire.ADDRESS_LENGTH) >> 2] = this.#family === AF_INET ? 16 : wire.SOCKADDR;
    u32[(address + wire.CONTROL_LENGTH) >> 2] = this.#control;
    u32[(address + wire.WANDERS) >> 2] = 0;
    if (this.#control > 0) this.#writeSource(address + wire.CONTROL, batch.rest(n));
  }

  /** Answers leave from the address that was hit, on whatever interface leads there. */
  #writeSource(to: number, from: number): void {
    const { u8, u32 } = this.#shared.loop.arena;
    const four = this.#family === AF_INET;
    u8.copyWithin(to, from, from + this.#control);
    u32[(to + 8) >> 2] = four ? IPPROTO_IP : IPPROTO_IPV6;
    u32[(to + 12) >> 2] = four ? IP_PKTINFO : IPV6_PKTINFO;
    u32[(to + CMSG_HEADER + (four ? 0 : 16)) >> 2] = 0;
    // A group's address is nobody's source (RFC 4291, section 2.7); IPv4 says which address of ours it stands for.
    if (!four && u8[to + CMSG_HEADER] === GROUP) u32[(to - wire.CONTROL + wire.CONTROL_LENGTH) >> 2] = 0;
  }
}
