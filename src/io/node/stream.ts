/** Byte streams on node:net: the channel, listening and connecting. */
import * as net from 'node:net';
import { Channel, type CloseReason, type QueueLimits } from '../../core/channel.ts';
import { L7mpError } from '../../core/errors.ts';
import type { Metadata } from '../../core/metadata.ts';
import type { Attempt } from '../../core/protocol.ts';
import type { Acceptor, Bind, Ends, SocketAddress, SocketChannel } from '../engine.ts';
import { endsOf, plainAddress } from './address.ts';

/** Milliseconds without progress after which a closed socket that still has something to deliver is cut. */
const LINGER = 10_000;

/** Milliseconds of silence after which the kernel asks whether the peer is still there (tcp(7), TCP_KEEPIDLE). */
const KEEPALIVE = 60_000;

/** A stream on a node socket, which may come later than the channel: nothing is read or written before. */
export class NodeStreamChannel extends Channel implements SocketChannel {
  readonly kind = 'stream';
  override readonly halfClose = true;
  readonly #acceptor: Acceptor | undefined;
  #socket: net.Socket | undefined;
  #ends: Ends | undefined;
  #error: NodeJS.ErrnoException | undefined;

  /** `acceptor`: who listens, where the socket was accepted. */
  constructor(socket: net.Socket | undefined, limits: QueueLimits, acceptor?: Acceptor) {
    super(limits);
    this.#acceptor = acceptor;
    if (!socket) return;
    this.#ends = endsOf(socket);
    this.setSocket(socket);
  }

  get ends(): Ends | undefined {
    return this.#ends;
  }

  protected setSocket(socket: net.Socket): void {
    this.#socket = socket;
    socket.on('data', (bytes: Buffer) => this.deliver(bytes));
    socket.on('end', () => this.deliverEnd());
    socket.on('drain', () => this.drained());
    socket.on('error', (error) => {
      this.#error = error;
    });
    socket.on('close', () => this.deliverClose(this.#closeReason()));
    socket.pause();
    // Only who reads hears of a reset: a first piece is read, and kept, while nobody takes it.
    socket.read(0);
  }

  override describe(): Metadata {
    return this.#acceptor?.describe(this) ?? {};
  }

  protected override send(bytes: Uint8Array): boolean {
    return bytes.length === 0 || (this.#socket?.write(bytes) ?? false);
  }

  protected override sendEnd(): void {
    this.#socket?.end();
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
      // UNIX sockets have no reset: there, closing with data unread is one (unix(7)).
      if (this.ends) socket.resetAndDestroy();
      else socket.destroy();
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
      else socket.destroy();
    }, LINGER);
    socket.once('close', () => clearInterval(timer));
  }

  #closeReason(): CloseReason {
    if (!this.#error) return { kind: 'end', message: 'closed by the peer' };
    return { kind: 'reset', message: this.#error.code ?? this.#error.message };
  }
}

const ALIVE = { keepAlive: true, keepAliveInitialDelay: KEEPALIVE };

/** Every socket of the engine, so that a shutdown can close them. */
export type Sockets = Set<net.Socket>;

export function track(sockets: Sockets, socket: net.Socket): void {
  sockets.add(socket);
  socket.once('close', () => sockets.delete(socket));
}

/** Starts to listen. The caller frees a UNIX socket's path first. */
export function listen(at: SocketAddress, acceptor: Acceptor, sockets: Sockets): Promise<net.Server> {
  const server = net.createServer({
    allowHalfOpen: true,
    noDelay: true,
    pauseOnConnect: true,
    ...ALIVE,
  });
  server.on('connection', (socket) => {
    track(sockets, socket);
    // Reset before it was accepted: it has no address any more.
    if ('host' in at && socket.remotePort === undefined) {
      socket.destroy();
      return;
    }
    const peer = { address: plainAddress(socket.remoteAddress), port: socket.remotePort ?? 0 };
    if (acceptor.admit(peer)) acceptor.accept(new NodeStreamChannel(socket, acceptor.limits, acceptor));
    else socket.destroy();
  });
  return new Promise((resolve, reject) => {
    server.once('error', (error) => reject(bindError(at, error)));
    server.listen('path' in at ? { path: at.path } : { host: at.host, port: at.port, backlog: 4096 }, () => {
      server.removeAllListeners('error');
      // An accept that fails (no descriptors left) concerns that connection only.
      server.on('error', () => {});
      resolve(server);
    });
  });
}

export function connect(
  to: SocketAddress,
  attempt: Attempt,
  limits: QueueLimits,
  bind: Bind | undefined,
  sockets: Sockets,
): Promise<SocketChannel> {
  const where = 'path' in to ? to.path : `${to.host}:${to.port}`;
  const options: net.NetConnectOpts =
    'path' in to
      ? { path: to.path, allowHalfOpen: true }
      : { host: to.host, port: to.port, allowHalfOpen: true, noDelay: true, ...ALIVE, ...local(bind) };
  const socket = net.connect(options);
  track(sockets, socket);
  return new Promise((resolve, reject) => {
    const fail = (error: Error): void => {
      socket.destroy();
      reject(new L7mpError('E_CONNECT', `${where}: ${describeError(error)}`));
    };
    socket.once('error', fail);
    socket.once('connect', () => {
      socket.off('error', fail);
      attempt.onCancel = undefined;
      resolve(new NodeStreamChannel(socket, limits));
    });
    attempt.onCancel = () => {
      socket.off('error', fail);
      socket.on('error', () => {});
      fail(new Error('no connection in time'));
    };
  });
}

function local(bind: Bind | undefined): { localAddress?: string; localPort?: number } {
  return {
    ...(bind?.address !== undefined && { localAddress: bind.address }),
    ...(bind?.port !== undefined && { localPort: bind.port }),
  };
}

/** What a system error says, shortly: node puts each address tried into an AggregateError. */
export function describeError(error: Error): string {
  if (error instanceof AggregateError) return error.errors.map((e: Error) => e.message).join(', ');
  return error.message;
}

export function bindError(at: SocketAddress, error: Error): L7mpError {
  const where = 'host' in at ? `${at.host}:${at.port}` : at.path;
  const code = (error as NodeJS.ErrnoException).code;
  const why = code === 'EADDRINUSE' ? 'the address is in use' : describeError(error);
  return new L7mpError('E_BIND', `cannot listen on ${where}: ${why}`, { cause: error });
}
