/** Connects hub: on a fast network without a turn of the loop. */
import * as net from 'node:net';
import { hostPort, plainAddress } from '../../../core/address.ts';
import { onAbort } from '../../../core/attempt.ts';
import type { QueueLimits } from '../../../core/channel.ts';
import type { Bind, Ends, SocketAddress, SocketChannel } from '../../../core/engine.ts';
import type { L7mpError } from '../../../core/errors.ts';
import type { Attempt } from '../../../core/protocol.ts';
import { connectError } from '../../connect-error.ts';
import { names } from '../../names.ts';
import { resolve } from '../../resolve.ts';
import type { Pollable } from '../loop.ts';
import { familyOf } from '../system/address.ts';
import * as k from '../system/constants.ts';
import * as sockets from '../system/sockets.ts';
import { NativeStreamChannel } from './channel.ts';
import { ALL_EVENTS, type ConnectionHub } from './connected.ts';
import type { StreamHub } from './hub.ts';

/** Milliseconds that an address has when others can be tried after it (RFC 8305, section 5). */
const PATIENCE = 250;

/** How connections of one kind are made. */
export interface Dialect {
  /** A new socket. Throws what the system says. */
  open(family: number): number;
  /** Before it is bound and connected. */
  prepare(fd: number): void;
  /** Returns 0, EALREADY while it goes on, or the error. */
  connect(fd: number, to: sockets.InternetAddress): number;
  /** `known`: the loop has the descriptor already, with all events. */
  channel(fd: number, limits: QueueLimits, ends: Ends | undefined, known: boolean): SocketChannel;
}

/** What a connection is to be. */
export interface Wanted {
  readonly to: SocketAddress;
  readonly attempt: Attempt;
  readonly limits: QueueLimits;
  readonly bind?: Bind | undefined;
}

/** Of byte streams. */
export function streamDialect(hub: StreamHub): Dialect {
  return {
    open: (family) => sockets.open(family, k.SOCK_STREAM),
    prepare: sockets.prepareTcp,
    connect: sockets.connectStream,
    channel: (fd, limits, ends, known) => new NativeStreamChannel(hub, fd, limits, ends, { known }),
  };
}

/** A connection that is being made: to a path, or to the addresses of a name, one after the other. */
export class Connecting {
  readonly #hub: ConnectionHub;
  readonly #dialect: Dialect;
  readonly #to: SocketAddress;
  readonly #attempt: Attempt;
  readonly #limits: QueueLimits;
  readonly #bind: Bind | undefined;
  #waiting: Waiting | undefined;

  constructor(hub: ConnectionHub, dialect: Dialect, { to, attempt, limits, bind }: Wanted) {
    this.#hub = hub;
    this.#dialect = dialect;
    this.#to = to;
    this.#attempt = attempt;
    this.#limits = limits;
    this.#bind = bind;
  }

  /**
   * The channel, where the kernel says at once that it is connected. Rejects with E_CONNECT; leaves nothing behind when
   * the attempt is cancelled.
   */
  run(): SocketChannel | Promise<SocketChannel> {
    try {
      const result = this.#begin();
      return result instanceof Promise ? this.#guard(result) : result;
    } catch (error) {
      return Promise.reject(this.#failure(error));
    }
  }

  #begin(): SocketChannel | Promise<SocketChannel> {
    if ('path' in this.#to) return this.#connectPath(this.#to.path);
    const { port } = this.#to;
    const host = plainAddress(this.#to.host);
    if (net.isIP(host)) return this.#connectInternet({ host, port }, false);
    return resolve(host).then((hosts) => this.#connectFirst(host, hosts, port));
  }

  async #guard(result: Promise<SocketChannel>): Promise<SocketChannel> {
    const stopWaiting = onAbort(this.#attempt.signal, () => this.#waiting?.giveUp('no connection in time'));
    try {
      return await result;
    } catch (error) {
      throw this.#failure(error);
    } finally {
      stopWaiting();
    }
  }

  #failure(error: unknown): L7mpError {
    const where = 'path' in this.#to ? this.#to.path : hostPort(this.#to.host, this.#to.port);
    return connectError(where, error as Error);
  }

  async #connectFirst(name: string, hosts: readonly string[], port: number): Promise<SocketChannel> {
    const errors: Error[] = [];
    for (const [n, host] of hosts.entries()) {
      if (this.#attempt.signal.aborted) throw new Error('no connection in time');
      try {
        const channel = await this.#connectInternet({ host, port }, n < hosts.length - 1);
        if (n > 0) names.prefer(name, host);
        return channel;
      } catch (error) {
        errors.push(error as Error);
      }
    }
    throw ofAll(errors);
  }

  #connectInternet(to: sockets.InternetAddress, more: boolean): SocketChannel | Promise<SocketChannel> {
    const fd = this.#open(familyOf(to.host));
    this.#dialect.prepare(fd);
    if (this.#bind) this.#bindTo(fd, to.host, this.#bind);
    const errno = this.#dialect.connect(fd, to);
    const ends = { localAddress: '', localPort: 0, remoteAddress: to.host, remotePort: to.port };
    if (errno === 0) return this.#channel(fd, ends);
    if (errno !== k.EALREADY) this.#fail(fd, errno, hostPort(to.host, to.port));
    return this.#wait(fd, more).then((result) => {
      if (result !== 0) this.#fail(fd, result, hostPort(to.host, to.port));
      return this.#channel(fd, ends, true);
    });
  }

