/** Datagrams on node:dgram: a listening socket shared by its peers, and sockets connected to one peer. */
import * as dgram from 'node:dgram';
import * as net from 'node:net';
import { hostPort, isWildcard, plainAddress } from '../../core/address.ts';
import { Channel, type CloseReason, type QueueLimits } from '../../core/channel.ts';
import { CompactingMap, type CompactingSet } from '../../core/compacting.ts';
import type { Connections } from '../../core/connections.ts';
import type { Acceptor, Bind, DatagramListening, Ends, SocketChannel } from '../../core/engine.ts';
import { L7mpError } from '../../core/errors.ts';
import type { Metadata } from '../../core/metadata.ts';
import type { Attempt } from '../../core/protocol.ts';
import { connectError } from '../connect-error.ts';
import { addressToBind, addressToConnect } from '../resolve.ts';
import { bindError, inUse } from './stream.ts';

/** The largest UDP payload over IPv4: 65,535 less the IP and UDP headers (RFC 768, RFC 791). */
export const MAX_DATAGRAM = 65_507;

/** What the kernel is asked to hold for a listening socket, in bytes (it doubles, and caps at rmem_max). */
const RECEIVE_BUFFER = 4 << 20;

function createSocket(host: string): dgram.Socket {
  const family = net.isIPv6(host) ? 6 : 4;
  // Names were resolved before: node would otherwise put a look-up, and a tick, before each datagram.
  const asItIs = (address: string, _options: unknown, done: (error: null, address: string, family: number) => void) =>
    done(null, address, family);
  return dgram.createSocket({ type: family === 6 ? 'udp6' : 'udp4', lookup: asItIs as never });
}

/** What both kinds of datagram channels do: bounded sending, and errors that concern one datagram only. */
abstract class DatagramChannel extends Channel implements SocketChannel {
  abstract readonly ends: Ends;
  protected readonly udp: dgram.Socket;
  /** Bytes given to node that it has not called back for. */
  #pending = 0;

  constructor(socket: dgram.Socket, limits: QueueLimits) {
    super(limits);
    this.udp = socket;
  }

  override get kind(): 'datagram' {
    return 'datagram';
  }

  override get maxMessage(): number {
    return MAX_DATAGRAM;
  }

  override get socket(): SocketChannel | undefined {
    return this;
  }

  override get lossy(): boolean {
    return true;
  }

  // Node tells that a datagram was sent one tick later, so what is pending only says when to ask for the real queue.
  protected override send(bytes: Uint8Array): boolean {
    if (this.#pending > this.limits.bytes && this.udp.getSendQueueSize() > this.limits.bytes) {
      this.drop('queue-full');
      return true;
    }
    this.#pending += bytes.length;
    this.transmit(bytes, (error) => {
      this.#pending -= bytes.length;
      if (error) this.#retry(error, bytes);
    });
    return true;
  }

  // A pending ICMP error is reported by the next send(2), which then has not sent: it is sent again, once (udp(7)).
  #retry(error: NodeJS.ErrnoException, bytes: Uint8Array): void {
    if (!this.open) return;
    this.owner?.fault?.(this, `send: ${error.code ?? error.message}`);
    if (error.code === 'EMSGSIZE') this.drop('too-large');
    else this.transmit(bytes, (again) => again && this.drop('send-error'));
  }

  protected override sendEnd(): void {}

  protected abstract transmit(bytes: Uint8Array, done: (error: Error | null) => void): void;
}

// -------------------------------------------------------------------- one connected peer

/** The connected channels of an engine, so that a shutdown can close them; they are counted with all connections. */
export interface ConnectedChannels {
  readonly open: CompactingSet<Channel>;
  readonly connections: Connections;
}

class ConnectedChannel extends DatagramChannel {
  readonly ends: Ends;
  readonly #all: ConnectedChannels;

