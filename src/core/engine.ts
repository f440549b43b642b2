/**
 * The contract of an I/O engine: who owns sockets. Protocols that are bare kernel sockets (TCP, UDP, UNIX) are made of
 * an engine's channels and their own names and metadata, and nothing else, so that another engine can take their place.
 */
import type { Socket } from 'node:net';
import type { Channel, QueueLimits } from './channel.ts';
import type { Connections, Shortage } from './connections.ts';
import type { GatheringLimit } from './gathering.ts';
import type { Metadata } from './metadata.ts';
import type { Attempt } from './protocol.ts';

/** An address of the Internet, or the path of a UNIX socket. */
export type SocketAddress = InternetAddress | PathAddress;

export interface InternetAddress {
  readonly host: string;
  readonly port: number;
  /**
   * To listen: it is one of many ports of a listener, each of which has one descriptor, however many data planes there are:
   * one that all share, or one that belongs to one of them.
   */
  readonly ranged?: boolean;
}

export interface PathAddress {
  /** `@name`: an abstract name (unix(7)). */
  readonly path: string;
  /** Of a socket that is made there; else what the process makes of it (umask). */
  readonly mode?: number | undefined;
}

/** Where SCTP is (RFC 9260). */
export interface SctpAddress {
  readonly type: 'sctp';
  readonly host: string;
  readonly port: number;
  /** Further addresses of the same host, for multi-homing. */
  readonly hosts?: readonly string[] | undefined;
  /** Streams that are asked for, in either direction: 1 to 65,535. */
  readonly streams: number;
  /** Small messages are not held back to be sent together (RFC 6458, section 8.1.5). */
  readonly noDelay: boolean;
  /** Where messages go that say nothing themselves: a stream, and a payload protocol identifier. */
  readonly stream: number;
  readonly ppid: number;
}

/** The link of an interface (packet(7)). */
export interface PacketAddress {
  readonly type: 'packet';
  readonly interface: string;
  /** `raw`: messages are whole frames. `dgram`: without their link header, and a correspondent is a link address. */
  readonly mode: 'raw' | 'dgram';
  /** Frames of this type only (ETH_P_ALL, 3: of any). */
  readonly etherType: number;
  readonly promiscuous: boolean;
  /** The link address of the correspondent, who has sent nothing yet: `02:00:00:00:00:01`. */
  readonly peer?: string | undefined;
}

/** A UNIX socket that keeps messages apart (unix(7)). */
export interface UnixMessageAddress extends PathAddress {
  readonly type: 'unix';
  /** `dgram`: correspondents share one socket, and are told apart by their names. `seqpacket`: connections. */
  readonly kind: 'dgram' | 'seqpacket';
}

/** FIFOs (fifo(7)): one of them at least. */
export interface FifoAddress {
  /** What is read, and what is written. */
  readonly read?: string | undefined;
  readonly write?: string | undefined;
  /** Of those that are made; else what the process makes of it (umask). */
  readonly mode?: number | undefined;
  /** They may be symbolic links to some. */
  readonly links: boolean;
}

/** A socket of messages that is no UDP socket. */
export type MessageAddress = SctpAddress | PacketAddress | UnixMessageAddress;

/** The process at the other end of a UNIX socket, as the kernel knows it (unix(7)). */
export interface Credentials {
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
}

/** The two ends of a connection, as the kernel names them; ports are numbers, addresses without IPv4-mapping. */
export interface Ends {
  readonly localAddress: string;
  readonly localPort: number;
  readonly remoteAddress: string;
  readonly remotePort: number;
}

/** A channel that is a bare kernel socket. */
export interface SocketChannel extends Channel {
  /** Undefined on UNIX sockets. */
  readonly ends: Ends | undefined;
  /** The address that the peer gets its answers from, where the socket listens on any and the engine knows better. */
  readonly answersFrom?: string | undefined;
  /** The peer sends to several addresses of such a socket: the engine answers each time from the one that was hit last. */
  readonly wanders?: boolean;
  /** Of UNIX sockets that were accepted, where the kernel knows it and the engine can ask. */
  readonly credentials?: Credentials | undefined;
  /** Of sockets on the link of an interface. */
  readonly link?: Link | undefined;
  /**
   * Node's own socket of a byte stream, for a library that wants one: paused, counted by the engine and closed with it, and
   * the caller's from now on. The channel is not open any more, and tells nobody. Undefined where it has carried something
   * by itself, is relayed or closed: then the channel is to be used as ever.
   */
  takeSocket?(): Socket | undefined;
}

/** An interface, as a socket on its link knows it. */
export interface Link {
  readonly interface: string;
  readonly index: number;
  readonly mode: PacketAddress['mode'];
  /** The correspondent's link address; undefined where that is whoever is there. */
  readonly peer?: string | undefined;
}

/** A socket that listens. */
export interface SocketListening {
  /** Takes no more peers. Channels that were emitted live on. Resolves when the address is free, or is only held for them. */
  close(): Promise<void>;
}

/**
 * Looks at a datagram of a peer that there is no channel for, before anything is kept of it, and says whether it shall have
 * one; `reply` answers it in either case. So a forged address costs nothing but the answer. Of datagrams that have come
 * together the first is looked at, and the others go its way. `bytes` and `reply` are good during the call only.
 */
export type First = (
  peer: { readonly address: string; readonly port: number },
  bytes: Uint8Array,
  reply: (bytes: Uint8Array) => void,
) => boolean;

