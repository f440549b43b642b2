/**
 * Listening on many ports: what TCP, UDP and any protocol on Internet sockets do for `ports`. Each port is listened to like
 * one alone, by one acceptor, so that its sessions are as ever and have the port that was hit; all of them are one thing to
 * close. A protocol takes the fields from `listenFields`, checks them by `checkListen`, says `address: listenAddress`, and
 * gives `listenAt` what opens one port.
 */
import { setImmediate as turn } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import type { Connections } from '../core/connections.ts';
import type { InternetAddress, SocketListening } from '../core/engine.ts';
import { L7mpError } from '../core/errors.ts';
import { hostPorts, type ListenAddress, portsOf } from '../core/ports.ts';
import type { ListenerHost, Reconfigurable, Spec } from '../core/protocol.ts';
import { isInUse } from '../io/node/stream.ts';
import { addressToBind } from '../io/resolve.ts';
import { type ListenFields, listenAddress } from './addresses.ts';
import { LatePorts } from './late-ports.ts';

/** Ports that are opened, or closed, before others have their turn: some milliseconds. */
const SLICE = 256;

/** Opens one port. Rejects with E_BIND, and leaves nothing behind, where it cannot. */
export type Opener<T extends SocketListening> = (at: InternetAddress) => Promise<T>;

/** All that was opened, port by port. */
export interface PortsListening<T extends SocketListening> extends SocketListening, Reconfigurable {
  readonly each: readonly T[];
  /**
   * Takes another range of the same address in place: what both have is not touched, and what is not wanted any more is
   * closed when all else is open. Rejects with E_BIND, which names the port, and everything as it was.
   */
  reconfigure(spec: Spec): Promise<boolean>;
}

/** What is needed of a listener's host. */
export type PortsHost = Pick<ListenerHost, 'io' | 'log' | 'name' | 'waits'>;

/**
 * Listens at an address, or at each port of a range. Rejects with E_BIND, which names the port, and leaves nothing behind.
 * What is opened in a range is `ranged`: see `InternetAddress`. Ports that the process before still has come later, each
 * as soon as it is free, where the host `waits`. A protocol whose range may change in place says `live: ['/spec/ports']`.
 *
 * @example listen: (spec, host) => listenAt(listenAddress(spec), host, (at) => host.io.listenStream(at, acceptor)),
 */
export async function listenAt<T extends SocketListening>(
  address: ListenAddress,
  host: PortsHost,
  open: Opener<T>,
): Promise<PortsListening<T>> {
  const { first, last } = portsOf(address);
  if (first === last) {
    const one = await open({ host: address.host, port: first });
    const reconfigure = async (spec: Spec) => isDeepStrictEqual(addressIn(spec), address);
    return { each: [one], close: () => one.close(), reconfigure };
  }
  const resolved = await addressToBind(address);
  const range = new Range(address, host, (port) => open({ host: resolved, port, ranged: true }));
  await range.open();
  return range;
}

/** What listens on many ports. */
class Range<T extends SocketListening> implements PortsListening<T> {
  #address: ListenAddress;
  readonly #host: PortsHost;
  readonly #open: (port: number) => Promise<T>;
  readonly #opened = new Map<number, T>();
  readonly #late: LatePorts<T>;

  constructor(address: ListenAddress, host: PortsHost, open: (port: number) => Promise<T>) {
    const { log, name } = host;
    this.#address = address;
    this.#host = host;
    this.#open = open;
    this.#late = new LatePorts({ open, opened: (port, one) => this.#opened.set(port, one), log, name });
  }

  get each(): readonly T[] {
    return [...this.#opened.values()];
  }

  /** Rejects with nothing left open. */
  async open(): Promise<void> {
    try {
      await this.#openAll(numbersOf(this.#address), this.#address, this.#host.waits === true);
    } catch (error) {
      await this.close();
      throw error;
    }
    this.#late.begin();
  }

  async reconfigure(spec: Spec): Promise<boolean> {
    const address = addressIn(spec);
    if (address.host !== this.#address.host || address.lastPort === undefined) return false;
    const { first, last } = portsOf(address);
    const isIn = (port: number): boolean => first <= port && port <= last;
    const before = new Set(numbersOf(this.#address));
    const missing = numbersOf(address).filter((port) => !before.has(port));
    try {
      await this.#openAll(missing, address, false);
    } catch (error) {
      await this.#close(missing);
      throw error;
    }
    this.#address = address;
    await this.#late.keep(isIn);
    await this.#close([...this.#opened.keys()].filter((port) => !isIn(port)));
    return true;
  }

  async close(): Promise<void> {
    await this.#late.close();
    await this.#close([...this.#opened.keys()]);
  }

  /** `of`: what is said where they are too many. */
  async #openAll(ports: readonly number[], of: ListenAddress, waits: boolean): Promise<void> {
    const { connections } = this.#host.io;
    // Before any is opened: else there would be none left for traffic, for a while.
    needRoom(connections, connections.ceiling - this.#opened.size, ports.length, of);
    for (let n = 0; n < ports.length; n += SLICE) {
      const slice = ports.slice(n, n + SLICE);
      needRoom(connections, connections.left, slice.length, of);
      const taken = await openSlice(slice, this.#open, this.#opened, ({ error }) => waits && isInUse(error));
      this.#late.add(taken);
      await turn();
    }
  }

  /** Those of them that are open. */
  async #close(ports: readonly number[]): Promise<void> {
    for (let n = 0; n < ports.length; n += SLICE) {
      const slice = ports.slice(n, n + SLICE);
      const closing = slice.map((port) => this.#opened.get(port)?.close());
      for (const port of slice) this.#opened.delete(port);
      await Promise.all(closing);
      await turn();
    }
  }
}

/** Of a specification with the fields of Internet sockets: nothing else listens here. */
function addressIn(spec: Spec): ListenAddress {
  return listenAddress(spec as Spec & ListenFields);
}

function numbersOf(address: ListenAddress): number[] {
  const { first, last } = portsOf(address);
  return Array.from({ length: last - first + 1 }, (_, n) => first + n);
}

/** Throws E_BIND where ports are more than there is room for. */
function needRoom({ ceiling }: Connections, room: number, wanted: number, address: ListenAddress): void {
  if (wanted <= room) return;
  const why = `${wanted} more descriptors are needed; of those up to ${ceiling} (ulimit -n, less what is reserved) too few are left`;
  throw new L7mpError('E_BIND', `cannot listen on ${hostPorts(address)}: ${why}`);
}

interface Failure {
  readonly port: number;
  readonly error: unknown;
}

/** Adds what it opens to `opened`. Returns the ports that it could not open for a reason that `passes`; throws any other one. */
async function openSlice<T>(
  ports: readonly number[],
  open: (port: number) => Promise<T>,
  opened: Map<number, T>,
  passes: (failure: Failure) => boolean,
): Promise<number[]> {
  const results = await Promise.allSettled(ports.map(open));
  const failures: Failure[] = [];
  for (const [n, result] of results.entries()) {
    const port = ports[n] as number;
    if (result.status === 'fulfilled') opened.set(port, result.value);
    else failures.push({ port, error: result.reason });
  }
  const fatal = failures.find((failure) => !passes(failure));
  if (fatal) throw fatal.error;
  return failures.map(({ port }) => port);
}
