import { BINARY, type CloseReason, type QueueLimits } from '../../../../core/channel.ts';
import type { Acceptor, Credentials } from '../../../../core/engine.ts';
import type { Metadata } from '../../../../core/metadata.ts';
import { AF_UNIX, EPOLLIN, F_DUPFD_CLOEXEC, MSG_TRUNC, SCM_CREDENTIALS, SOL_SOCKET } from '../../system/constants.ts';
import { SocketError } from '../../system/sockets.ts';
import type { MessageHub } from '../hub.ts';
import { MessagePort, PortPeer } from '../port.ts';
import { CREDENTIALS_CONTROL, credentialsAt, largest } from './socket.ts';

/** Milliseconds after which it is tried again to send to whose queue is full: the first time, and at most. */
const FIRST_RETRY = 1;
const LONGEST_RETRY = 8;

const CLOSED: CloseReason = { kind: 'deleted', message: 'the socket is closed' };

/** The family, before the name (struct sockaddr_un). */
const FAMILY = 2;

/** Drives the socket of a listener that gets datagrams: whoever has a name is a peer, and all without one are another. */
export class UnixPort extends MessagePort<UnixPeer> {
  readonly acceptor: Acceptor;
  readonly largest: number;
  readonly #release: () => void;
  /** By name, byte for byte. */
  readonly #peers = new Map<string, UnixPeer>();
  /** Who has sent last: datagrams come in trains. */
  #last: UnixPeer | undefined;
  #retry: NodeJS.Timeout | undefined;
  #open = true;
  #retired = false;
  /** Its descriptor is a copy. */
  #own = false;

  /** `release`: told when nobody uses the socket any more. Throws where the kernel does not take it into the loop. */
  constructor(hub: MessageHub, fd: number, acceptor: Acceptor, release: () => void) {
    super(hub, fd);
    this.acceptor = acceptor;
    this.largest = largest(fd);
    this.#release = release;
    if (!hub.context.loop.addBound(fd, EPOLLIN, this)) throw new SocketError('epoll_ctl', hub.c.errno(), '');
  }

  protected get open(): boolean {
    return this.#open;
  }

  peers(): Iterable<UnixPeer> {
    return this.#peers.values();
  }

  // ------------------------------------------------------------------ life

  /** Takes no more peers. Those that there are keep a descriptor of their own, so that another socket may have the path. */
  retire(): void {
    this.#retired = true;
    const own = this.#peers.size === 0 ? -1 : this.hub.c.fcntl(this.fd, F_DUPFD_CLOEXEC, 0);
    this.giveUp();
    if (own < 0) {
      this.loseAll(CLOSED);
      return;
    }
    this.fd = own;
    this.#open = this.#own = true;
    this.hub.context.loop.add(own, EPOLLIN, this);
    // Some may wait.
    this.hearRoom(true);
  }

  left(peer: PortPeer): void {
    const { name } = peer as UnixPeer;
    if (this.#peers.get(name) === peer) this.#peers.delete(name);
    if (this.#last === peer) this.#last = undefined;
    if (this.#retired && this.#peers.size === 0) this.giveUp();
  }

  protected giveUp(): void {
    if (!this.#open) return;
    this.#open = false;
    clearTimeout(this.#retry);
    const { loop } = this.hub.context;
    if (this.#own) loop.close(this.fd);
    else {
      loop.remove(this.fd);
      this.#release();
    }
  }

  // ------------------------------------------------------------------ receiving

  protected override receive(): number {
    return this.hub.receive(this.fd, CREDENTIALS_CONTROL);
  }

  protected received(size: number): void {
    const { hub } = this;
    const known = this.#sender();
    const peer = known ?? this.#newPeer();
    if (!peer) return;
    this.#last = peer;
    if (hub.flags & MSG_TRUNC) peer.drop('too-large');
    else peer.take(hub.bytes(size), BINARY);
    if (!known) this.acceptor.accept(peer);
  }

  // What has been sent to one that is gone is told to nobody in particular.
  protected failed(): void {}

  #sender(): UnixPeer | undefined {
    return this.#isLast() ? this.#last : this.#peers.get(this.#name());
  }

  #isLast(): boolean {
    const { incoming, nameLength, context } = this.hub;
    const { name } = this.#last ?? {};
    if (name === undefined || nameLength - FAMILY !== name.length) return false;
    const { u8 } = context.loop.arena;
    const at = incoming.name + FAMILY;
    for (let n = 0; n < name.length; n++) if (u8[at + n] !== name.charCodeAt(n)) return false;
    return true;
  }

  #name(): string {
    const { incoming, nameLength, context } = this.hub;
    const at = incoming.name + FAMILY;
    return nameLength > FAMILY
      ? Buffer.from(context.loop.arena.u8.subarray(at, at + nameLength - FAMILY)).toString('latin1')
      : '';
  }

  #newPeer(): UnixPeer | undefined {
    const { acceptor, hub } = this;
    const name = this.#name();
    if (this.#retired || !acceptor.admit({ address: '', port: 0 })) return undefined;
    const at = hub.control(SOL_SOCKET, SCM_CREDENTIALS);
    const credentials = at === 0 ? undefined : credentialsAt(hub.context.loop.arena, at);
    const peer = new UnixPeer(this, acceptor.limits, name, credentials);
    this.#peers.set(name, peer);
    return peer;
  }

  // ------------------------------------------------------------------ sending

  /** A socket that is not connected is told of no room in another one's queue (unix_dgram_poll() in the kernel). */
  protected override hearRoom(on: boolean): void {
    clearTimeout(this.#retry);
    this.#retry = undefined;
    if (on) this.#retryIn(FIRST_RETRY);
  }

  #retryIn(milliseconds: number): void {
    const timer = setTimeout(() => {
      this.flush();
      if (this.#retry === timer && this.isFull) this.#retryIn(Math.min(2 * milliseconds, LONGEST_RETRY));
    }, milliseconds);
    this.#retry = timer;
  }
}

/** Who sends to such a socket. */
export class UnixPeer extends PortPeer {
  /** Its name, a byte a character; empty where it has none. */
  readonly name: string;
  readonly credentials: Credentials | undefined;
  readonly #port: UnixPort;

  constructor(port: UnixPort, limits: QueueLimits, name: string, credentials: Credentials | undefined) {
    super(port, limits);
    this.#port = port;
    this.name = name;
    this.credentials = credentials;
  }

  override get maxMessage(): number {
    return this.#port.largest;
  }

  override describe(): Metadata {
    return this.#port.acceptor.describe(this);
  }

  protected transmit(bytes: Uint8Array): number {
    const { hub, fd } = this.#port;
    if (this.name === '') {
      this.drop('send-error');
      return 0;
    }
    return hub.send(fd, bytes, this.#putName(), 0);
  }

  #putName(): number {
    const { name } = this;
    const { outgoing, context } = this.#port.hub;
    const { u8, u16 } = context.loop.arena;
    const at = outgoing.name;
    u16[at >> 1] = AF_UNIX;
    for (let n = 0; n < name.length; n++) u8[at + FAMILY + n] = name.charCodeAt(n);
    return FAMILY + name.length;
  }
}
