/**
 * The datagram sockets of a native engine: those that listen, each with its peers, and those that are connected to one.
 * One object is a channel and what drives its socket, so that a datagram goes from one to the other in one call.
 */
import type { Acceptor, DatagramListening, Engine, InternetAddress, SocketChannel } from '../../../core/engine.ts';
import { inUse } from '../../node/stream.ts';
import { addressToBind } from '../../resolve.ts';
import type { NativeContext } from '../context.ts';
import { connectDatagram } from './connected.ts';
import { CLOSED, DatagramHub } from './hub.ts';
import { ListeningPort } from './port.ts';

export class DatagramSockets {
  readonly #context: NativeContext;
  readonly #hub: DatagramHub;
  /** By address and port. */
  readonly #ports = new Map<string, ListeningPort>();
  readonly #closing = new Map<string, Promise<void>>();

  /** `crowded`: peers that it may have before another one is taken only for one that goes. */
  constructor(context: NativeContext, crowded?: number) {
    this.#context = context;
    this.#hub = new DatagramHub(context, crowded);
  }

  /** See `Engine.listenDatagram`. */
  async listen(at: InternetAddress, acceptor: Acceptor): Promise<DatagramListening> {
    const host = await addressToBind(at);
    const key = `${host}|${at.port}`;
    await this.#closing.get(key);
    const port = this.#ports.get(key) ?? (await this.#open(key, { ...at, host }));
    if (!(port instanceof ListeningPort)) return port;
    if (port.acceptor) throw inUse(at);
    port.acceptor = acceptor;
    return { close: () => port.retire(), emit: (peer) => port.emit(peer) };
  }

  /** See `Engine.connectDatagram`. */
  connect: Engine['connectDatagram'] = (to, attempt, limits, bind): SocketChannel | Promise<SocketChannel> =>
    connectDatagram(this.#hub, to, attempt, limits, bind);

  /** Sends what waits, and closes the listening ones with their peers: connected ones are told to stop as all others in the loop. */
  close(): void {
    this.#hub.sender.flush();
    for (const port of this.#ports.values()) port.close(CLOSED);
  }

  async #open(key: string, at: InternetAddress): Promise<ListeningPort | DatagramListening> {
    const bound = await this.#context.binder.bindDatagram(at);
    if (bound.listen === 'elsewhere') return { close: bound.release, emit: () => {} };
    const port = new ListeningPort(this.#hub, at, bound, (free) => this.#leave(key, free));
    this.#ports.set(key, port);
    return port;
  }

  #leave(key: string, free: Promise<void>): void {
    this.#ports.delete(key);
    const closing = free.finally(() => this.#closing.delete(key));
    this.#closing.set(key, closing);
  }
}
