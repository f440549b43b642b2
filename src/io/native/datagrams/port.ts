import { isIPv4 } from 'node:net';
import { isWildcard } from '../../../core/address.ts';
import type { CloseReason } from '../../../core/channel.ts';
import type { Acceptor, Ends, First } from '../../../core/engine.ts';
import type { BoundDatagram } from '../../binder.ts';
import type { Pollable } from '../loop.ts';
import { familyOf, putInternet } from '../system/address.ts';
import { AF_INET, AF_INET6, EPOLLIN, SOCKADDR, SOCKADDR_IN } from '../system/constants.ts';
import type { InternetAddress } from '../system/sockets.ts';
import { hitBytes } from './addresses.ts';
import { type DatagramHub, LEAST, nextSingles, ROUNDS } from './hub.ts';
import { BATCH } from './layout.ts';
import { PeerChannel, type PeerHost } from './peer.ts';
import { PeerTable } from './peer-table.ts';
import { socketOf } from './steering.ts';
import { Stranger } from './stranger.ts';

/** A listening socket and its peers. Lives while somebody listens or a peer has a session. */
export class ListeningPort implements Pollable, PeerHost {
  readonly hub: DatagramHub;
  acceptor: Acceptor | undefined;
  readonly #at: InternetAddress;
  readonly #bound: BoundDatagram;
  readonly #released: (free: Promise<void>) => void;
  readonly #family: number;
  /** Bytes of control messages that come with each datagram. */
  readonly #control: number;
  readonly #peers: PeerTable<PeerChannel>;
  /** The peer that has sent last: datagrams come in trains. */
  #last: PeerChannel | undefined;
  #singles = 0;
  /** Whether the kernel joins what it receives; undefined while there was no reason to ask. */
  #joins: boolean | undefined;
  #closing: Promise<void> | undefined;

  /** `released`: told, when it is not used any more, of what waits until the address is free. */
  constructor(hub: DatagramHub, at: InternetAddress, bound: BoundDatagram, released: (free: Promise<void>) => void) {
    this.hub = hub;
    this.#at = at;
    this.#bound = bound;
    this.#released = released;
    this.#family = familyOf(at.host);
    this.#control = isWildcard(at.host) ? hitBytes(this.#family) : 0;
    this.#peers = new PeerTable(hub.loop.arena);
    hub.loop.addBound(bound.fd, EPOLLIN, this);
  }

  get fd(): number {
    return this.#bound.fd;
  }

  endsOf(address: number): Ends {
    const { addresses } = this.hub;
    return {
      localAddress: this.#at.host,
      localPort: this.#at.port,
      remoteAddress: addresses.host(address),
      remotePort: addresses.port(address),
    };
  }

  // ------------------------------------------------------------------ life

  /** Takes no new peers. Resolves when the address is free, or is only held for those that there are. */
  retire(): Promise<void> {
    this.acceptor = undefined;
    return this.#closeIfUnused();
  }

