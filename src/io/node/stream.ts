/** Byte streams on node:net: the channel, listening and connecting. */
import * as net from 'node:net';
import { hostPort, plainAddress } from '../../core/address.ts';
import { onAbort } from '../../core/attempt.ts';
import { BINARY, Channel, type CloseReason, type MessageAttributes, type QueueLimits } from '../../core/channel.ts';
import type { ByteStream } from '../../core/channel-duplex.ts';
import { CompactingSet } from '../../core/compacting.ts';
import type { Connections } from '../../core/connections.ts';
import type {
  Acceptor,
  Bind,
  Ends,
  FifoAddress,
  MessageAddress,
  SocketAddress,
  SocketChannel,
} from '../../core/engine.ts';
import { L7mpError } from '../../core/errors.ts';
import type { Metadata } from '../../core/metadata.ts';
import type { Attempt } from '../../core/protocol.ts';
import { connectError, describeError } from '../connect-error.ts';
import { names } from '../names.ts';
import { nodePath } from '../unix-path.ts';
import { endsOf } from './address.ts';
import { listenPath } from './listen-path.ts';
import { ReadBuffers } from './read-buffers.ts';

/** Milliseconds without progress after which a closed socket that still has something to deliver is cut. */
const LINGER = 10_000;

/** The least that a socket has read at once to be lent, in bytes: what is smaller costs little, and can be kept as it is. */
const LENT = 16_384;

/** Pieces that may wait in a socket before it is full. */
const MAX_PIECES = 512;

/** Milliseconds of silence after which the kernel asks whether the peer is still there (tcp(7), TCP_KEEPIDLE). */
const KEEPALIVE = 60_000;

/** A stream on a node socket, which may come later than the channel: nothing is read or written before. */
export class NodeStreamChannel extends Channel implements SocketChannel {
  readonly #acceptor: Acceptor | undefined;
  #socket: net.Socket | undefined;
  #buffers: ReadBuffers | undefined;
  #ends: Ends | undefined;
  /** Of the socket's events. */
  #listeners: Readonly<Record<string, (argument?: unknown) => void>> = {};
  #error: NodeJS.ErrnoException | undefined;
  /** Written since nothing waited. */
  #pieces = 0;

  /** `acceptor`: who listens, where the socket was accepted. */
  constructor(limits: QueueLimits, acceptor?: Acceptor) {
    super(limits);
    this.#acceptor = acceptor;
  }

  override get kind(): 'stream' {
    return 'stream';
  }

  override get halfClose(): boolean {
    return true;
  }

  /** What is lent is written as it is: see `send`. */
  protected override get retains(): boolean {
    return false;
  }

