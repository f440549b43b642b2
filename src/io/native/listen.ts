import { isWildcard } from '../../core/address.ts';
import type { Acceptor, Ends, Listening, SocketAddress } from '../../core/engine.ts';
import { bindError } from '../node/stream.ts';
import { addressToBind } from '../resolve.ts';
import { removeFile, type SocketFile, socketFile } from '../unix-path.ts';
import { hostAt, portAt } from './address.ts';
import type { StreamHost } from './connect.ts';
import { libc } from './libc.ts';
import * as sockets from './sockets.ts';
import { NativeStreamChannel } from './stream-channel.ts';
import type { IoThread } from './thread.ts';
import { Command, Report } from './wire.ts';

interface Listener {
  readonly at: SocketAddress;
  readonly acceptor: Acceptor;
  readonly fd: number;
  /** Of a UNIX socket. */
  readonly file: SocketFile | undefined;
  /** What its connections have at this end; a port of 0 where that is each one's own. Undefined for UNIX sockets. */
  readonly local: sockets.InternetAddress | undefined;
  thread: IoThread;
  readonly closed: () => void;
  closing: Promise<void> | undefined;
}

/**
 * The listening streams of an engine: each has a thread that takes its connections, and the main thread decides on
 * them. They go to other threads as well.
 */
export class StreamListeners {
  readonly #host: StreamHost;
  readonly #listeners = new Map<number, Listener>();
  #next = 0;
  /** Accepted in this turn of the loop. */
  #accepted: NativeStreamChannel[] = [];

  constructor(host: StreamHost) {
    this.#host = host;
    host.threads.handle(Report.Accepted, (thread, at) => this.#accept(thread, at));
    host.threads.handle(Report.Refused, ({ shared: { arena } }, at) => {
      const listener = this.#listeners.get(arena.i32[at] as number);
      listener?.acceptor.refused?.('descriptors', arena.i32[at + 1] as number);
    });
    host.threads.handle(Report.Unlistened, (thread, at) => this.#unlistened(thread, at));
  }

  async listen(at: SocketAddress, acceptor: Acceptor): Promise<Listening> {
    // Its own thread may not have closed a socket at this address yet.
    await Promise.all([...this.#listeners.values()].map(({ closing }) => closing));
    const fd = await open(at);
    const number = this.#next++;
    const { promise, resolve } = resolvable();
    const thread = this.#host.threads.pick();
    const local = 'path' in at ? undefined : commonAddress(fd);
    const file = 'path' in at ? socketFile(at.path) : undefined;
    const listener: Listener = { at, acceptor, fd, file, local, thread, closed: resolve, closing: undefined };
    this.#listeners.set(number, listener);
    this.#give(number, listener);
    return {
      close: () => {
        listener.closing ??= this.#close(number, listener, promise);
        return listener.closing;
      },
    };
  }

  /** A thread has ended, and closed what it had, unless it has failed: then another one takes connections. */
  leave(thread: IoThread, heir: IoThread | undefined): void {
    for (const [number, listener] of this.#listeners) {
      if (listener.thread !== thread) continue;
      if (heir && listener.closing === undefined) {
        listener.thread = heir;
        this.#give(number, listener);
      } else {
        this.#over(number, listener);
        if (thread.failed) libc().close(listener.fd);
      }
    }
  }

  #give(number: number, { thread, fd, acceptor }: Listener): void {
    thread.use();
    thread.send(Command.Listen, number, fd, acceptor.mayUseReserve ? 1 : 0);
  }

  #close(number: number, listener: Listener, closed: Promise<void>): Promise<void> {
    if (!this.#listeners.has(number)) return Promise.resolve();
    removeFile(listener.file);
    listener.thread.send(Command.Unlisten, number);
    return closed;
  }

  #unlistened(thread: IoThread, at: number): void {
    const number = thread.shared.arena.i32[at] as number;
    const listener = this.#listeners.get(number);
    if (listener) this.#over(number, listener);
  }

  #over(number: number, listener: Listener): void {
    this.#listeners.delete(number);
    listener.thread.unuse();
    if (listener.closing === undefined) removeFile(listener.file);
    listener.closed();
  }

  #accept(thread: IoThread, at: number): void {
    const { threads, onSocket } = this.#host;
    const { i32, u8 } = thread.shared.arena;
    const fd = i32[at + 1] as number;
    const listener = this.#listeners.get(i32[at] as number);
    if (!listener || listener.closing !== undefined || thread.closing) {
      libc().close(fd);
      return;
    }
    const { acceptor, local } = listener;
    const shortage = thread.connections.shortage(fd);
    if (shortage !== undefined && !acceptor.mayUseReserve?.()) {
      acceptor.refused?.(shortage, 1);
      libc().close(fd);
      return;
    }
    const ends = local && endsOf(local, u8, (at + 2) << 2);
    if (!acceptor.admit({ address: ends?.remoteAddress ?? '', port: ends?.remotePort ?? 0 })) {
      libc().close(fd);
      return;
    }
    // What a UNIX socket accepts inherits nothing.
    if (!local) sockets.keepUrgentData(fd);
    const channel = new NativeStreamChannel(threads.pick(), fd, acceptor.limits, ends, onSocket, acceptor);
    if (this.#accepted.push(channel) === 1) setImmediate(() => this.#watchAccepted());
    acceptor.accept(channel);
  }

  /** Most are joined or read by now; the others wait for something, and a reset must be seen meanwhile. */
  #watchAccepted(): void {
    for (const channel of this.#accepted) channel.watch();
    this.#accepted = [];
  }
}

async function open(at: SocketAddress): Promise<number> {
  try {
    if ('path' in at) return await sockets.listenPath(at.path, at.mode);
    return sockets.listenInternet({ host: await addressToBind(at), port: at.port });
  } catch (error) {
    if (error instanceof sockets.SocketError) throw bindError(at, error);
    throw error;
  }
}

/** The address that all connections of a listening socket have; a port of 0 where it listens on any. */
function commonAddress(fd: number): sockets.InternetAddress {
  const { address: host, port } = sockets.localAddress(fd);
  return { host, port: isWildcard(host) ? 0 : port };
}

/** The ends of a connection, whose peer's address lies at an offset. */
function endsOf(local: sockets.InternetAddress, u8: Uint8Array, remote: number): Ends {
  return {
    localAddress: local.host,
    localPort: local.port,
    remoteAddress: hostAt(u8, remote),
    remotePort: portAt(u8, remote),
  };
}

function resolvable(): { promise: Promise<void>; resolve: () => void } {
  let resolve = (): void => {};
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}