  // A UNIX socket's connect(2) is done or has failed at once; EAGAIN says that the listener's backlog is full.
  #connectPath(path: string): SocketChannel {
    const fd = this.#open(k.AF_UNIX);
    const errno = sockets.connectPath(fd, path);
    if (errno !== 0) this.#fail(fd, errno, path);
    return this.#channel(fd, undefined);
  }

  /** Counts it, and throws E_LIMIT where there is no room. */
  #open(family: number): number {
    const fd = this.#dialect.open(family);
    try {
      this.#hub.context.connections.reserve(fd);
      return fd;
    } catch (error) {
      this.#hub.c.close(fd);
      throw error;
    }
  }

  /** Closes it where that fails. */
  #bindTo(fd: number, to: string, from: Bind): void {
    try {
      sockets.bindOutgoing(fd, to, from);
    } catch (error) {
      this.#hub.context.connections.give();
      throw error;
    }
  }

  #channel(fd: number, ends: Ends | undefined, known = false): SocketChannel {
    return this.#dialect.channel(fd, this.#limits, ends, known);
  }

  #fail(fd: number, errno: number, where: string): never {
    this.#hub.abandon(fd);
    throw new sockets.SocketError('connect', errno, where);
  }

  /** Waits until it is connected, or not: gives the error, 0 for none. Closes it where nobody waits any more. */
  #wait(fd: number, more: boolean): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#waiting = new Waiting(fd, this.#hub, resolve, reject);
      if (more) this.#waiting.patience = setTimeout(() => this.#waiting?.giveUp('no answer'), PATIENCE);
    });
  }
}

/** Waits until a socket is connected, or has failed. */
class Waiting implements Pollable {
  readonly #fd: number;
  readonly #hub: ConnectionHub;
  readonly #resolve: (errno: number) => void;
  readonly #reject: (error: Error) => void;
  patience: NodeJS.Timeout | undefined;
  #over = false;

  constructor(fd: number, hub: ConnectionHub, resolve: (errno: number) => void, reject: (error: Error) => void) {
    this.#fd = fd;
    this.#hub = hub;
    this.#resolve = resolve;
    this.#reject = reject;
    hub.context.loop.add(fd, ALL_EVENTS, this);
  }

  // Once only: what comes after it is for who has the socket then.
  ready(): boolean {
    if (this.#finish()) this.#resolve(sockets.pendingError(this.#fd));
    return true;
  }

  broken(): void {
    this.giveUp('an error in the engine');
  }

  stop(): void {
    this.giveUp('the engine is closed');
  }

  giveUp(why: string): void {
    if (!this.#finish()) return;
    this.#hub.abandon(this.#fd);
    this.#reject(new Error(why));
  }

  #finish(): boolean {
    if (this.#over) return false;
    this.#over = true;
    clearTimeout(this.patience);
    return true;
  }
}

/** One error for those of all addresses, with their code where they have one in common. */
function ofAll(errors: readonly NodeJS.ErrnoException[]): Error {
  const error = new Error(errors.map(({ message }) => message).join(', '));
  const code = errors[0]?.code;
  return code !== undefined && errors.every((one) => one.code === code) ? Object.assign(error, { code }) : error;
}
