/**
 * The native engine: sockets are the kernel's, driven through libc in the thread that uses them. What goes from socket to
 * socket costs no JavaScript object, and what JavaScript reads and writes is received and sent by it, without node's.
 */
import { Connections } from '../../core/connections.ts';
import type { Engine, Relay, SocketChannel } from '../../core/engine.ts';
import type { Binder } from '../binder.ts';
import { createNodeEngine } from '../node/index.ts';
import { Sockets } from '../node/stream.ts';
import { createLocalBinder } from './binder.ts';
import { DatagramChannel } from './datagrams/channel.ts';
import { DatagramSockets } from './datagrams/index.ts';
import { Loop } from './loop.ts';
import { NativeMessages } from './messages/index.ts';
import { NativeStreamChannel } from './streams/channel.ts';
import { Connecting, type Dialect, streamDialect } from './streams/connect.ts';
import { ConnectedSocket } from './streams/connected.ts';
import { StreamHub } from './streams/hub.ts';
import { listenStream } from './streams/listen.ts';
import { Share, type SiblingStart } from './streams/siblings.ts';
import { Arena } from './system/arena.ts';
import type { Descriptors } from './system/descriptors.ts';
import { libc } from './system/libc.ts';
import { askForShortSlices } from './system/scheduling.ts';

/** Milliseconds that sockets have to deliver what was written when the engine closes. */
const CLOSE_GRACE = 1000;

/** Bytes of an engine's memory: address space, of which only is there what is used. */
const ARENA_SIZE = 1 << 27;

export interface NativeOptions {
  readonly connections?: Connections | undefined;
  /** Binds what listens: else the engine does by itself. */
  readonly binder?: Binder | undefined;
  /** What the process before listens on may be listened on, too: it is about to end. */
  readonly takeover?: boolean | undefined;
  /** Sockets that listen, with which the process was started. */
  readonly activated?: readonly number[] | undefined;
  /** Others that listen on the same sockets. */
  readonly siblings?: SiblingStart | undefined;
  /** Where the descriptors are noted that this thread has. */
  readonly descriptors?: Descriptors | undefined;
  /** How many UDP peers it may have. */
  readonly peers?: number | undefined;
}

/** The native engine. Throws an error of one line where the machine does not have what it takes. */
export function createNativeEngine(options: NativeOptions = {}): Engine {
  libc();
  return new NativeEngine(options);
}

class NativeEngine implements Engine {
  readonly name = 'native';
  readonly connections: Connections;
  readonly #arena: Arena;
  readonly #loop: Loop;
  readonly #streams: StreamHub;
  readonly #dialect: Dialect;
  readonly #datagrams: DatagramSockets;
  readonly messages: NativeMessages;
  /** Has the sockets that are node's. */
  readonly #node: Engine;
  #closed: Promise<void> | undefined;

  constructor(options: NativeOptions) {
    const { connections = new Connections(), descriptors, siblings, takeover, activated } = options;
    const { binder = createLocalBinder({ takeover, activated }) } = options;
    const sockets = new Sockets(connections);
    const arena = Arena.map(ARENA_SIZE);
    const loop = new Loop(arena, descriptors);
    askForShortSlices();
    const context = { loop, connections, binder };
    const share = siblings && new Share(loop, siblings, descriptors);
    this.connections = connections;
    this.#arena = arena;
    this.#loop = loop;
    this.#streams = new StreamHub(context, (socket) => sockets.add(socket), share);
    this.#dialect = streamDialect(this.#streams);
    this.messages = new NativeMessages(this.#streams);
    this.#datagrams = new DatagramSockets(context, options.peers);
    this.#node = createNodeEngine(connections, sockets, binder);
  }

  get load(): number {
    return this.#loop.size;
  }

  listenStream: Engine['listenStream'] = (at, acceptor) => listenStream(this.#streams, at, acceptor);

  connectStream: Engine['connectStream'] = (to, attempt, limits, bind) =>
    new Connecting(this.#streams, this.#dialect, { to, attempt, limits, bind }).run();

  listenDatagram: Engine['listenDatagram'] = (at, acceptor) => this.#datagrams.listen(at, acceptor);

  connectDatagram: Engine['connectDatagram'] = (to, attempt, limits, bind) =>
    this.#datagrams.connect(to, attempt, limits, bind);

  listenFifos: Engine['listenFifos'] = (at, acceptor) => this.#node.listenFifos(at, acceptor);

  connectFifos: Engine['connectFifos'] = (to, attempt, limits) => this.#node.connectFifos(to, attempt, limits);

  relay(a: SocketChannel, b: SocketChannel, mends = false): Relay | undefined {
    if (a instanceof NativeStreamChannel && b instanceof NativeStreamChannel)
      return NativeStreamChannel.join(a, b, mends);
    if (a instanceof DatagramChannel && b instanceof DatagramChannel) return DatagramChannel.join(a, b);
    return undefined;
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    this.#datagrams.close();
    for (const handler of this.#loop.handlers()) if (!(handler instanceof ConnectedSocket)) handler.stop?.();
    await Promise.all([this.#node.close(), this.#streamsOver()]);
    for (const handler of this.#loop.handlers()) handler.stop?.();
    this.#streams.pipes.close();
    this.#loop.end();
    this.#arena.clear();
  }

  /** Resolves when the last stream has ended, or has had its time. */
  async #streamsOver(): Promise<void> {
    const over = (now: number): boolean => this.#loop.size === 0 || now >= until;
    const until = this.#loop.now + CLOSE_GRACE;
    if (over(this.#loop.now)) return;
    await new Promise<void>((resolve) => {
      this.#loop.tickFor({
        tick: (now) => {
          if (over(now)) resolve();
          return !over(now);
        },
      });
    });
  }
}