  forget(peer: PeerChannel): void {
    this.#peers.delete(peer);
    if (this.#last === peer) this.#last = undefined;
    void this.#closeIfUnused();
  }

  /** The engine is closed. */
  close(reason: CloseReason): void {
    this.acceptor = undefined;
    for (const peer of this.#peers.all()) peer.lose(reason);
    void this.#closeIfUnused();
  }

  #closeIfUnused(): Promise<void> {
    if (this.acceptor || this.#peers.size > 0) return Promise.resolve();
    this.#closing ??= this.#close();
    return this.#closing;
  }

  #close(): Promise<void> {
    this.hub.loop.remove(this.fd);
    const free = this.#bound.release();
    this.#released(free);
    return free;
  }

  // ------------------------------------------------------------------ in the loop

  ready(): boolean {
    const { hub } = this;
    hub.called = false;
    for (let round = 0; round < ROUNDS && !this.#closing && this.#receive(); round++);
    return hub.called;
  }

  /** Returns whether there may be more. */
  #receive(): boolean {
    const { batch, sender } = this.hub;
    const one = this.#singles > 0;
    const first = sender.freeBuffers(one ? 1 : LEAST);
    const most = one ? 1 : BATCH - first;
    const count = batch.receive(this.fd, this.#control, this.#joins === true, first, most);
    if (count <= 0) return false;
    sender.takeBuffers(count);
    this.#singles = nextSingles(this.#singles, count);
    if (count > 1) this.#joins ??= this.hub.join(this.fd);
    for (let n = first; n < first + count; n++) this.#take(n);
    return !one && count === most;
  }

  broken(): void {}

  /** Gives a buffer's datagrams to the peer that has sent them. */
  #take(n: number): void {
    const { batch } = this.hub;
    const name = batch.name(n);
    let peer = this.#last;
    if (!peer || !this.#peers.same(peer.address, name)) peer = this.#peers.get(name);
    const fresh = peer === undefined;
    peer ??= this.#newPeer(name, n);
    if (!peer) return;
    this.#last = peer;
    if (this.#control > 0) this.#follow(peer, batch.rest(n));
    peer.take(n);
    if (fresh) this.#accept(peer);
  }

  /** Has answers leave from the address that a peer has hit last. */
  #follow(peer: PeerChannel, hit: number): void {
    if (!this.hub.addresses.follow(peer.address, hit, this.#family)) return;
    this.hub.called = true;
    peer.owner?.wanders?.();
  }

  // ------------------------------------------------------------------ new peers

  /** Makes the channel of a peer that has sent nothing yet, where its datagrams come to this socket. */
  emit({ address, port }: { readonly address: string; readonly port: number }): void {
    const { loop, scratch } = this.hub;
    // A dual-stack socket sends to IPv4 addresses in their IPv4-mapped form (ipv6(7)).
    const host = this.#family === AF_INET6 && isIPv4(address) ? `::ffff:${address}` : address;
    putInternet(loop.arena, scratch, host, port);
    if (this.#peers.get(scratch)) return;
    const peer = this.#newPeer(scratch);
    if (peer) this.#accept(peer);
  }

  /** Undefined where the peer whose address is at an offset is not taken. `n`: the buffer with what it has sent, if anything. */
  #newPeer(from: number, n?: number): PeerChannel | undefined {
    const { acceptor, hub } = this;
    const { addresses } = hub;
    if (!acceptor || !this.#isOwn(from)) return undefined;
    hub.called = true;
    const address = addresses.take();
    if (address < 0) {
      acceptor.refused?.('peers', 1);
      return undefined;
    }
    // Before it is asked: whoever gives way may be the one that has come last.
    addresses.write(address, from, this.#family === AF_INET ? SOCKADDR_IN : SOCKADDR);
    const known = { address: addresses.host(address), port: addresses.port(address) };
    if (!this.#takesFirst(acceptor, known, address, n) || !acceptor.admit(known, hub.crowded)) {
      addresses.give(address);
      return undefined;
    }
    const peer = new PeerChannel(this, address, acceptor);
    this.#peers.add(peer);
    return peer;
  }

  #takesFirst({ first }: Acceptor, peer: Parameters<First>[0], address: number, n: number | undefined): boolean {
    if (!first || n === undefined) return true;
    const { addresses, batch, loop, sender } = this.hub;
    if (this.#control > 0) addresses.follow(address, batch.rest(n), this.#family);
    const at = batch.data(n);
    const stranger = new Stranger(this.fd, address);
    try {
      const bytes = loop.arena.u8.subarray(at, at + Math.min(batch.size(n), batch.segment(n)));
      return first(peer, bytes, (answer) => sender.write(stranger, answer));
    } finally {
      // Its address may be another one's from now on.
      if (stranger.message >= 0) sender.flush();
    }
  }

  // What is sent to a group or to all comes to every socket (ip(7)).
  #isOwn(address: number): boolean {
    const { of, n } = this.#bound;
    return of === 1 || socketOf(this.hub.loop.arena, address, this.#bound) === n;
  }

  #accept(peer: PeerChannel): void {
    try {
      peer.acceptor.accept(peer);
    } catch (error) {
      this.hub.loop.defect(error);
      peer.close({ kind: 'error', message: 'the session could not be made' });
    }
  }
}