/** What an engine asks of who listens. */
export interface Acceptor {
  readonly limits: QueueLimits;
  /** Asked before `admit`, of sockets for datagrams; not of a peer that the engine was told of (`emit`). */
  readonly first?: First | undefined;
  /** Whether a new peer is taken. `scarce`: the engine has no room for more peers than it has, only for another one. */
  admit(peer: { readonly address: string; readonly port: number }, scarce?: boolean): boolean;
  /** Whether its connections may take what is reserved: a full proxy is seen and mended through them. Left out: not. */
  mayUseReserve?(): boolean;
  /** So many were not taken for want of room, and `admit` was not asked. */
  refused?(why: Shortage | 'peers', count: number): void;
  accept(channel: SocketChannel): void;
  /** What such a channel says of itself as session metadata. */
  describe(channel: SocketChannel): Metadata;
}

/** Where a connection comes from, where that matters. */
export interface Bind {
  readonly address?: string;
  readonly port?: number;
}

/** A socket for datagrams that listens. */
export interface DatagramListening extends SocketListening {
  /** The engine cannot tell which of the machine's addresses a datagram came to: the system chooses where answers leave from. */
  readonly hitUnknown?: boolean;
  /** Makes the channel of a peer that has sent nothing yet. */
  emit(peer: { readonly address: string; readonly port: number }): void;
}

/**
 * Two channels that an engine joins. They stay channels: the end of a direction is delivered when all before it was
 * handed to the other side, a close as ever; `end` and `close` act on the socket; counters are brought up to date by
 * `refresh`; to pause and to resume is of no effect. A relay ends with either channel: the other one is read as before then.
 */
export interface Relay {
  /** When a message last passed in either direction, on the clock of performance.now(). */
  lastActive(): number;
  /** Ends it: both channels live on with their readers and writers, and may be joined anew. No byte is lost. */
  part(): void;
}

/** Of a connection of messages. */
export interface MessageOptions {
  readonly limits: QueueLimits;
  readonly gathering: GatheringLimit;
  readonly bind?: Bind | undefined;
}

/** Sockets of the kernel that keep messages apart, beside UDP's. */
export interface MessageSockets {
  /** Throws E_UNSUPPORTED where the system has no such sockets, E_BIND where it has not what the address names, or a right is missing. */
  check(at: MessageAddress): void;
  /** Rejects with E_BIND, or as `check`. `gathering`: the bound of messages that come in parts. */
  listen(at: MessageAddress, acceptor: Acceptor, gathering: GatheringLimit): Promise<SocketListening>;
  /** Throws, or rejects with, E_CONNECT, E_LIMIT or E_TIMEOUT. */
  connect(to: MessageAddress, attempt: Attempt, options: MessageOptions): SocketChannel | Promise<SocketChannel>;
}

/**
 * Owns kernel sockets. A protocol that is a bare kernel socket listens and connects with its host's `io`, so that the
 * sockets can be joined in the engine or below; one with a library's sockets has no need of it.
 */
export interface Engine {
  readonly name: string;

  /** The sockets of traffic: those of its own, and of who makes others. */
  readonly connections: Connections;

  /** How many sockets it drives by itself; one that leaves that to node says nothing. */
  readonly load?: number;

  /** Listens for byte streams (TCP, UNIX). Rejects with E_BIND. */
  listenStream(at: SocketAddress, acceptor: Acceptor): Promise<SocketListening>;

  /**
   * Connects a byte stream: at once, where the system says so, else the promise rejects or resolves. Names are resolved
   * by the system's resolver, at each call.
   */
  connectStream(
    to: SocketAddress,
    attempt: Attempt,
    limits: QueueLimits,
    bind?: Bind,
  ): SocketChannel | Promise<SocketChannel>;

  /**
   * Listens for datagrams with one socket, and tells peers apart by address and port. When it closes while sessions
   * live on, the socket is kept for them and takes no new peers; who listens there next takes it over.
   */
  listenDatagram(at: InternetAddress, acceptor: Acceptor): Promise<DatagramListening>;

  /** A datagram socket that is connected to one peer: at once where the host is an address, where the engine can. */
  connectDatagram(
    to: { readonly host: string; readonly port: number },
    attempt: Attempt,
    limits: QueueLimits,
    bind?: Bind,
  ): SocketChannel | Promise<SocketChannel>;

  /** Left out: it has none. */
  readonly messages?: MessageSockets;

  /**
   * Listens on FIFOs, which are made where they are missing: in one thread, with one session at a time. Rejects with E_BIND, or
   * E_UNSUPPORTED where none can be made.
   */
  listenFifos(at: FifoAddress, acceptor: Acceptor): Promise<SocketListening>;

  /** Opens FIFOs for one session, once somebody reads the one that is written. Rejects with E_CONNECT, E_LIMIT or E_TIMEOUT. */
  connectFifos(to: FifoAddress, attempt: Attempt, limits: QueueLimits): Promise<Channel>;

  /**
   * Moves everything between two of its own bare sockets from now on, in both directions, so that no payload enters
   * JavaScript, whatever has been read and written by then. Undefined where these two cannot be joined (something waits in
   * one to be read): then they are read as ever. Where `mends` is set, b's end is a disconnect that the session mends, and
   * the engine does not pass it on by itself.
   */
  relay?(a: SocketChannel, b: SocketChannel, mends?: boolean): Relay | undefined;

  /** Closes everything; what was written has a second to leave. What has not left then is a reset to its peer, never an end. */
  close(): Promise<void>;
}