  constructor(socket: dgram.Socket, limits: QueueLimits, all: ConnectedChannels) {
    super(socket, limits);
    this.#all = all;
    all.open.add(this);
    const local = socket.address();
    const remote = socket.remoteAddress();
    this.ends = {
      localAddress: plainAddress(local.address),
      localPort: local.port,
      remoteAddress: plainAddress(remote.address),
      remotePort: remote.port,
    };
    socket.on('message', (bytes) => this.deliver(bytes));
    socket.on('error', (error: NodeJS.ErrnoException) => this.owner?.fault?.(this, error.code ?? error.message));
  }

  protected override transmit(bytes: Uint8Array, done: (error: Error | null) => void): void {
    this.udp.send(bytes, done);
  }

  protected override shut(): void {
    this.#all.open.delete(this);
    this.#all.connections.give();
    this.udp.close();
  }
}

export async function connect(
  to: { host: string; port: number },
  attempt: Attempt,
  limits: QueueLimits,
  bind: Bind | undefined,
  channels: ConnectedChannels,
): Promise<SocketChannel> {
  const host = await addressToConnect(to.host);
  if (host !== to.host && attempt.signal.aborted) throw new L7mpError('E_TIMEOUT', `${to.host}: not resolved in time`);
  channels.connections.reserve();
  const socket = createSocket(host);
  return new Promise((done, reject) => {
    const fail = (error: Error): void => {
      channels.connections.give();
      socket.close();
      reject(connectError(hostPort(to.host, to.port), error));
    };
    socket.once('error', fail);
    const connected = (error?: Error): void => {
      socket.off('error', fail);
      if (error) fail(error);
      else done(new ConnectedChannel(socket, limits, channels));
    };
    if (bind)
      socket.bind({ port: bind.port ?? 0, ...(bind.address !== undefined && { address: plainAddress(bind.address) }) });
    socket.connect(to.port, host, connected);
  });
}

// -------------------------------------------------------------------- many peers on one socket

class PeerChannel extends DatagramChannel {
  readonly ends: Ends;
  readonly #port: ListeningPort;
  readonly #key: string;
  /** As the socket knows it: an IPv4 peer of an IPv6 socket is `::ffff:192.0.2.1` there. */
  readonly address: string;
  readonly #acceptor: Acceptor;

  constructor(port: ListeningPort, key: string, address: string, ends: Ends, acceptor: Acceptor) {
    super(port.socket, acceptor.limits);
    this.#port = port;
    this.#key = key;
    this.address = address;
    this.#acceptor = acceptor;
    this.ends = ends;
  }

  override describe(): Metadata {
    return this.#acceptor.describe(this);
  }

  /** A datagram from the peer. */
  receive(bytes: Uint8Array): void {
    this.deliver(bytes);
  }

  protected override transmit(bytes: Uint8Array, done: (error: Error | null) => void): void {
    this.udp.send(bytes, this.ends.remotePort, this.address, done);
  }

  protected override shut(_reason: CloseReason): void {
    this.#port.forget(this.#key);
  }
}

/** A listening socket and its peers. Lives while somebody listens or a peer has a session. */
class ListeningPort {
  readonly socket: dgram.Socket;
  /** The address, not a name. */
  readonly #at: { host: string; port: number };
  readonly #ipv6: boolean;
  readonly #peers = new CompactingMap<string, PeerChannel>();
  readonly #released: () => void;
  acceptor: Acceptor | undefined;
  #last: PeerChannel | undefined;
  #closed = false;

