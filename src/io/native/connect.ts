/** Connects streams that stay bare: without a node socket, and on a fast network without a turn of the loop. */
import * as dns from 'node:dns';
import * as net from 'node:net';
import { hostPort, plainAddress } from '../../core/address.ts';
import type { QueueLimits } from '../../core/channel.ts';
import type { Bind, Ends, SocketAddress, SocketChannel } from '../../core/engine.ts';
import { L7mpError } from '../../core/errors.ts';
import type { Attempt } from '../../core/protocol.ts';
import { connectError } from '../connect-error.ts';
import type { Loan } from '../node/loan.ts';
import { familyOf } from './address.ts';
import * as k from './constants.ts';
import { noSlot } from './datagram-channel.ts';
import { libc } from './libc.ts';
import * as sockets from './sockets.ts';
import { NativeStreamChannel } from './stream-channel.ts';
import type { Held } from './thread.ts';
import type { IoThreads } from './threads.ts';
import { Command } from './wire.ts';

/** Milliseconds that an address has when others can be tried after it (RFC 8305, section 5). */
const PATIENCE = 250;

export interface StreamHost {
  readonly threads: IoThreads;
  readonly onSocket: (socket: net.Socket) => Loan;
}

/** A connection that is being made: to a path, or to the addresses of a name, one after the other. */
export class Connecting {
  readonly #host: StreamHost;
  readonly #to: SocketAddress;
  readonly #attempt: Attempt;
  readonly #limits: QueueLimits;
  readonly #bind: Bind | undefined;
  #giveUp: ((error: Error) => void) | undefined;

  constructor(host: StreamHost, to: SocketAddress, attempt: Attempt, limits: QueueLimits, bind: Bind | undefined) {
    this.#host = host;
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
    return resolve(host).then((hosts) => this.#connectFirst(hosts, port));
  }

  async #guard(result: Promise<SocketChannel>): Promise<SocketChannel> {
    const attempt = this.#attempt;
    attempt.onCancel = () => this.#giveUp?.(new Error('no connection in time'));
    try {
      return await result;
    } catch (error) {
      throw this.#failure(error);
    } finally {
      attempt.onCancel = undefined;
    }
  }

  #failure(error: unknown): L7mpError {
    if (error instanceof L7mpError) return error;
    const where = 'path' in this.#to ? this.#to.path : hostPort(this.#to.host, this.#to.port);
    return connectError(where, error as Error);
  }

  async #connectFirst(hosts: readonly string[], port: number): Promise<SocketChannel> {
    this.#host.threads.pick().connections.claim();
    const errors: Error[] = [];
    for (const [n, host] of hosts.entries()) {
      if (this.#attempt.cancelled) throw new Error('no connection in time');
      try {
        return await this.#connectInternet({ host, port }, n < hosts.length - 1);
      } catch (error) {
        errors.push(error as Error);
      }
    }
    throw ofAll(errors);
  }

  #connectInternet(to: sockets.InternetAddress, more: boolean): SocketChannel | Promise<SocketChannel> {
    const fd = sockets.open(familyOf(to.host), k.SOCK_STREAM);
    sockets.prepareTcp(fd);
    if (this.#bind) sockets.bindOutgoing(fd, to.host, this.#bind);
    const errno = sockets.connectStream(fd, to);
    if (errno === k.EALREADY) return this.#wait(fd, more).then((result) => this.#connected(fd, result, to));
    return this.#connected(fd, errno, to);
  }

  #connected(fd: number, errno: number, { host, port }: sockets.InternetAddress): SocketChannel {
    if (errno !== 0) this.#fail(fd, errno, hostPort(host, port));
    return this.#channel(fd, { localAddress: '', localPort: 0, remoteAddress: host, remotePort: port });
  }

  // A UNIX socket's connect(2) is done or has failed at once; EAGAIN says that the listener's backlog is full.
  #connectPath(path: string): SocketChannel {
    const fd = sockets.open(k.AF_UNIX, k.SOCK_STREAM);
    const errno = sockets.connectPath(fd, path);
    if (errno !== 0) this.#fail(fd, errno, path);
    return this.#channel(fd, undefined);
  }

  #channel(fd: number, ends: Ends | undefined): SocketChannel {
    const { threads, onSocket } = this.#host;
    return new NativeStreamChannel(threads.pick(), fd, this.#limits, ends, onSocket);
  }

  #fail(fd: number, errno: number, where: string): never {
    libc().close(fd);
    throw new sockets.SocketError('connect', errno, where);
  }

  /** Waits until it is connected, or not: gives the error, 0 for none. Closes it where nobody waits any more. */
  #wait(fd: number, more: boolean): Promise<number> {
    const thread = this.#host.threads.pick();
    return new Promise((resolve, reject) => {
      let timer: NodeJS.Timeout | undefined;
      const finish = (): void => {
        clearTimeout(timer);
        this.#giveUp = undefined;
        thread.release(id);
      };
      const giveUp = (error: Error): void => {
        finish();
        thread.send(Command.Close, id, -1, 1);
        reject(error);
      };
      const id = thread.hold((id) => new Connection(id, finish, () => resolve(sockets.pendingError(fd))));
      if (id < 0) {
        libc().close(fd);
        reject(noSlot());
        return;
      }
      thread.send(Command.Watch, id, fd);
      this.#giveUp = giveUp;
      if (more) timer = setTimeout(() => giveUp(new Error('no answer')), PATIENCE);
    });
  }
}

/** One error for those of all addresses, with their code where they have one in common. */
function ofAll(errors: readonly NodeJS.ErrnoException[]): Error {
  const error = new Error(errors.map(({ message }) => message).join(', '));
  const code = errors[0]?.code;
  return code !== undefined && errors.every((one) => one.code === code) ? Object.assign(error, { code }) : error;
}

class Connection implements Held {
  readonly id: number;
  readonly #finish: () => void;
  readonly #done: () => void;

  constructor(id: number, finish: () => void, done: () => void) {
    this.id = id;
    this.#finish = finish;
    this.#done = done;
  }

  report(): void {
    this.#finish();
    this.#done();
  }

  lost(): void {}
}

async function resolve(name: string): Promise<string[]> {
  const found = await dns.promises.lookup(name, { all: true });
  return found.map(({ address }) => address);
}