  get ends(): Ends | undefined {
    if (!this.#ends && this.#socket) this.#ends = endsOf(this.#socket);
    return this.#ends;
  }

  /** `buffers`: of the engine that the socket belongs to. */
  setSocket(socket: net.Socket, buffers: ReadBuffers): void {
    this.#socket = socket;
    this.#buffers = buffers;
    // A socket that is not paused begins to flow with its first listener for data.
    socket.pause();
    this.#listeners = {
      data: (bytes) => this.#received(bytes as Buffer),
      end: () => this.deliverEnd(),
      drain: () => this.drained(),
      error: (error) => {
        this.#error = error as Error;
      },
      close: () => this.deliverClose(this.#closeReason()),
    };
    for (const [event, listener] of Object.entries(this.#listeners)) socket.on(event, listener);
    // Only who reads hears of a reset: a first piece is read, and kept, while nobody takes it.
    socket.read(0);
  }

  override describe(): Metadata {
    return this.#acceptor?.describe(this) ?? {};
  }

  takeSocket(): net.Socket | undefined {
    const socket = this.#socket;
    const used = this.messagesIn + this.messagesOut > 0 || this.endSent || this.endRead;
    if (!socket || !this.open || used) return undefined;
    this.#ends = this.ends;
    for (const [event, listener] of Object.entries(this.#listeners)) socket.off(event, listener);
    this.#socket = undefined;
    this.close({ kind: 'end', message: 'a library has its socket' });
    return socket;
  }

  #received(bytes: Buffer): void {
    if (bytes.length < LENT) this.deliver(bytes);
    else this.#buffers?.lend(bytes, () => this.deliver(bytes, BINARY, false));
  }

  // Node keeps what it cannot write at once.
  protected override send(bytes: Uint8Array, _attributes: MessageAttributes, owned: boolean): boolean {
    const socket = this.#socket;
    if (bytes.length === 0) return true;
    if (!socket) return false;
    const lent = !owned && this.#buffers?.isLent(bytes);
    const mine = owned || lent ? bytes : new Uint8Array(bytes);
    const waits = socket.writableLength > 0;
    this.#pieces = waits ? this.#pieces + 1 : 0;
    // Node says that it is full by bytes only, and each piece that waits costs it some hundred bytes beside.
    const last = this.#pieces === MAX_PIECES;
    const more = last ? socket.write(mine, this.#written) : socket.write(mine);
    if (lent && socket.writableLength > 0) this.#buffers?.keep();
    return more && !last;
  }

  #written = (): void => {
    this.#pieces = 0;
    if (this.#socket?.writableNeedDrain === false) this.drained();
  };

  protected override sendEnd(): void {
    const socket = this.#socket;
    // An error of a write before, which node has not told yet, would be forgotten.
    if (socket && isOver(socket)) socket.destroy(socket.errored ?? undefined);
    else socket?.end();
  }

  protected override holdSource(): void {
    this.#socket?.pause();
  }

  protected override releaseSource(): void {
    this.#socket?.resume();
  }

  protected override shut(reason: CloseReason): void {
    const socket = this.#socket;
    if (!socket || socket.destroyed) return;
    if (reason.kind === 'reset') {
      reset(socket);
      return;
    }
    if (isOver(socket)) {
      socket.destroy();
      return;
    }
    // Linux answers data that nobody has read with a reset, which would destroy what the peer has not read yet: so
    // what still comes is read and thrown away until the peer ends too.
    // Ending twice is harmless, and makes node put an error together each time.
    if (!socket.writableEnded) socket.end();
    socket.resume();
    let left = socket.writableLength;
    const timer = setInterval(() => {
      if (left > 0 && socket.writableLength < left) left = socket.writableLength;
      else cut(socket);
    }, LINGER);
    socket.once('close', () => clearInterval(timer));
  }

  #closeReason(): CloseReason {
    if (!this.#error) return { kind: 'end', message: 'closed by the peer' };
    return { kind: 'reset', message: this.#error.code ?? this.#error.message };
  }
}

/**
 * Closes a socket for good. Where the system has not taken all that was written, that is a reset to the peer: an end after
 * a part of it would look like the end of it all.
 */
export function cut(socket: ByteStream): void {
  if (socket.writableLength > 0) reset(socket);
  else socket.destroy();
}

/** Breaks a connection off. UNIX sockets have no reset: there, closing with data unread is one (unix(7)). */
export function reset(socket: ByteStream): void {
  if (socket instanceof net.Socket && !endsOf(socket)) socket.destroy();
  else socket.resetAndDestroy();
}

/** The peer has ended and nothing waits to be written: close(2) tells it of our end, without shutdown(2) before. */
function isOver(socket: net.Socket): boolean {
  return socket.readableEnded && socket.writableLength === 0;
}

/** What the sockets of Internet streams are made with: a dead peer is found out. */
export const ALIVE = { keepAlive: true, keepAliveInitialDelay: KEEPALIVE };

/** Every socket of the engine, so that a shutdown can close them, and what they share. */
export class Sockets {
  readonly all = new CompactingSet<net.Socket>();
  readonly connections: Connections;
  readonly #buffers = new ReadBuffers();

  constructor(connections: Connections) {
    this.connections = connections;
  }

  /** Keeps a socket that is counted until it is closed. Returns the buffers for its channel. */
  add(socket: net.Socket): ReadBuffers {
    this.all.add(socket);
    socket.on('close', () => {
      this.all.delete(socket);
      this.connections.give();
    });
    return this.#buffers;
  }
}

/** Starts to listen, `beside` others at that address. The caller frees a UNIX socket's path first. */
export function listen(at: SocketAddress, acceptor: Acceptor, sockets: Sockets, beside: boolean): Promise<net.Server> {
  const server = net.createServer({
    allowHalfOpen: true,
    noDelay: true,
    pauseOnConnect: true,
    ...ALIVE,
  });
  server.on('connection', (socket) => {
    if (!sockets.connections.accept(acceptor)) {
      socket.destroy();
      return;
    }
    const buffers = sockets.add(socket);
    // Reset before it was accepted: it has no address any more.
    if ('host' in at && socket.remotePort === undefined) {
      socket.destroy();
      return;
    }
    const peer = { address: plainAddress(socket.remoteAddress ?? ''), port: socket.remotePort ?? 0 };
    if (acceptor.admit(peer)) {
      const channel = new NodeStreamChannel(acceptor.limits, acceptor);
      channel.setSocket(socket, buffers);
      acceptor.accept(channel);
    } else socket.destroy();
  });
  return new Promise((resolve, reject) => {
    const fail = (error: Error): void => reject(bindError(at, error));
    server.once('error', fail);
    const listening = (): void => {
      server.removeAllListeners('error');
      // An accept that fails (no descriptors left) concerns that connection only.
      server.on('error', () => {});
      resolve(server);
    };
    try {
      if ('path' in at) listenPath(server, at.path, at.mode, listening);
      else server.listen({ host: plainAddress(at.host), port: at.port, backlog: 4096, reusePort: beside }, listening);
    } catch (error) {
      fail(error as Error);
    }
  });
}

export async function connect(
  to: SocketAddress,
  attempt: Attempt,
  limits: QueueLimits,
  bind: Bind | undefined,
  sockets: Sockets,
): Promise<SocketChannel> {
  const where = 'path' in to ? to.path : hostPort(to.host, to.port);
  const options: net.NetConnectOpts =
    'path' in to
      ? { path: nodePath(to.path), allowHalfOpen: true }
      : {
          host: plainAddress(to.host),
          port: to.port,
          allowHalfOpen: true,
          noDelay: true,
          lookup: checkingLookup(sockets.connections),
          ...ALIVE,
          ...local(bind),
        };
  sockets.connections.reserve();
  const socket = net.connect(options);
  const buffers = sockets.add(socket);
  return new Promise((resolve, reject) => {
    const fail = (error: Error): void => {
      stopWaiting();
      socket.destroy();
      reject(connectError(where, error));
    };
    const stopWaiting = onAbort(attempt.signal, () => {
      socket.off('error', fail);
      socket.on('error', () => {});
      fail(new Error('no connection in time'));
    });
    socket.once('error', fail);
    socket.once('connect', () => {
      socket.off('error', fail);
      stopWaiting();
      const channel = new NodeStreamChannel(limits);
      channel.setSocket(socket, buffers);
      resolve(channel);
    });
  });
}

/** Resolves a name, which may take long: whether there still is a descriptor is asked once more after it. */
function checkingLookup(connections: Connections): net.LookupFunction {
  return (host, { all }, done) => {
    names.addresses(host).then(
      (found) => {
        try {
          connections.needDescriptor();
        } catch (shortage) {
          done(shortage as Error, []);
          return;
        }
        const [first] = found;
        if (all) done(null, [...found]);
        else done(null, first?.address ?? '', first?.family);
      },
      (error: Error) => done(error, []),
    );
  };
}

function local(bind: Bind | undefined): { localAddress?: string; localPort?: number } {
  return {
    ...(bind?.address !== undefined && { localAddress: plainAddress(bind.address) }),
    ...(bind?.port !== undefined && { localPort: bind.port }),
  };
}

/** What E_BIND says where somebody else listens. */
const IN_USE = 'the address is in use';

/** Whether an address could not be bound because somebody else has it: errors come from other threads without their causes. */
export function isInUse(error: unknown): boolean {
  return error instanceof L7mpError && error.code === 'E_BIND' && error.message.endsWith(IN_USE);
}

/** What is said where another one of ours listens there. */
export function inUse(at: SocketAddress | MessageAddress | FifoAddress): L7mpError {
  return bindError(at, Object.assign(new Error(), { code: 'EADDRINUSE' }));
}

export function bindError(at: SocketAddress | MessageAddress | FifoAddress, error: Error): L7mpError {
  const where = whereOf(at);
  const code = (error as NodeJS.ErrnoException).code;
  const why = code === 'EADDRINUSE' ? IN_USE : `${describeError(error)}${hint(code, at)}`;
  return new L7mpError('E_BIND', `cannot listen on ${where}: ${why}`, { cause: error });
}

function whereOf(at: SocketAddress | MessageAddress | FifoAddress): string {
  if ('host' in at) return hostPort(at.host, at.port);
  if ('interface' in at) return `interface ${at.interface}`;
  return 'path' in at ? at.path : `${at.read ?? at.write}`;
}

/** Ports below net.ipv4.ip_unprivileged_port_start, 1024 by default, are for who has the capability (ip(7)). */
function hint(code: string | undefined, at: SocketAddress | MessageAddress | FifoAddress): string {
  if (code !== 'EACCES' || !('host' in at) || at.port >= 1024) return '';
  return '; a port below 1024 needs the capability CAP_NET_BIND_SERVICE';
}