  constructor(at: { host: string; port: number }, released: () => void) {
    this.#at = at;
    this.#ipv6 = net.isIPv6(at.host);
    this.#released = released;
    this.socket = createSocket(at.host);
    this.socket.on('message', (bytes, peer) => this.#receive(bytes, peer));
  }

  bind(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.socket.once('error', (error) => {
        this.socket.close();
        reject(bindError(this.#at, error));
      });
      this.socket.bind({ address: this.#at.host, port: this.#at.port, exclusive: true }, () => {
        this.socket.removeAllListeners('error');
        // What the kernel reports here belongs to no session.
        this.socket.on('error', () => {});
        this.#enlargeBuffer();
        resolve();
      });
    });
  }

  /** Takes no new peers. */
  retire(): Promise<void> {
    this.acceptor = undefined;
    return this.#closeIfUnused();
  }

  forget(key: string): void {
    this.#peers.delete(key);
    void this.#closeIfUnused();
  }

  close(): Promise<void> {
    if (this.#closed) return Promise.resolve();
    this.#closed = true;
    this.#released();
    return new Promise((resolve) => {
      this.socket.close(() => resolve());
    });
  }

  #closeIfUnused(): Promise<void> {
    return this.acceptor || this.#peers.size > 0 ? Promise.resolve() : this.close();
  }

  // Datagrams come in trains: the peer of the last one is looked at first, which spares making its key.
  #receive(bytes: Buffer, peer: dgram.RemoteInfo): void {
    const last = this.#last;
    if (last?.open && last.ends.remotePort === peer.port && last.address === peer.address) {
      last.receive(bytes);
      return;
    }
    const key = `${peer.address}|${peer.port}`;
    const known = this.#peers.get(key);
    if (!known && !this.#takesFirst(bytes, peer)) return;
    this.#last = known ?? this.#admit(key, peer);
    this.#last?.receive(bytes);
  }

  #takesFirst(bytes: Buffer, { address, port }: dgram.RemoteInfo): boolean {
    const { first } = this.acceptor ?? {};
    // What cannot be sent is lost, as any datagram may be.
    const reply = (answer: Uint8Array): void => this.socket.send(new Uint8Array(answer), port, address, () => {});
    return !first || first({ address: plainAddress(address), port }, bytes, reply);
  }

  emit(peer: { address: string; port: number }): void {
    const known = { address: this.#asKnown(peer.address), port: peer.port };
    const key = `${known.address}|${known.port}`;
    if (!this.#peers.has(key)) this.#admit(key, known);
  }

  /** A dual-stack socket knows IPv4 addresses in their IPv4-mapped form (ipv6(7)). */
  #asKnown(address: string): string {
    return this.#ipv6 && net.isIPv4(address) ? `::ffff:${address}` : address;
  }

  #admit(key: string, peer: { address: string; port: number }): PeerChannel | undefined {
    const remote = { address: plainAddress(peer.address), port: peer.port };
    if (!this.acceptor?.admit(remote)) return undefined;
    const ends: Ends = {
      localAddress: this.#at.host,
      localPort: this.#at.port,
      remoteAddress: remote.address,
      remotePort: remote.port,
    };
    const channel = new PeerChannel(this, key, peer.address, ends, this.acceptor);
    this.#peers.set(key, channel);
    this.acceptor.accept(channel);
    return channel;
  }

  #enlargeBuffer(): void {
    try {
      this.socket.setRecvBufferSize(RECEIVE_BUFFER);
    } catch {
      // The kernel's default will do.
    }
  }
}

/** The listening sockets of an engine, by address and port. */
export class ListeningPorts {
  readonly #ports = new Map<string, ListeningPort>();

  async listen(asked: { host: string; port: number }, acceptor: Acceptor): Promise<DatagramListening> {
    const at = { host: await addressToBind(asked), port: asked.port };
    const key = `${at.host}|${at.port}`;
    let port = this.#ports.get(key);
    if (port?.acceptor) throw inUse(asked);
    if (!port) {
      port = new ListeningPort(at, () => this.#ports.delete(key));
      await port.bind();
      this.#ports.set(key, port);
    }
    port.acceptor = acceptor;
    const taken = port;
    return {
      hitUnknown: isWildcard(at.host),
      close: () => taken.retire(),
      emit: (peer) => taken.emit(peer),
    };
  }

  async close(): Promise<void> {
    await Promise.all([...this.#ports.values()].map((port) => port.close()));
  }
}
