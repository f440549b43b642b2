import * as dns from 'node:dns';
import { unlinkSync } from 'node:fs';
import * as net from 'node:net';
import type { Acceptor, Listening, SocketAddress } from '../engine.ts';
import { bindError } from '../node/stream.ts';
import { hostAt, portAt } from './address.ts';
import type { StreamHost } from './connect.ts';
import { libc } from './libc.ts';
import * as sockets from './sockets.ts';
import { NativeStreamChannel } from './stream-channel.ts';
import { Command, Report } from './wire.ts';

interface Listener {
  readonly at: SocketAddress;
  readonly acceptor: Acceptor;
  readonly closed: () => void;
  closing: Promise<void> | undefined;
}

/** The listening streams of an engine: it takes connections in its thread, and the main thread decides on them. */
export class StreamListeners {
  readonly #host: StreamHost;
  readonly #listeners = new Map<number, Listener>();
  #next = 0;

  constructor(host: StreamHost) {
    this.#host = host;
    host.thread.handlers[Report.Accepted] = (_type, at) => this.#accepted(at);
    host.thread.handlers[Report.Unlistened] = (_type, at) => this.#unlistened(at);
  }

  async listen(at: SocketAddress, acceptor: Acceptor): Promise<Listening> {
    const { thread } = this.#host;
    // Its own thread may not have closed a socket at this address yet.
    await Promise.all([...this.#listeners.values()].map(({ closing }) => closing));
    const fd = await open(at);
    const number = this.#next++;
    const { promise, resolve } = resolvable();
    const listener: Listener = { at, acceptor, closed: resolve, closing: undefined };
    this.#listeners.set(number, listener);
    thread.use();
    thread.send(Command.Listen, number, fd);
    return {
      close: () => {
        listener.closing ??= this.#close(number, listener, promise);
        return listener.closing;
      },
    };
  }

  /** The engine closes, and its thread closes them. */
  closeAll(): void {
    for (const [number, listener] of this.#listeners) this.#over(number, listener);
  }

  #close(number: number, listener: Listener, closed: Promise<void>): Promise<void> {
    if (!this.#listeners.has(number)) return Promise.resolve();
    this.#host.thread.send(Command.Unlisten, number);
    if ('path' in listener.at) unlink(listener.at.path);
    return closed;
  }

  #unlistened(at: number): void {
    const number = this.#host.thread.shared.arena.i32[at] as number;
    const listener = this.#listeners.get(number);
    if (listener) this.#over(number, listener);
  }

  #over(number: number, listener: Listener): void {
    this.#listeners.delete(number);
    this.#host.thread.unuse();
    if ('path' in listener.at && listener.closing === undefined) unlink(listener.at.path);
    listener.closed();
  }

  #accepted(at: number): void {
    const { thread, onSocket } = this.#host;
    const { i32, u8 } = thread.shared.arena;
    const fd = i32[at + 1] as number;
    const listener = this.#listeners.get(i32[at] as number);
    if (!listener || listener.closing !== undefined || thread.closing) {
      libc().close(fd);
      return;
    }
    const address = (at + 2) << 2;
    const remote = { address: hostAt(u8, address), port: portAt(u8, address) };
    const { acceptor } = listener;
    if (!acceptor.admit('path' in listener.at ? { address: '', port: 0 } : remote)) {
      libc().close(fd);
      return;
    }
    const known = 'path' in listener.at ? undefined : remote;
    acceptor.accept(new NativeStreamChannel(thread, fd, acceptor.limits, known, onSocket, acceptor));
  }
}

async function open(at: SocketAddress): Promise<number> {
  try {
    if ('path' in at) return await sockets.listenPath(at.path);
    const host = net.isIP(at.host) ? at.host : (await dns.promises.lookup(at.host)).address;
    return sockets.listenInternet({ host, port: at.port });
  } catch (error) {
    if (error instanceof sockets.SocketError) throw bindError(at, error);
    throw error;
  }
}

function unlink(path: string): void {
  try {
    unlinkSync(path);
  } catch {
    // Somebody else has removed it.
  }
}

function resolvable(): { promise: Promise<void>; resolve: () => void } {
  let resolve = (): void => {};
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}
