/**
 * The native engine: sockets are the kernel's, driven through libc by threads of their own, so that what needs no
 * JavaScript costs none. Where something does, a socket becomes node's, as with the portable engine.
 */

import { Connections } from '../../core/connections.ts';
import type { Engine, Relay, SocketChannel } from '../../core/engine.ts';
import { L7mpError } from '../../core/errors.ts';
import { createNodeEngine } from '../node/index.ts';
import { Sockets } from '../node/stream.ts';
import { Connecting, type StreamHost } from './connect.ts';
import { NativeDatagramChannel } from './datagram-channel.ts';
import { connectDatagram, DatagramPorts } from './datagram-ports.ts';
import { libc } from './libc.ts';
import { StreamListeners } from './listen.ts';
import { NativeStreamChannel } from './stream-channel.ts';
import { IoThreads } from './threads.ts';

/**
 * The native engine. Throws an error of one line where the machine does not have what it takes. `peers`: how many UDP
 * peers each thread may have.
 */
export function createNativeEngine(threads = 1, connections = new Connections(), peers?: number): Engine {
  libc();
  return new NativeEngine(new IoThreads(threads, connections, peers), connections);
}

class NativeEngine implements Engine {
  readonly name = 'native';
  readonly #threads: IoThreads;
  readonly #host: StreamHost;
  readonly #listeners: StreamListeners;
  readonly #ports: DatagramPorts;
  readonly connections: Connections;
  /** Makes what is not to stay bare. */
  readonly #portable: Engine;

  constructor(threads: IoThreads, connections: Connections) {
    const sockets = new Sockets(connections);
    this.#threads = threads;
    this.connections = connections;
    this.#portable = createNodeEngine(connections, sockets);
    this.#host = { threads, onSocket: (socket) => sockets.add(socket) };
    this.#listeners = new StreamListeners(this.#host);
    this.#ports = new DatagramPorts(threads);
    threads.onEnd((thread) => {
      const [heir] = thread.failed ? threads.living : [];
      this.#listeners.leave(thread, heir);
      this.#ports.leave(thread, heir);
    });
  }

  get ready(): Promise<unknown> {
    return this.#threads.start();
  }

  get load(): readonly number[] {
    return this.#threads.living.map(({ load }) => load);
  }

  listenStream: Engine['listenStream'] = async (at, acceptor) => {
    await this.#toListen();
    return this.#listeners.listen(at, acceptor);
  };

  connectStream: Engine['connectStream'] = (to, attempt, limits, bind) => {
    if (!attempt.bare) return this.#portable.connectStream(to, attempt, limits, bind);
    return new Connecting(this.#host, to, attempt, limits, bind).run();
  };

  listenDatagram: Engine['listenDatagram'] = async (at, acceptor) => {
    await this.#toListen();
    return this.#ports.listen(at, acceptor);
  };

  connectDatagram: Engine['connectDatagram'] = (to, attempt, limits, bind) =>
    connectDatagram(this.#threads.pick(), to, attempt, limits, bind);

  adopt: Engine['adopt'] = (socket) => {
    this.#portable.adopt(socket);
  };

  relay(a: SocketChannel, b: SocketChannel, mends = false): Relay | undefined {
    if (a instanceof NativeStreamChannel && b instanceof NativeStreamChannel)
      return NativeStreamChannel.join(a, b, mends);
    if (a instanceof NativeDatagramChannel && b instanceof NativeDatagramChannel)
      return NativeDatagramChannel.join(a, b);
    return undefined;
  }

  /** A peer that comes before the threads have started would wait for its answer as long as that takes. */
  async #toListen(): Promise<void> {
    await this.#threads.start();
    if (this.#threads.living.length === 0) throw new L7mpError('E_BIND', 'native I/O has no thread left');
  }

  async close(): Promise<void> {
    await Promise.all([this.#portable.close(), this.#threads.close()]);
  }
}
